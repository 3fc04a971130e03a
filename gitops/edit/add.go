package edit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Add gives the object a field that it does not set: one scalar, in double quotes, and the mappings around it that are
// not there yet. It goes where the deepest mapping of p is that is there, which must not be empty: after its last line in
// block style, first in flow style. Every byte of src stays, in its order. ErrNotFound: the object is not there, or p
// leads through something that is no mapping.
func Add(file string, src []byte, sel Selector, p Path, value string) ([]byte, error) {
	return add(file, src, sel, p, value, doubleQuoted(value))
}

// AddPlain is Add for numbers and booleans: the value is not put in quotes, and must not be read as text.
func AddPlain(file string, src []byte, sel Selector, p Path, value string) ([]byte, error) {
	return add(file, src, sel, p, value, value)
}

func add(file string, src []byte, sel Selector, p Path, value, written string) ([]byte, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	parent, rest, err := deepest(file, docs, sel, p)
	if err != nil {
		return nil, err
	}
	switch {
	case !utf8.ValidString(value) || value == "":
		return nil, refuse(file, parent, "the new value is empty or not valid UTF-8")
	case variable(value):
		return nil, refuse(file, parent, "the new value would be read as a template variable")
	}
	for _, at := range places(src, parent, rest, written) {
		out := slices.Concat(src[:at.offset], []byte(at.text), src[at.offset:])
		after, err := parse(file, out)
		if err != nil || len(after) != len(docs) {
			continue
		}
		c := addition{parent: parent, rest: rest, value: value, text: written != value}
		if slices.EqualFunc(docs, after, c.equal) && c.found {
			return out, nil
		}
	}
	return nil, refuse(file, parent, fmt.Sprintf("%s cannot be added there without changing something else", rest))
}

// deepest follows p as far as the object goes, and returns the mapping that is there and the keys that are not.
func deepest(file string, docs []*yaml.Node, sel Selector, p Path) (*yaml.Node, Path, error) {
	n, err := find(file, docs, sel)
	if err != nil {
		return nil, nil, err
	}
	for i, s := range p {
		if why := shared(n); why != "" {
			return nil, nil, refuse(file, n, why)
		}
		if s.Key != "" && n.Kind == yaml.MappingNode && value(n, s.Key) == nil {
			if merge := value(n, "<<"); merge != nil {
				return nil, nil, refuse(file, merge, "the key "+s.Key+" may come through the merge key <<")
			}
			if len(n.Content) == 0 || slices.ContainsFunc(p[i:], func(s Step) bool { return s.Key == "" }) {
				break
			}
			return n, p[i:], nil
		}
		if n, err = step(file, n, s); err != nil {
			return nil, nil, fmt.Errorf("%s of %s: %w", p[:i+1], sel, err)
		}
		if i == len(p)-1 {
			return nil, nil, refuse(file, n, "the field is there already")
		}
	}
	return nil, nil, fmt.Errorf("%s:%d:%d is no mapping with anything in it: %w", file, n.Line, n.Column, ErrNotFound)
}

// place is a text and where it goes.
type place struct {
	offset int
	text   string
}

// places lists where the keys may go into the mapping, the best first.
func places(src []byte, m *yaml.Node, keys Path, written string) []place {
	starts := lineStarts(src)
	if m.Style&yaml.FlowStyle != 0 {
		at := offset(src, starts, m.Line, m.Column)
		if at < 0 || at >= len(src) || src[at] != '{' {
			return nil
		}
		text := written
		for i, k := range slices.Backward(keys) {
			if text = key(k.Key) + ": " + text; i > 0 {
				text = "{" + text + "}"
			}
		}
		return []place{{at + 1, text + ", "}}
	}
	indent := strings.Repeat(" ", m.Content[0].Column-1)
	var out []place
	last := lastLine(m)
	for line := last; line <= min(last+1, len(starts)); line++ { // a plain scalar may go on in the next line
		at, end := len(src), ""
		if line < len(starts) {
			at = starts[line]
			end = lineBreak(src, at)
		}
		text := block(indent, keys, written, ending(src, starts))
		if end == "" { // the last line has no end
			text = ending(src, starts) + strings.TrimSuffix(text, ending(src, starts))
		}
		out = append(out, place{at, text})
	}
	return out
}

// block is one line for each key, the last with the value.
func block(indent string, keys Path, written, end string) string {
	var b strings.Builder
	for i, k := range keys {
		b.WriteString(indent + strings.Repeat("  ", i) + key(k.Key) + ":")
		if i == len(keys)-1 {
			b.WriteString(" " + written)
		}
		b.WriteString(end)
	}
	return b.String()
}

// key is plain where every reader takes it for text.
func key(s string) string {
	letter := s != "" && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r > 127 || r != '.' && !plainKey(byte(r)) })
	if word := strings.ToLower(s); letter && plain && word != "true" && word != "false" && word != "null" && !yaml11Word(s) {
		return s
	}
	return doubleQuoted(s)
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

// addition compares a file with what it became: all is equal, but parent has one more key.
type addition struct {
	parent *yaml.Node
	rest   Path
	value  string
	text   bool // and not a number or a boolean
	found  bool
}

func (c *addition) equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Anchor != b.Anchor || a.Tag != b.Tag || a.Value != b.Value || a.Style != b.Style ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		return false
	}
	rest := b.Content
	if a == c.parent {
		i := slices.IndexFunc(pairs(rest), func(k *yaml.Node) bool { return k.Value == c.rest[0].Key })
		if i < 0 || !c.leads(rest[2*i+1]) {
			return false
		}
		c.found = true
		rest = slices.Delete(slices.Clone(rest), 2*i, 2*i+2)
	}
	return slices.EqualFunc(a.Content, rest, c.equal)
}

// leads reports whether n is the value, under the rest of the keys and nothing else.
func (c *addition) leads(n *yaml.Node) bool {
	for _, k := range c.rest[1:] {
		if n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[0].Value != k.Key {
			return false
		}
		n = n.Content[1]
	}
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!str") == c.text && n.Tag != "!!null" && n.Value == c.value
}

func pairs(content []*yaml.Node) (keys []*yaml.Node) {
	for i := 0; i+1 < len(content); i += 2 {
		keys = append(keys, content[i])
	}
	return keys
}
