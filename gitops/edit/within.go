package edit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// At is a scalar of an object.
type At struct {
	Selector
	Path Path
}

// FindIn is Find through scalars that hold YAML of their own, as an inline patch does: each At but the last leads to such
// a text. In a literal block the position is that in the file; in a quoted text it is where the text begins.
func FindIn(file string, src []byte, in ...At) (Position, error) {
	if len(in) == 1 {
		return Find(file, src, in[0].Selector, in[0].Path)
	}
	t, _, err := textAt(file, src, in[0])
	if err != nil {
		return Position{}, err
	}
	pos, err := FindIn(file, t.inner, in[1:]...)
	if err != nil {
		return Position{}, t.outside(err)
	}
	if t.node.Style&yaml.LiteralStyle == 0 {
		at := offset(src, lineStarts(src), t.node.Line, t.node.Column)
		return Position{file, t.node.Line, t.node.Column, at, at, pos.Value}, nil
	}
	starts := lineStarts(src)
	length := pos.End - pos.Start
	pos.Line, pos.Column = t.node.Line+pos.Line, t.indent+pos.Column
	pos.Start = offset(src, starts, pos.Line, pos.Column)
	pos.End = pos.Start + length
	return pos, nil
}

// SetIn is Set through scalars that hold YAML of their own.
func SetIn(file string, src []byte, value string, in ...At) ([]byte, error) {
	return within(file, src, in, func(file string, src []byte, at At) ([]byte, error) {
		return Set(file, src, at.Selector, at.Path, value)
	})
}

// AddIn is Add, or AddPlain, through scalars that hold YAML of their own.
func AddIn(file string, src []byte, value string, plain bool, in ...At) ([]byte, error) {
	return within(file, src, in, func(file string, src []byte, at At) ([]byte, error) {
		if plain {
			return AddPlain(file, src, at.Selector, at.Path, value)
		}
		return Add(file, src, at.Selector, at.Path, value)
	})
}

// ChangeIn makes any change of an object through scalars that hold YAML of their own; the Path of the last At is of no
// account.
func ChangeIn(file string, src []byte, change func(file string, src []byte, object Selector) ([]byte, error), in ...At) ([]byte, error) {
	return within(file, src, in, func(file string, src []byte, at At) ([]byte, error) { return change(file, src, at.Selector) })
}

// ObjectsIn is Objects of the text that the scalar holds.
func ObjectsIn(file string, src []byte, at At) ([]Selector, error) {
	t, _, err := textAt(file, src, at)
	if err != nil {
		return nil, err
	}
	out, err := Objects(file, t.inner)
	return out, t.outside(err)
}

func within(file string, src []byte, in []At, change func(file string, src []byte, at At) ([]byte, error)) ([]byte, error) {
	if len(in) == 1 {
		return change(file, src, in[0])
	}
	t, docs, err := textAt(file, src, in[0])
	if err != nil {
		return nil, err
	}
	after, err := within(file, t.inner, in[1:], change)
	if err != nil {
		return nil, t.outside(err)
	}
	if bytes.Equal(after, t.inner) {
		return src, nil
	}
	if t.node.Style&yaml.LiteralStyle == 0 {
		return Set(file, src, in[0].Selector, in[0].Path, string(after))
	}
	out := t.splice(src, after)
	again, err := parse(file, out)
	c := comparison{target: t.node, value: string(after), moved: true}
	if err != nil || !slices.EqualFunc(docs, again, c.equal) || c.tag != "!!str" {
		return nil, refuse(file, t.node, "the text cannot be changed there without changing something else")
	}
	return out, nil
}

// held is a scalar that holds YAML.
type held struct {
	node   *yaml.Node
	inner  []byte
	indent int // of a literal block
}

func textAt(file string, src []byte, at At) (held, []*yaml.Node, error) {
	docs, err := parse(file, src)
	if err != nil {
		return held{}, nil, err
	}
	n, err := follow(file, docs, at.Selector, at.Path)
	if err != nil {
		return held{}, nil, err
	}
	t := held{node: n, inner: []byte(n.Value)}
	switch {
	case shared(n) != "":
		return t, nil, refuse(file, n, shared(n))
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
		return t, nil, refuse(file, n, "it is no text")
	case n.Style&yaml.FoldedStyle != 0:
		return t, nil, refuse(file, n, "the text is folded")
	case n.Style&yaml.LiteralStyle != 0:
		if t.indent = indentation(src, n); t.indent < 0 {
			return t, nil, refuse(file, n, "the lines of the text are not indented alike")
		}
	}
	return t, docs, nil
}

// indentation of the lines of a literal block, or -1 where they are not what the parser made of them.
func indentation(src []byte, n *yaml.Node) int {
	starts, indent := lineStarts(src), -1
	for i, want := range textLines(n.Value) {
		line, ok := lineAt(src, starts, n.Line+i)
		switch {
		case !ok:
			return -1
		case want == "" && strings.Trim(line, " ") == "":
		case indent < 0 && strings.HasSuffix(line, want) && strings.Trim(line[:len(line)-len(want)], " ") == "":
			indent = len(line) - len(want)
		case indent < 0 || line != strings.Repeat(" ", indent)+want:
			return -1
		}
	}
	return indent
}

// lineAt is the line at the index, without its break.
func lineAt(src []byte, starts []int, i int) (string, bool) {
	if i < 0 || i >= len(starts) {
		return "", false
	}
	end := len(src)
	if i+1 < len(starts) {
		end = starts[i+1] - len(lineBreak(src, starts[i+1]))
	}
	return string(src[starts[i]:end]), true
}

// textLines are the lines of s, without a last one that is empty.
func textLines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

// splice puts the lines of after in the place of those of the block. Lines that both have stay as they are.
func (t held) splice(src, after []byte) []byte {
	starts := lineStarts(src)
	was, is := textLines(string(t.inner)), textLines(string(after))
	same := 0
	for same < min(len(was), len(is)) && was[same] == is[same] {
		same++
	}
	tail := 0
	for tail < min(len(was), len(is))-same && was[len(was)-1-tail] == is[len(is)-1-tail] {
		tail++
	}
	at := func(i int) int { // the offset of a line of the block
		if t.node.Line+i < len(starts) {
			return starts[t.node.Line+i]
		}
		return len(src)
	}
	from, to := at(same), at(len(was)-tail)
	end := ending(src, starts)
	var b strings.Builder
	if from == len(src) && lineBreak(src, from) == "" {
		b.WriteString(end)
	}
	for _, line := range is[same : len(is)-tail] {
		if line != "" {
			b.WriteString(strings.Repeat(" ", t.indent) + line)
		}
		b.WriteString(end)
	}
	text := b.String()
	if to == len(src) && lineBreak(src, to) == "" { // the last line has no end, and gets none
		text = strings.TrimSuffix(text, end)
	}
	return slices.Concat(src[:from], []byte(text), src[to:])
}

// outside gives an error of the text the position that it has in the file.
func (t held) outside(err error) error {
	line, column := t.node.Line, t.node.Column
	move := func(l, c int) (int, int) {
		if l == 0 || t.node.Style&yaml.LiteralStyle == 0 {
			return line, column
		}
		return line + l, t.indent + c
	}
	var r *Refusal
	var s *SyntaxError
	switch {
	case errors.As(err, &r):
		moved := *r
		moved.Line, moved.Column = move(r.Line, r.Column)
		return &moved
	case errors.As(err, &s):
		moved := *s
		moved.Line, moved.Column = move(s.Line, s.Column)
		return &moved
	case err != nil:
		return fmt.Errorf("in the text at line %d: %w", line, err)
	}
	return nil
}
