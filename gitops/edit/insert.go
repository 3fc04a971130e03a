package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// insert gives the mapping a key that it does not have: after its last line in block style, after its last value in flow
// style.
func (c *content) insert(m, k, v *yaml.Node) []byte {
	p := plan{tree: map[*yaml.Node]*yaml.Node{m: holds(m, append(slices.Clone(m.Content), k, v)...)}, fresh: fresh(k, v)}
	l := c.layout()
	switch {
	case m.Style&yaml.FlowStyle != 0:
		p.changes = c.intoFlow(m, len(m.Content), key(k.Value)+": "+flow(v))
	case len(m.Content) > 0:
		indent := m.Content[0].Column - 1
		p.changes = c.lineAfter(c.end(m), strings.Repeat(" ", indent)+l.entry(k, v, indent), l)
	}
	return c.proven(p)
}

// insertItem puts an element at the index of the list, from 0 to its length.
func (c *content) insertItem(s *yaml.Node, i int, v *yaml.Node) []byte {
	p := plan{tree: map[*yaml.Node]*yaml.Node{s: holds(s, slices.Insert(slices.Clone(s.Content), i, v)...)}, fresh: fresh(v)}
	l := c.layout()
	switch {
	case s.Style&yaml.FlowStyle != 0:
		p.changes = c.intoFlow(s, i, flow(v))
	case len(s.Content) > 0:
		indent := s.Column - 1
		text := strings.Repeat(" ", indent) + "- " + l.block(v, indent+2)
		if i > 0 {
			p.changes = c.lineAfter(c.end(s.Content[i-1]), text, l)
			break
		}
		at := c.starts[c.aboveComments(c.lineOf(c.start(s)), indent)]
		p.changes = []splice{{at, at, text + l.ending}}
	}
	return c.proven(p)
}

// proven is made, but for a plan that has found no place.
func (c *content) proven(p plan) []byte {
	if len(p.changes) == 0 {
		return nil
	}
	return c.made(p)
}

// aboveComments is the first of the lines of comment that stand right above the line and are indented as it is.
func (c *content) aboveComments(line, indent int) int {
	for line > 0 {
		above := string(c.src[c.starts[line-1]:c.lineEnd(c.starts[line-1])])
		if !strings.HasPrefix(above, strings.Repeat(" ", indent)+"#") {
			break
		}
		line--
	}
	return line
}

// intoFlow writes text before the i-th of what the collection holds, keys and values counted alike.
func (c *content) intoFlow(n *yaml.Node, i int, text string) []splice {
	at := c.start(n)
	if at < 0 || at >= len(c.src) || c.src[at] != '{' && c.src[at] != '[' {
		return nil
	}
	switch {
	case len(n.Content) == 0:
		at++
	case i == len(n.Content):
		at, text = c.end(n.Content[i-1]), ", "+text
	default:
		at, text = c.start(n.Content[i]), text+", "
	}
	if at < 0 {
		return nil
	}
	return []splice{{at, at, text}}
}

// lineAfter writes text, which has no break at its end, below the line on which something ends.
func (c *content) lineAfter(end int, text string, l layout) []splice {
	at := c.after(end)
	if at < 0 {
		return nil
	}
	if lineBreak(c.src, at) == "" && at > 0 { // the last line has no end
		return []splice{{at, at, l.ending + text}}
	}
	return []splice{{at, at, text + l.ending}}
}

// replace puts another value in the place of one that stands in parent, as its i-th.
func (c *content) replace(parent *yaml.Node, i int, v *yaml.Node) []byte {
	old := parent.Content[i]
	p := plan{tree: map[*yaml.Node]*yaml.Node{old: v}, fresh: fresh(v)}
	start, end := c.start(old), c.end(old)
	if start < 0 || end < start {
		return nil
	}
	if old.Kind == yaml.ScalarNode && v.Kind == yaml.ScalarNode && !nothing(old) && v.Tag != "!!null" {
		for _, w := range writings(old, v.Value, sameClass(old.Tag, v.Tag)) { // in the quotes that it had
			p.changes = []splice{{start, end, w}}
			if out := c.made(p); out != nil {
				return out
			}
		}
	}
	l := c.layout()
	switch {
	case parent.Style&yaml.FlowStyle != 0:
		p.changes = []splice{{start, end, spaced(c.src, start, flow(v))}}
	case parent.Kind == yaml.SequenceNode:
		text := l.block(v, old.Column-1)
		p.changes = []splice{{start, end, spaced(c.src, start, text)}}
	default:
		p.changes = c.replaceValue(parent.Content[i-1], old, v, l)
	}
	return c.proven(p)
}

// spaced is text after a space, where the parser says that an absent value stands right after a colon or a dash.
func spaced(src []byte, at int, text string) string {
	if at > 0 && (src[at-1] == ':' || src[at-1] == '-') {
		return " " + text
	}
	return text
}

// replaceValue is replace for the value of a key in block style.
func (c *content) replaceValue(k, old, v *yaml.Node, l layout) []splice {
	start, end := c.start(old), c.end(old)
	colon := c.colon(k)
	if colon < 0 {
		return nil
	}
	lines := nested(old) && old.Style&yaml.FlowStyle == 0
	indent := k.Column - 1
	below := indent + 2
	if v.Kind == yaml.SequenceNode {
		below = indent + l.dash
	}
	switch {
	case !nested(v) && !lines:
		return []splice{{start, end, spaced(c.src, start, flow(v))}}
	case !nested(v): // from lines of its own to the key's line
		from, to := c.lines(start, end)
		if from < 0 {
			return nil
		}
		return []splice{{colon, colon, " " + flow(v)}, {from, to, ""}}
	case lines:
		if old.Kind == v.Kind {
			below = old.Column - 1
		}
		from := c.starts[c.lineOf(start)]
		return []splice{{from, end, strings.Repeat(" ", below) + l.block(v, below)}}
	case c.lineOf(colon) != c.lineOf(start):
		return nil
	}
	below = max(below, indent)
	out := c.lineAfter(end, strings.Repeat(" ", below)+l.block(v, below), l)
	if out == nil || end == colon {
		return out
	}
	return append(out, splice{colon, end, ""})
}

// colon is the offset after the colon of a key.
func (c *content) colon(k *yaml.Node) int {
	at := c.end(k)
	if at < 0 {
		return -1
	}
	if at = skipSpace(c.src, at); at >= len(c.src) || c.src[at] != ':' {
		return -1
	}
	return at + 1
}

// lines is the whole lines from the one where something starts to the one where it ends, with one break; -1 where
// something else stands on them.
func (c *content) lines(start, end int) (from, to int) {
	from = c.starts[c.lineOf(start)]
	to = c.after(end)
	if to < 0 || strings.TrimLeft(string(c.src[from:start]), " ") != "" {
		return -1, -1
	}
	if to == len(c.src) && lineBreak(c.src, to) == "" { // the last line has no end, and so has what will be the last
		from -= len(lineBreak(c.src, from))
	}
	return from, to
}
