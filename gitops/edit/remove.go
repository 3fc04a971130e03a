package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Remove takes a key or an element of a list away, with the lines that it stands on. Comments above it stay. A mapping
// or list that is left empty becomes {} or []. ErrNotFound: it is not there.
func Remove(file string, src []byte, sel Selector, p Path) ([]byte, error) {
	c, err := read(file, src)
	if err != nil {
		return nil, err
	}
	s, err := c.seek(sel, p)
	if err != nil {
		return nil, err
	}
	return c.remove(s)
}

// remove removes what is at the spot.
func (c *content) remove(s spot) ([]byte, error) {
	n := s.node()
	if s.parent == nil {
		return nil, refuse(c.file, n, "the whole object cannot be removed by an edit")
	}
	if at := anchored(n); at != nil {
		return nil, refuse(c.file, at, "it has the anchor &"+at.Anchor+": removing it would change other places too")
	}
	if s.parent.Kind == yaml.MappingNode && value(s.parent, "<<") != nil {
		return nil, refuse(c.file, n, "the key may come back through the merge key <<")
	}
	first, width := s.i, 1
	if s.parent.Kind == yaml.MappingNode {
		first, width = s.i-1, 2
	}
	rest := slices.Delete(slices.Clone(s.parent.Content), first, first+width)
	empty := holds(s.parent, rest...)
	p := plan{tree: map[*yaml.Node]*yaml.Node{s.parent: empty}, fresh: map[*yaml.Node]bool{}}
	switch {
	case s.parent.Style&yaml.FlowStyle != 0:
		p.changes = c.outOfFlow(s.parent, first, width)
	case len(rest) == 0:
		p.fresh[empty] = true
		p.changes = c.emptied(s)
	default:
		p.changes = c.outOfBlock(s.parent, first, width)
	}
	if out := c.proven(p); out != nil {
		return out, nil
	}
	return nil, refuse(c.file, n, "it cannot be removed without changing something else")
}

// outOfFlow cuts a member and one comma.
func (c *content) outOfFlow(n *yaml.Node, first, width int) []splice {
	from, to := c.start(n.Content[first]), c.end(n.Content[first+width-1])
	switch {
	case first+width < len(n.Content):
		to = c.start(n.Content[first+width])
	case first > 0:
		from = c.end(n.Content[first-1])
	}
	if from < 0 || to < from || strings.Contains(string(c.src[from:to]), "#") && strings.ContainsAny(string(c.src[from:to]), "\r\n") {
		return nil
	}
	return []splice{{from, to, ""}}
}

// outOfBlock cuts whole lines; but the first key of a list's element shares its line with the dash, and the next moves up.
func (c *content) outOfBlock(n *yaml.Node, first, width int) []splice {
	start, end := c.start(n.Content[first]), c.end(n.Content[first+width-1])
	if n.Kind == yaml.SequenceNode {
		start = c.dash(start)
	}
	if start < 0 || end < start {
		return nil
	}
	if from, to := c.lines(start, end); from >= 0 {
		return []splice{{from, to, ""}}
	}
	if first != 0 {
		return nil
	}
	next := c.start(n.Content[width])
	if n.Kind == yaml.SequenceNode {
		next = c.dash(next)
	}
	if next < end || skipBlank(c.src, end) != next { // a comment between them
		return nil
	}
	return []splice{{start, next, ""}}
}

func skipBlank(src []byte, at int) int {
	for at < len(src) && (src[at] == ' ' || src[at] == '\t' || breakLen(src[at:]) > 0) {
		at += max(1, breakLen(src[at:]))
	}
	return at
}

// dash is the offset of the dash before an element on its line.
func (c *content) dash(at int) int {
	for at--; at >= 0 && (c.src[at] == ' ' || c.src[at] == '\t'); at-- {
	}
	if at < 0 || c.src[at] != '-' {
		return -1
	}
	return at
}

// emptied puts {} or [] in the place of the last member.
func (c *content) emptied(s spot) []splice {
	text := "{}"
	if s.parent.Kind == yaml.SequenceNode {
		text = "[]"
	}
	start, end := c.start(s.parent), c.end(s.parent)
	if start < 0 || end < start {
		return nil
	}
	switch {
	case s.in == nil:
		return nil
	case s.in.Kind != yaml.MappingNode:
		return []splice{{start, end, text}}
	}
	k := s.in.Content[s.at-1]
	colon := c.colon(k)
	from, to := c.lines(start, end)
	if colon < 0 || from < 0 {
		return nil
	}
	return []splice{{colon, colon, " " + text}, {from, to, ""}}
}
