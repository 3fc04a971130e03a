package edit

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// JSON6902 applies a JSON Patch (RFC 6902), written as JSON or YAML, to the object by point edits: add, replace, remove
// and test. All of it is done or nothing. Errors are at the operation, in a file named "patch"; a test that fails is
// ErrTest.
func JSON6902(file string, src []byte, sel Selector, patch []byte) ([]byte, error) {
	list, err := fragment("patch", patch)
	if err != nil {
		return nil, err
	}
	if list.Kind != yaml.SequenceNode {
		return nil, refuse("patch", list, "a JSON patch is a list of operations")
	}
	e, err := newEditor(file, src, sel)
	if err != nil {
		return nil, err
	}
	for _, op := range list.Content {
		if err := e.operation(op); err != nil {
			return nil, fmt.Errorf("patch:%d:%d: %w", op.Line, op.Column, err)
		}
	}
	return e.src, nil
}

func (e *editor) operation(op *yaml.Node) error {
	name, v := text(value(op, "op")), value(op, "value")
	at := value(op, "path")
	if at == nil || at.Kind != yaml.ScalarNode {
		return fmt.Errorf("the operation has no path")
	}
	p, there, err := e.pointer(at.Value)
	if err != nil {
		return err
	}
	if v == nil && name != "remove" {
		return fmt.Errorf("%s needs a value", name)
	}
	root, err := e.object()
	if err != nil {
		return err
	}
	if !there && name != "add" {
		return fmt.Errorf("%s:%d:%d has no %s: %w", e.file, root.Line, root.Column, at.Value, ErrNotFound)
	}
	switch name {
	case "test":
		s, err := e.seek(e.sel, p)
		if err != nil {
			return err
		}
		if !equal(s.node(), v) {
			return fmt.Errorf("%s:%d:%d: %s: %w", e.file, s.node().Line, s.node().Column, at.Value, ErrTest)
		}
		return nil
	case "remove":
		return e.take(p)
	case "replace":
		return e.become(p, v)
	case "add":
		return e.add(p, v)
	}
	return fmt.Errorf("the operation %q is none of add, replace, remove and test", name)
}

// add is RFC 6902's: it shifts a list, and replaces a key that is there.
func (e *editor) add(p Path, v *yaml.Node) error {
	s, err := e.seek(e.sel, p[:len(p)-1])
	if err != nil {
		return err
	}
	if s.node().Kind == yaml.SequenceNode {
		return e.put(s.node(), p[len(p)-1], v)
	}
	return e.become(p, v)
}

// pointer reads a JSON pointer against the object: a number is an index where it meets a list, and - the end of one.
func (e *editor) pointer(s string) (p Path, there bool, err error) {
	n, err := e.object()
	if err != nil {
		return nil, false, err
	}
	tokens := strings.Split(s, "/")
	if len(tokens) < 2 || tokens[0] != "" {
		return nil, false, fmt.Errorf("the path %q is no JSON pointer to a field", s)
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, token := range tokens[1:] {
		if n == nil {
			return nil, false, fmt.Errorf("%s: nothing is at %s: %w", e.file, strings.Join(tokens[:i+1], "/"), ErrNotFound)
		}
		st := Step{Key: unescape.Replace(token)}
		if n.Kind == yaml.SequenceNode {
			if st, err = index(token, len(n.Content)); err != nil {
				return nil, false, err
			}
		}
		if st.Key == "" && n.Kind != yaml.SequenceNode {
			return nil, false, fmt.Errorf("the path %q has an empty key", s)
		}
		p = append(p, st)
		if j := member(n, st); j >= 0 {
			n = n.Content[j]
		} else {
			n = nil
		}
	}
	return p, n != nil, nil
}

func index(token string, length int) (Step, error) {
	if token == "-" {
		return Step{Index: length}, nil
	}
	n, err := strconv.ParseUint(token, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != token {
		return Step{}, fmt.Errorf("%q is no index of a list", token)
	}
	return Step{Index: int(n)}, nil
}
