package writeup

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	// maxBody is what GitHub takes as the body of a pull request or a comment, in characters. We count bytes, which are
	// never fewer.
	maxBody  = 65_536
	maxTitle = 250
	maxPage  = maxBody - 1024 // of a comment, to which the forge's client adds its marker
	maxPages = 10
	maxRows  = 40     // of a table of fields
	maxCell  = 300    // bytes of a value in a table
	maxWhy   = 10_000 // bytes of a reason, which may be any error that others have worded
	maxLine  = 4000   // bytes of a line of a diff
)

// dryRun is what the API server would store, with the diffs or without them.
func dryRun(dry incident.DryRun, diffs bool) string {
	var all []incident.FieldChange
	var b, below strings.Builder
	for _, o := range dry.Objects {
		all = append(all, o.Fields...)
		if diffs {
			fmt.Fprintf(&below, "%s\n\n%s\n", code(o.Resource.String()), block("diff", o.Diff))
		}
	}
	server := 0
	for _, f := range all {
		if f.Server {
			server++
		}
	}
	n := len(all)
	sum := fmt.Sprintf("dry-run as <code>%s</code>, %d %s, %d %s, no conflict", html(dry.By),
		len(dry.Objects), plural(len(dry.Objects), "object", "objects"), n, plural(n, "field", "fields"))
	if server > 0 {
		sum += fmt.Sprintf(", of which <b>%d by the API server itself</b>", server)
	}
	if n > 1 || server > 0 {
		b.WriteString(fields(dry, "From", "To", func(o incident.ObjectChange) []incident.FieldChange { return o.Fields }) + "\n")
	}
	b.WriteString(below.String())
	if !diffs {
		b.WriteString("The diffs are long: they are in the comments below.\n")
	}
	return details("What the API server would store", sum, b.String())
}

// drift is what the apply would take back besides: it is not folded away.
func drift(dry incident.DryRun) string {
	n := 0
	for _, o := range dry.Objects {
		n += len(o.Drift)
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("#### Live is not what git says\nIn %d %s, before this change. Applying it takes %s back too, to what git says.\n\n", n,
		plural(n, "field", "fields"), plural(n, "it", "them")) +
		fields(dry, "Live", "Git", func(o incident.ObjectChange) []incident.FieldChange { return o.Drift }) + "\n"
}

// fields is a table of changed fields.
func fields(dry incident.DryRun, from, to string, of func(incident.ObjectChange) []incident.FieldChange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| Object | Field | %s | %s |\n|---|---|---|---|\n", from, to)
	rows, more := 0, 0
	for _, o := range dry.Objects {
		for _, f := range of(o) {
			if rows++; rows > maxRows {
				more++
				continue
			}
			by := ""
			if f.Server {
				by = " (by the API server)"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s%s |\n", code(o.Resource.String()), code(brief(f.Field)), cell(f.From), cell(f.To), by)
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "\n… and %d more, which the diffs show.\n", more)
	}
	return b.String()
}

// cell is a value in a table; one that is absent is a dash.
func cell(value string) string {
	if value == "" {
		return "–"
	}
	return code(brief(value))
}

func brief(s string) string { return cut(s, maxCell, "…") }

// reason is what others say of why something is so, as Markdown text.
func reason(s string) string { return cut(text(cut(s, maxWhy, "")), maxWhy, shortened) }

const shortened = "… (cut here: the whole is in the ledger, `cortexops ledger show`)"

// cut is the beginning of s, with an end that says so, in at most max bytes.
func cut(s string, max int, end string) string {
	if len(s) <= max {
		return s
	}
	at := max - len(end)
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + end
}

const leftOut = "\nSome of this is left out: a pull request takes no more text. The whole is in the ledger: `cortexops ledger show`.\n\n"

// together puts a body together that the forge takes, in at most so many bytes: sections that have no room are left out, the last first
// to go.
func together(most int, head string, sections []string, tail string) string {
	room := most - len(tail) - len(leftOut)
	out, missing := cut(head, room, "…\n\n"), len(head) > room
	for _, s := range sections {
		if len(out)+len(s) > room {
			missing = true
			continue
		}
		out += s
	}
	if missing {
		out += leftOut
	}
	return out + tail
}

// pages are the diffs as comments, each of a length that the forge takes.
func pages(dry incident.DryRun) []string {
	var out []string
	var page strings.Builder
	for _, o := range dry.Objects {
		for _, d := range []struct{ what, diff string }{{"what the API server would store", o.Diff}, {"live, and what git says before this change", o.DriftDiff}} {
			for _, part := range parts(d.diff, maxPage/2) {
				text := fmt.Sprintf("%s, %s\n\n%s\n", code(brief(o.Resource.String())), d.what, block("diff", part))
				if page.Len() > 0 && page.Len()+len(text) > maxPage {
					out = append(out, page.String())
					page.Reset()
				}
				page.WriteString(text)
			}
		}
	}
	if page.Len() > 0 {
		out = append(out, page.String())
	}
	if len(out) > maxPages {
		left := len(out) - maxPages
		out = out[:maxPages]
		out[maxPages-1] += fmt.Sprintf("… and %d more comments of this length, which are not written: the whole answer is in the ledger.\n", left)
	}
	return out
}

// parts splits a diff between its lines.
func parts(diff string, max int) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if len(line) > maxLine {
			line = cut(line, maxLine, "…\n")
		}
		if b.Len()+len(line) > max {
			out = append(out, b.String())
			b.Reset()
		}
		b.WriteString(line)
	}
	if b.Len() > 0 {
		out = append(out, b.String())
	}
	return out
}
