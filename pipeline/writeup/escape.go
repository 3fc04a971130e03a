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
	fence := fenced(s, 1)
	if fence != "`" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

// briefs are as many, each as short as a table takes.
func briefs(list []string) (out []string) {
	for _, s := range list {
		out = append(out, brief(s))
	}
	return out
}

// fenced is what can stand around s: more backticks than there are in a row within, and no fewer than least.
func fenced(s string, least int) string {
	run := 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		if run++; run >= least {
			least = run + 1
		}
	}
	return strings.Repeat("`", least)
}

// block is s in a fenced code block, whatever it contains.
func block(language, s string) string {
	fence := fenced(s, 3)
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return fence + language + "\n" + s + fence + "\n"
}
