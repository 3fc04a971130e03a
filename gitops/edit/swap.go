package edit

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Swap gives the scalar another value and its key another name, as digest: sha256:… becomes newTag: 1.4. The mapping must
// not have that key yet. Every other byte stays.
func Swap(file string, src []byte, at At, name, to string) ([]byte, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	pos, node, err := scalar(file, src, docs, at.Selector, at.Path)
	if err != nil {
		return nil, err
	}
	parent, err := follow(file, docs, at.Selector, at.Path[:len(at.Path)-1])
	if err != nil {
		return nil, err
	}
	i := slices.Index(parent.Content, node)
	if parent.Kind != yaml.MappingNode || i%2 == 0 || value(parent, name) != nil || variable(to) || to == "" {
		return nil, refuse(file, node, "it cannot become "+name)
	}
	k := parent.Content[i-1]
	start := offset(src, lineStarts(src), k.Line, k.Column)
	end := scalarEnd(src, start, k)
	if k.Style&^(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 || end < 0 || end > pos.Start {
		return nil, refuse(file, k, "its key cannot be renamed")
	}
	for _, w := range append(writings(node, to, true), doubleQuoted(to)) {
		out := slices.Concat(src[:start], []byte(key(name)), src[end:pos.Start], []byte(w), src[pos.End:])
		after, err := parse(file, out)
		c := swap{key: k, value: node, name: name, to: to}
		if err == nil && slices.EqualFunc(docs, after, c.equal) {
			return out, nil
		}
	}
	return nil, refuse(file, node, "it cannot become "+name+" without changing something else")
}

// swap compares a file with what it became: all is equal but the key and its value, which is text.
type swap struct {
	key, value *yaml.Node
	name, to   string
}

func (c swap) equal(a, b *yaml.Node) bool {
	switch {
	case a.Kind != b.Kind || a.Line != b.Line || a.Anchor != b.Anchor || a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment:
		return false
	case a == c.key:
		return b.Value == c.name && b.Tag == "!!str"
	case a == c.value:
		return b.Value == c.to && b.Tag == "!!str"
	}
	return a.Tag == b.Tag && a.Value == b.Value && a.Style == b.Style && slices.EqualFunc(a.Content, b.Content, c.equal)
}
