package edit

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// content is a file and its nodes.
type content struct {
	file   string
	src    []byte
	starts []int // of the lines
	docs   []*yaml.Node
}

func read(file string, src []byte) (*content, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	return &content{file: file, src: src, starts: lineStarts(src), docs: docs}, nil
}

// start is the offset of a node, its anchor and tag included; -1 where the parser's position is outside.
func (c *content) start(n *yaml.Node) int { return offset(c.src, c.starts, n.Line, n.Column) }

// end is the offset after a node, which the parser does not tell; -1 where it cannot be said. What follows a block scalar
// that keeps its last blank lines is after those.
func (c *content) end(n *yaml.Node) int {
	at := c.start(n)
	if at < 0 {
		return -1
	}
	switch n.Kind {
	case yaml.AliasNode:
		return at + 1 + len(n.Value)
	case yaml.MappingNode, yaml.SequenceNode:
		return c.collectionEnd(n, at)
	case yaml.ScalarNode:
	default:
		return -1
	}
	if n.Value == "" && n.Tag == "!!null" && n.Anchor == "" {
		return at
	}
	at = c.afterProperties(n, at)
	switch {
	case at < 0 || at > len(c.src):
		return -1
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return longQuoteEnd(c.src, at, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return longQuoteEnd(c.src, at, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return c.blockScalarEnd(n, at)
	}
	return plainEnd(c.src, at, n.Value)
}

func (c *content) collectionEnd(n *yaml.Node, at int) int {
	if n.Style&yaml.FlowStyle == 0 {
		if len(n.Content) == 0 {
			return -1
		}
		return c.end(n.Content[len(n.Content)-1])
	}
	if at = c.afterProperties(n, at); at < 0 || at >= len(c.src) {
		return -1
	}
	var closing byte
	switch c.src[at] {
	case '{':
		closing = '}'
	case '[':
		closing = ']'
	default: // [a: b] holds a mapping without braces
		if len(n.Content) == 0 {
			return -1
		}
		return c.end(n.Content[len(n.Content)-1])
	}
	at++
	if len(n.Content) > 0 {
		at = c.end(n.Content[len(n.Content)-1])
	}
	for at >= 0 && at < len(c.src) {
		switch b := c.src[at]; {
		case b == closing:
			return at + 1
		case b == '#':
			at = c.lineEnd(at)
		case b == ',' || b == ':' || b == ' ' || b == '\t':
			at++
		case breakLen(c.src[at:]) > 0:
			at += breakLen(c.src[at:])
		default:
			return -1
		}
	}
	return -1
}

// afterProperties skips an anchor and a tag that stand on the line of the node.
func (c *content) afterProperties(n *yaml.Node, at int) int {
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return at
	}
	for at < len(c.src) && (c.src[at] == '&' || c.src[at] == '!') {
		for at < len(c.src) && c.src[at] != ' ' && c.src[at] != '\t' && breakLen(c.src[at:]) == 0 {
			at++
		}
		at = skipSpace(c.src, at)
	}
	return at
}

func skipSpace(src []byte, at int) int {
	for at < len(src) && (src[at] == ' ' || src[at] == '\t') {
		at++
	}
	return at
}

// longQuoteEnd is quotedEnd for quotes that may run over several lines.
func longQuoteEnd(src []byte, at int, q byte) int {
	if at >= len(src) || src[at] != q {
		return -1
	}
	for i := at + 1; i < len(src); i++ {
		switch {
		case q == '"' && src[i] == '\\':
			i++
		case q == '\'' && src[i] == q && i+1 < len(src) && src[i+1] == q:
			i++
		case src[i] == q:
			return i + 1
		}
	}
	return -1
}

// plainEnd follows the characters of value; only spaces and line breaks may be others in src, where the scalar is folded.
func plainEnd(src []byte, at int, value string) int {
	for _, r := range value {
		if unicode.IsSpace(r) {
			continue
		}
		for at < len(src) && (src[at] == ' ' || src[at] == '\t' || breakLen(src[at:]) > 0) {
			at += max(1, breakLen(src[at:]))
		}
		got, n := utf8.DecodeRune(src[min(at, len(src)):])
		if n == 0 || got != r {
			return -1
		}
		at += n
	}
	return at
}

// blockScalarEnd goes by the indentation of the first line with something in it.
func (c *content) blockScalarEnd(n *yaml.Node, at int) int {
	header := c.lineOf(at)
	head := string(c.src[at:c.lineEnd(at)])
	head, _, _ = strings.Cut(head, " ")
	if strings.ContainsAny(head, "123456789") {
		return -1
	}
	last, indent := header, -1
	for i := header + 1; i < len(c.starts); i++ {
		line := c.src[c.starts[i]:c.lineEnd(c.starts[i])]
		own := len(line) - len(bytes.TrimLeft(line, " "))
		if own == len(line) {
			if strings.Contains(head, "+") && c.starts[i] < len(c.src) {
				last = i
			}
			continue
		}
		if strings.TrimSpace(n.Value) == "" {
			break
		}
		if indent < 0 {
			indent = own
		}
		if own < indent {
			break
		}
		last = i
	}
	return c.lineEnd(c.starts[last])
}

// lineOf is the index of the line that at is on.
func (c *content) lineOf(at int) int {
	i := 0
	for i+1 < len(c.starts) && c.starts[i+1] <= at {
		i++
	}
	return i
}

// lineEnd is where the line that at is on ends, before its break.
func (c *content) lineEnd(at int) int {
	for at < len(c.src) && breakLen(c.src[at:]) == 0 {
		_, n := utf8.DecodeRune(c.src[at:])
		at += n
	}
	return at
}

// after is where the next line begins, if nothing but a comment stands between at and the end of its line; else -1.
func (c *content) after(at int) int {
	if at < 0 {
		return -1
	}
	text := skipSpace(c.src, at)
	end := c.lineEnd(at)
	if text < end && (c.src[text] != '#' || text == at) {
		return -1
	}
	return end + breakLen(c.src[end:])
}
