package edit

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Add gives the object a field that it does not set: one scalar, in double quotes, and the mappings around it that are
// not there yet. It goes where the deepest mapping of p is that is there: after its last line in block style, after its
// last value in flow style. Every byte of src stays, in its order. ErrNotFound: the object is not there, or p leads
// through something that is no mapping.
func Add(file string, src []byte, sel Selector, p Path, value string) ([]byte, error) {
	return add(file, src, sel, p, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: yaml.DoubleQuotedStyle})
}

// AddPlain is Add for numbers and booleans: the value is not put in quotes, and must not be read as text.
func AddPlain(file string, src []byte, sel Selector, p Path, value string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(value), &doc); err != nil || len(doc.Content) != 1 || !slices.Contains(bare, doc.Content[0].Tag) || doc.Content[0].Value != value {
		return nil, &Refusal{File: file, Why: fmt.Sprintf("%q is no number and no boolean", value)}
	}
	return add(file, src, sel, p, scalarNode(doc.Content[0].Tag, value))
}

var bare = []string{"!!int", "!!float", "!!bool"}

func add(file string, src []byte, sel Selector, p Path, v *yaml.Node) ([]byte, error) {
	c, err := read(file, src)
	if err != nil {
		return nil, err
	}
	s, rest, err := c.deepest(sel, p)
	if err != nil {
		return nil, err
	}
	at := s.node()
	switch {
	case !utf8.ValidString(v.Value) || v.Value == "":
		return nil, refuse(file, at, "the new value is empty or not valid UTF-8")
	case variable(v.Value):
		return nil, refuse(file, at, "the new value would be read as a template variable")
	}
	for _, k := range slices.Backward(rest[1:]) {
		v = mappingNode(scalarNode("!!str", k.Key), v)
	}
	k := scalarNode("!!str", rest[0].Key)
	var out []byte
	if at.Kind == yaml.MappingNode {
		out = c.insert(at, k, v)
	} else {
		out = c.replace(s.parent, s.i, mappingNode(k, v))
	}
	if out == nil {
		return nil, refuse(file, at, fmt.Sprintf("%s cannot be added there without changing something else", rest))
	}
	return out, nil
}

// deepest follows p as far as the object goes: to the mapping, or the absent value, that the rest of the keys goes into.
func (c *content) deepest(sel Selector, p Path) (spot, Path, error) {
	for i := range p {
		s, err := c.seek(sel, p[:i])
		if err != nil {
			return spot{}, nil, err
		}
		n, k := s.node(), p[i].Key
		if k == "" || n.Kind == yaml.MappingNode && value(n, k) != nil || n.Kind != yaml.MappingNode && !nothing(n) {
			continue
		}
		if merge := value(n, "<<"); merge != nil {
			return spot{}, nil, refuse(c.file, merge, "the key "+k+" may come through the merge key <<")
		}
		if slices.ContainsFunc(p[i:], func(s Step) bool { return s.Key == "" }) {
			return spot{}, nil, fmt.Errorf("%s:%d:%d does not set %s: %w", c.file, n.Line, n.Column, p[i:], ErrNotFound)
		}
		return s, p[i:], nil
	}
	s, err := c.seek(sel, p)
	if err != nil {
		return spot{}, nil, err
	}
	return spot{}, nil, refuse(c.file, s.node(), "the field is there already"+p.Doubt())
}

// nothing reports whether n is a value that was left out: `key:` and no more.
func nothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "" && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

// place is a text and where it goes.
type place struct {
	offset int
	text   string
}

// lastLine of a node, as far as the parser tells.
func lastLine(n *yaml.Node) int {
	line := n.Line
	for _, c := range n.Content {
		line = max(line, lastLine(c))
	}
	return line
}

// ending is how the lines of src end.
func ending(src []byte, starts []int) string {
	if len(starts) > 1 {
		return lineBreak(src, starts[1])
	}
	return "\n"
}

// lineBreak is the break right before at, or "".
func lineBreak(src []byte, at int) string {
	for _, b := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if bytes.HasSuffix(src[:at], []byte(b)) {
			return b
		}
	}
	return ""
}

func pairs(content []*yaml.Node) (keys []*yaml.Node) {
	for i := 0; i+1 < len(content); i += 2 {
		keys = append(keys, content[i])
	}
	return keys
}
