package edit

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// editor makes one point edit after the other; each is proven, and the file is read again after it.
type editor struct {
	*content
	sel   Selector
	edits int
}

// maxEdits bounds what one patch may ask for: each edit reads the file once.
const maxEdits = 500

func newEditor(file string, src []byte, sel Selector) (*editor, error) {
	c, err := read(file, src)
	if err != nil {
		return nil, err
	}
	return &editor{content: c, sel: sel}, nil
}

// object is the object as it reads now.
func (e *editor) object() (*yaml.Node, error) { return find(e.file, e.docs, e.sel) }

// took takes the result of a point edit over; nil: there is none, for why.
func (e *editor) took(out []byte, at *yaml.Node, why string) error {
	if out == nil {
		return refuse(e.file, at, why)
	}
	if e.edits++; e.edits > maxEdits {
		return &Refusal{File: e.file, Why: fmt.Sprintf("it takes more than %d edits", maxEdits)}
	}
	c, err := read(e.file, out)
	if err != nil {
		return err
	}
	e.content = c
	return nil
}

// become gives the value at p, whose parent must be there, the value v by the smallest edits: what is equal stays as it
// is written.
func (e *editor) become(p Path, v *yaml.Node) error {
	parent, err := e.seek(e.sel, p[:len(p)-1])
	if err != nil {
		return err
	}
	at, last := parent.node(), p[len(p)-1]
	i := member(at, last)
	if i < 0 {
		return e.put(at, last, v)
	}
	old := at.Content[i]
	if equal(old, v) {
		return nil
	}
	if why := shared(old); why != "" {
		return refuse(e.file, old, why)
	}
	switch {
	case old.Kind == yaml.MappingNode && v.Kind == yaml.MappingNode && len(v.Content) > 0:
		return e.becomeMapping(p, old, v)
	case old.Kind == yaml.SequenceNode && v.Kind == yaml.SequenceNode && len(v.Content) > 0:
		return e.becomeList(p, old, v)
	}
	if at := anchored(old); at != nil {
		return refuse(e.file, at, "it has the anchor &"+at.Anchor+": replacing it would change other places too")
	}
	if old.Kind == yaml.ScalarNode && variable(old.Value) {
		return refuse(e.file, old, "the value comes from a template variable")
	}
	return e.took(e.replace(at, i, v), old, "it cannot be replaced without changing something else")
}

// put adds what is not there.
func (e *editor) put(at *yaml.Node, last Step, v *yaml.Node) error {
	const why = "nothing can be added there without changing something else"
	switch {
	case last.Key != "" && at.Kind == yaml.MappingNode:
		if merge := value(at, "<<"); merge != nil {
			return refuse(e.file, merge, "the key "+last.Key+" may come through the merge key <<")
		}
		if len(at.Content) == 0 && at.Style&yaml.FlowStyle == 0 {
			return refuse(e.file, at, why)
		}
		return e.took(e.insert(at, scalarNode("!!str", last.Key), v), at, why)
	case last.Key == "" && last.By == "" && at.Kind == yaml.SequenceNode && last.Index <= len(at.Content):
		return e.took(e.insertItem(at, last.Index, v), at, why)
	}
	return fmt.Errorf("%s:%d:%d has no place for %s: %w", e.file, at.Line, at.Column, Path{last}, ErrNotFound)
}

func (e *editor) becomeMapping(p Path, old, v *yaml.Node) error {
	for i := 0; i+1 < len(v.Content); i += 2 {
		if err := e.become(child(p, Step{Key: v.Content[i].Value}), v.Content[i+1]); err != nil {
			return err
		}
	}
	for _, k := range pairs(old.Content) {
		if value(v, k.Value) == nil {
			if err := e.take(child(p, Step{Key: k.Value})); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *editor) becomeList(p Path, old, v *yaml.Node) error {
	for i, item := range v.Content {
		if err := e.become(child(p, Step{Index: i}), item); err != nil {
			return err
		}
	}
	for i := len(old.Content) - 1; i >= len(v.Content); i-- {
		if err := e.take(child(p, Step{Index: i})); err != nil {
			return err
		}
	}
	return nil
}

// take removes what is at p.
func (e *editor) take(p Path) error {
	s, err := e.seek(e.sel, p)
	if err != nil {
		return err
	}
	out, err := e.remove(s)
	if err != nil {
		return err
	}
	return e.took(out, s.node(), "")
}

// member is the index of the value in n.Content, or -1.
func member(n *yaml.Node, s Step) int {
	switch {
	case s.Key == "" && n.Kind == yaml.SequenceNode:
		if s.Index < len(n.Content) {
			return s.Index
		}
	case s.Key != "" && n.Kind == yaml.MappingNode:
		if i := slices.IndexFunc(pairs(n.Content), func(k *yaml.Node) bool { return k.Kind == yaml.ScalarNode && k.Value == s.Key }); i >= 0 {
			return 2*i + 1
		}
	}
	return -1
}

// equal compares what two nodes mean, whatever they look like.
func equal(a, b *yaml.Node) bool {
	var av, bv any
	return a.Decode(&av) == nil && b.Decode(&bv) == nil && reflect.DeepEqual(av, bv)
}

// fragment reads a small document that says what becomes part of another: without anchors, aliases, merge keys and tags
// of its own.
func fragment(name string, src []byte) (*yaml.Node, error) {
	if len(src) > maxFragment {
		return nil, &Refusal{File: name, Why: fmt.Sprintf("it is longer than %d KiB", maxFragment>>10)}
	}
	docs, err := parse(name, src)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || len(docs[0].Content) != 1 {
		return nil, &Refusal{File: name, Why: "it must be one document"}
	}
	root := docs[0].Content[0]
	if root.Style&yaml.FlowStyle != 0 { // JSON quotes everything
		for n := range fresh(root) {
			n.Style &^= yaml.DoubleQuotedStyle
		}
	}
	return root, ordinary(name, root)
}

const maxFragment = 64 << 10

// ordinary refuses what cannot be written elsewhere as it stands.
func ordinary(name string, n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return refuse(name, n, "anchors and aliases cannot be taken over")
	case n.Tag == "!!timestamp":
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	case n.Tag == "!!null":
		n.Value = "null"
	case n.Kind == yaml.ScalarNode && variable(n.Value):
		return refuse(name, n, "the value would be read as a template variable")
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!map", "!!seq"}, n.Tag), n.Style&yaml.TaggedStyle != 0:
		return refuse(name, n, "the tag "+n.Tag+" cannot be taken over")
	}
	seen := map[string]bool{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if c.Kind != yaml.ScalarNode || seen[c.Value] {
				return refuse(name, c, "the key is there twice, or is none")
			}
			seen[c.Value] = true
		}
		if err := ordinary(name, c); err != nil {
			return err
		}
	}
	return nil
}
