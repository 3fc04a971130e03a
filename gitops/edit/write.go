package edit

import (
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// layout is how a file is written.
type layout struct {
	ending string // of a line
	dash   int    // spaces between a key's column and the dashes of its list
}

// layout looks at the first line break and the first list below a key.
func (c *content) layout() layout {
	l := layout{ending: ending(c.src, c.starts), dash: 2}
	var look func(n *yaml.Node) bool
	look = func(n *yaml.Node) bool {
		for i, v := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && v.Kind == yaml.SequenceNode && v.Style&yaml.FlowStyle == 0 && v.Anchor == "" {
				l.dash = max(0, v.Column-n.Content[i-1].Column)
				return true
			}
			if look(v) {
				return true
			}
		}
		return false
	}
	for _, doc := range c.docs {
		if look(doc) {
			break
		}
	}
	return l
}

// nested reports whether n needs lines of its own in block style.
func nested(n *yaml.Node) bool {
	return (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && len(n.Content) > 0
}

// entry is `key: value` with everything below it, indented by indent but for its first line, without a break at its end.
func (l layout) entry(k, v *yaml.Node, indent int) string {
	if !nested(v) {
		return key(k.Value) + ": " + flow(v)
	}
	below := indent + 2
	if v.Kind == yaml.SequenceNode {
		below = indent + l.dash
	}
	return key(k.Value) + ":" + l.ending + strings.Repeat(" ", below) + l.block(v, below)
}

// block is n in block style, indented by indent but for its first line, without a break at its end.
func (l layout) block(n *yaml.Node, indent int) string {
	if !nested(n) {
		return flow(n)
	}
	var lines []string
	for i, v := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			lines = append(lines, "- "+l.block(v, indent+2))
		case i%2 == 1:
			lines = append(lines, l.entry(n.Content[i-1], v, indent))
		}
	}
	return strings.Join(lines, l.ending+strings.Repeat(" ", indent))
}

// flow is n on one line.
func flow(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.SequenceNode:
		for _, v := range n.Content {
			parts = append(parts, flow(v))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, key(n.Content[i].Value)+": "+flow(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	switch {
	case n.Tag == "!!null":
		return "null"
	case n.Tag != "!!str":
		return n.Value
	case n.Style&yaml.SingleQuotedStyle != 0 && !strings.ContainsFunc(n.Value, unicode.IsControl):
		return quote(n.Value)
	case n.Style&yaml.DoubleQuotedStyle == 0 && plain(n.Value):
		return n.Value
	}
	return doubleQuoted(n.Value)
}

// key writes a key: plain where every reader takes it for text.
func key(s string) string {
	if plain(s) {
		return s
	}
	return doubleQuoted(s)
}

var word = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_./@+:-]*[A-Za-z0-9_])?$`)

// plain reports whether s is text to readers of YAML 1.1 and 1.2 alike, without quotes and wherever it stands.
func plain(s string) bool {
	if !word.MatchString(s) || yaml11Word(s) {
		return false
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(s), &n); err != nil || len(n.Content) != 1 {
		return false
	}
	return n.Content[0].Kind == yaml.ScalarNode && n.Content[0].Tag == "!!str" && n.Content[0].Value == s
}
