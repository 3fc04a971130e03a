package edit

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Position is where a scalar stands: its bytes are src[Start:End], quotes included.
type Position struct {
	File         string
	Line, Column int // from 1; the column in runes
	Start, End   int
	Value        string // without quotes and escapes
}

// Find says where the object that sel names sets the field. It refuses what Set would refuse, whatever the value.
func Find(file string, src []byte, sel Selector, p Path) (Position, error) {
	docs, err := parse(file, src)
	if err != nil {
		return Position{}, err
	}
	pos, _, err := scalar(file, src, docs, sel, p)
	return pos, err
}

// scalar follows p and returns the node with its position.
func scalar(file string, src []byte, docs []*yaml.Node, sel Selector, p Path) (Position, *yaml.Node, error) {
	n, err := follow(file, docs, sel, p)
	if err != nil {
		return Position{}, nil, err
	}
	if why := uneditable(n); why != "" {
		return Position{}, nil, refuse(file, n, why)
	}
	start := offset(src, lineStarts(src), n.Line, n.Column)
	end := scalarEnd(src, start, n)
	if end < 0 {
		return Position{}, nil, refuse(file, n, "the value runs over several lines")
	}
	return Position{file, n.Line, n.Column, start, end, n.Value}, n, nil
}

// follow is the node that p leads to.
func follow(file string, docs []*yaml.Node, sel Selector, p Path) (*yaml.Node, error) {
	n, err := find(file, docs, sel)
	if err != nil {
		return nil, err
	}
	for i, s := range p {
		if why := shared(n); why != "" {
			return nil, refuse(file, n, why)
		}
		if n, err = step(file, n, s); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", p[:i+1], sel, err)
		}
	}
	return n, nil
}

func shared(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "the value is an alias: editing what it points at would change other places too"
	case n.Anchor != "":
		return "the value has the anchor &" + n.Anchor + ": editing it would change other places too"
	}
	return ""
}

func uneditable(n *yaml.Node) string {
	if why := shared(n); why != "" {
		return why
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "the field is not a single value"
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return "the value is a block scalar"
	case n.Style&yaml.TaggedStyle != 0:
		return "the value has an explicit tag"
	case n.Tag == "!!null":
		return "the field has no value"
	case variable(n.Value):
		return "the value comes from a template variable"
	case n.Style == 0 && yaml11Word(n.Value):
		return "the value is a boolean to YAML 1.1 and a string to YAML 1.2"
	}
	return ""
}

// variable reports whether Helm or Flux would put something else in the value's place.
func variable(value string) bool {
	return strings.Contains(value, "{{") || strings.Contains(value, "${")
}

// step goes one step down.
func step(file string, n *yaml.Node, s Step) (*yaml.Node, error) {
	if s.Key != "" {
		return byKey(file, n, s.Key)
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s:%d:%d is no list: %w", file, n.Line, n.Column, ErrNotFound)
	}
	if s.By == "" {
		if s.Index >= len(n.Content) {
			return nil, fmt.Errorf("%s:%d:%d has %d elements: %w", file, n.Line, n.Column, len(n.Content), ErrNotFound)
		}
		return n.Content[s.Index], nil
	}
	var found *yaml.Node
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode && text(value(item.Alias, s.By)) == s.Value {
			return nil, refuse(file, item, "the list element is an alias: editing it would change other places too")
		}
		if v := value(item, s.By); v == nil || v.Kind != yaml.ScalarNode || v.Value != s.Value {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s has the element at lines %d and %d: %w", file, found.Line, item.Line, ErrAmbiguous)
		}
		found = item
	}
	if found == nil {
		return nil, fmt.Errorf("%s:%d:%d has no such element: %w", file, n.Line, n.Column, ErrNotFound)
	}
	return found, nil
}

func byKey(file string, n *yaml.Node, key string) (*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d:%d is no mapping: %w", file, n.Line, n.Column, ErrNotFound)
	}
	var found, merge *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
		case k.Value == key && found != nil:
			return nil, refuse(file, k, "the key "+key+" is there twice")
		case k.Value == key:
			found = n.Content[i+1]
		case k.Tag == "!!merge":
			merge = k
		}
	}
	if found == nil && merge != nil {
		return nil, refuse(file, merge, "the key "+key+" may come through the merge key <<")
	}
	if found == nil {
		return nil, fmt.Errorf("%s:%d:%d does not set it: %w", file, n.Line, n.Column, ErrNotFound)
	}
	return found, nil
}

// scalarEnd is the offset after the scalar that starts at start, or -1 where it does not end on its line.
func scalarEnd(src []byte, start int, n *yaml.Node) int {
	if start < 0 || start >= len(src) {
		return -1
	}
	rest := src[start:]
	switch n.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle) {
	case yaml.DoubleQuotedStyle:
		return quotedEnd(rest, start, '"')
	case yaml.SingleQuotedStyle:
		return quotedEnd(rest, start, '\'')
	}
	// A plain scalar on one line is its own text; one that is folded over lines is not.
	if n.Value == "" || !bytes.HasPrefix(rest, []byte(n.Value)) {
		return -1
	}
	return start + len(n.Value)
}

func quotedEnd(rest []byte, start int, q byte) int {
	if len(rest) == 0 || rest[0] != q {
		return -1
	}
	for i := 1; i < len(rest); i++ {
		switch {
		case breakLen(rest[i:]) > 0:
			return -1
		case q == '"' && rest[i] == '\\':
			i++
			if i < len(rest) && breakLen(rest[i:]) > 0 {
				return -1
			}
		case q == '\'' && rest[i] == q && i+1 < len(rest) && rest[i+1] == q:
			i++
		case rest[i] == q:
			return start + i + 1
		}
	}
	return -1
}
