package writeup

import (
	"strings"
	"unicode"
)

// line is s as one line: control characters become spaces.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
}

// text makes s safe as Markdown text: no markup, no HTML, no mention, no reference.
func text(s string) string {
	var b strings.Builder
	for _, r := range line(s) {
		switch r {
		case '&':
			b.WriteString("&amp;")
			continue
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '@', '#': // a zero-width joiner keeps the forge from notifying or linking
			b.WriteRune(r)
			b.WriteRune('\u2060')
			continue
		case '\\', '`', '*', '_', '[', ']', '|', '~', '$', '!':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return unlinked.Replace(b.String())
}

// unlinked keeps a forge from making a link of what looks like one.
var unlinked = strings.NewReplacer("://", ":\u2060//", "www.", "www\u2060.", "GH-", "GH\u2060-")

// inert is s as one line of a commit message, in which a forge obeys some words: Fixes #1, @team, [skip ci].
func inert(s string) string {
	return strings.NewReplacer("@", "@\u2060", "#", "#\u2060", "[", "[\u2060", "://", ":\u2060//").Replace(line(s))
}

// code is s in an inline code span, or in a table cell.
func code(s string) string {
	s = line(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

// block is s in a fenced code block, whatever it contains.
func block(language, s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return fence + language + "\n" + s + fence + "\n"
}
