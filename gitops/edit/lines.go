package edit

import (
	"bytes"
	"unicode/utf8"
)

var bom = []byte("\xef\xbb\xbf")

// lineStarts lists where the lines of src begin, by the breaks that the parser counts: LF, CR, CRLF, NEL, LS and PS.
func lineStarts(src []byte) []int {
	starts := []int{0}
	if bytes.HasPrefix(src, bom) {
		starts[0] = len(bom) // the parser does not count it as a column
	}
	for i := starts[0]; i < len(src); {
		n := breakLen(src[i:])
		if n == 0 {
			_, n = utf8.DecodeRune(src[i:])
			i += n
			continue
		}
		i += n
		starts = append(starts, i)
	}
	return starts
}

// breakLen is the length of the line break at the start of b, or 0.
func breakLen(b []byte) int {
	switch {
	case bytes.HasPrefix(b, []byte("\r\n")), bytes.HasPrefix(b, []byte("\u0085")):
		return 2
	case len(b) > 0 && (b[0] == '\n' || b[0] == '\r'):
		return 1
	case bytes.HasPrefix(b, []byte("\u2028")), bytes.HasPrefix(b, []byte("\u2029")):
		return 3
	}
	return 0
}

// offset of a position that the parser gave: line and column count from 1, the column in runes. -1 if it is outside.
func offset(src []byte, starts []int, line, column int) int {
	if line < 1 || line > len(starts) || column < 1 {
		return -1
	}
	at := starts[line-1]
	for range column - 1 {
		if at >= len(src) {
			return -1
		}
		_, n := utf8.DecodeRune(src[at:])
		at += n
	}
	if at > len(src) {
		return -1
	}
	return at
}
