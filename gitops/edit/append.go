package edit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Append adds an element to the list that the root of the file's one document has at name; where it has none, the list is
// added as the root's last key. A list in flow style gets it as its first element, any other as its last. The element is a
// mapping in YAML, one line for each of its keys. Every byte of src stays, in its order.
func Append(file string, src []byte, name, element string) ([]byte, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	root, err := only(file, docs)
	if err != nil {
		return nil, err
	}
	return appended(file, src, docs, root, name, element)
}

// AppendTo is Append for the list that the mapping at p of one object has at name.
func AppendTo(file string, src []byte, sel Selector, p Path, name, element string) ([]byte, error) {
	c, err := read(file, src)
	if err != nil {
		return nil, err
	}
	s, err := c.seek(sel, p)
	if err != nil {
		return nil, err
	}
	return appended(file, src, c.docs, s.node(), name, element)
}

func appended(file string, src []byte, docs []*yaml.Node, root *yaml.Node, name, element string) ([]byte, error) {
	added, err := parse(file, []byte(element))
	if err != nil || len(added) != 1 || root.Kind != yaml.MappingNode || !utf8.ValidString(element) || variable(element) {
		return nil, refuse(file, root, "it is no mapping, or the new element cannot be written")
	}
	list := value(root, name)
	at, ok := appendAt(src, root, list, name, strings.Split(strings.TrimRight(element, "\n"), "\n"))
	if !ok {
		return nil, refuse(file, root, name+" is not a list that can be added to")
	}
	out := slices.Concat(src[:at.offset], []byte(at.text), src[at.offset:])
	again, err := parse(file, out)
	c := growth{root: root, list: list, name: name, element: added[0].Content[0]}
	if err != nil || !slices.EqualFunc(docs, again, c.equal) || !c.found {
		return nil, refuse(file, root, name+" cannot be added to without changing something else")
	}
	return out, nil
}

// appendAt is the text of the new element, and where it goes.
func appendAt(src []byte, root, list *yaml.Node, name string, element []string) (place, bool) {
	starts := lineStarts(src)
	end := ending(src, starts)
	item := func(indent int) string {
		lead := strings.Repeat(" ", indent)
		return lead + "- " + strings.Join(element, end+lead+"  ") + end
	}
	switch {
	case list == nil && root.Style&yaml.FlowStyle == 0:
		lead := root.Column - 1
		return lineAfter(src, starts, root, lead, strings.Repeat(" ", lead)+name+":"+end+item(lead+listIndent(root))), true
	case list == nil || list.Kind != yaml.SequenceNode || shared(list) != "":
		return place{}, false
	case list.Style&yaml.FlowStyle != 0:
		at := offset(src, starts, list.Line, list.Column)
		if at < 0 || at >= len(src) || src[at] != '[' {
			return place{}, false
		}
		text := "{" + strings.Join(element, ", ") + "}"
		if len(list.Content) > 0 {
			text += ", "
		}
		return place{at + 1, text}, true
	}
	return lineAfter(src, starts, list, list.Column, item(list.Column-1)), true
}

// listIndent is how far the file indents its lists.
func listIndent(root *yaml.Node) int {
	for i := 1; i < len(root.Content); i += 2 {
		if n := root.Content[i]; n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
			return n.Column - root.Column
		}
	}
	return 0
}

// lineAfter puts text after the last line of n, whose lines are indented by at least indent.
func lineAfter(src []byte, starts []int, n *yaml.Node, indent int, text string) place {
	last := lastLine(n)
	for i := last; i < len(starts); i++ {
		line, _ := lineAt(src, starts, i)
		blank := strings.TrimSpace(line) == ""
		if !blank && (len(line)-len(strings.TrimLeft(line, " ")) < indent || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")) {
			break
		}
		if !blank {
			last = i + 1
		}
	}
	if last < len(starts) {
		return place{starts[last], text}
	}
	end := ending(src, starts)
	return place{len(src), end + strings.TrimSuffix(text, end)}
}

// growth compares a file with what it became: all is equal, but the list has one more element.
type growth struct {
	root, list, element *yaml.Node
	name                string
	found               bool
}

func (c *growth) equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Anchor != b.Anchor || a.Tag != b.Tag || a.Value != b.Value || a.Style != b.Style {
		return false
	}
	rest := b.Content
	switch {
	case a == c.root && c.list == nil:
		n := len(rest) - 2
		if n < 0 || rest[n].Value != c.name || rest[n+1].Kind != yaml.SequenceNode || len(rest[n+1].Content) != 1 || !same(c.element, rest[n+1].Content[0]) {
			return false
		}
		rest, c.found = rest[:n], true
	case a == c.list && c.list != nil:
		i := len(rest) - 1
		if a.Style&yaml.FlowStyle != 0 {
			i = 0
		}
		if i < 0 || !same(c.element, rest[i]) {
			return false
		}
		rest, c.found = slices.Delete(slices.Clone(rest), i, i+1), true
	}
	return slices.EqualFunc(a.Content, rest, c.equal)
}

// same tells whether two nodes say the same, in whatever style.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor && slices.EqualFunc(a.Content, b.Content, same)
}
