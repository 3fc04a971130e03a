// Package writeup is pure: it turns proposals and outcomes into the words that people read on the forge and in git.
// Nothing else makes Markdown. Text from outside passes escape.go on its way in.
package writeup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Writer has no state; it is a type so that its callers can name what they use.
type Writer struct{}

// Commit is the message of the remediation commit: what was known when it was made.
func (Writer) Commit(p incident.Proposal) string {
	e := p.Edits[0]
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", subject(p))
	fmt.Fprintf(&b, "%s\n\n%s\n", wrap(inert(p.Advisory.Cause)), wrap(fmt.Sprintf("%s of %s: %s -> %s in %s.", e.Field, e.Resource, was(e), is(e), e.File)))
	if r := p.Reverts; r != nil {
		fmt.Fprintf(&b, "\nThis reverts commit %s.\n", r.SHA)
	}
	trailers(&b, "Cortexops-Incident", p.Key.Incident, "Cortexops-Attempt", strconv.Itoa(p.Key.Attempt),
		"Cortexops-Playbook", p.Playbook.Name+"@sha256:"+p.Playbook.Digest, "Cortexops-Workflow", p.Key.Workflow(),
		"Cortexops-Diff-Hash", "sha256:"+DiffHash(p))
	return b.String()
}

// DiffHash is the digest of the change: paths and bytes before and after.
func DiffHash(p incident.Proposal) string {
	var parts []string
	for _, f := range p.Files {
		parts = append(parts, f.Path, string(f.Before), string(f.After))
	}
	return incident.Digest(parts...)
}

// Merge is the title and the message of the merge commit: who approved which head.
func (Writer) Merge(p incident.Proposal, c incident.Change, by []string) (title, message string) {
	title = fmt.Sprintf("Merge pull request #%d from %s", c.Number, c.Branch)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", subject(p))
	var kv []string
	for _, who := range by {
		kv = append(kv, "Approved-by", line(who))
	}
	trailers(&b, append(kv, "Cortexops-Head", c.HeadSHA)...)
	return title, b.String()
}

// Revert is the message of the revert commit, and the title and body of its pull request.
func (Writer) Revert(p incident.Proposal, c incident.Change, merge string, v incident.Verdict, courses []incident.Course) (commit, title, body string) {
	title = cut(fmt.Sprintf("Revert %q", subject(p)), maxTitle, "…")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nThis reverts commit %s.\n\nThe metrics did not stabilise within %s:\n", title, c.HeadSHA, span(p.Playbook.Window))
	for _, r := range v.Checks {
		fmt.Fprintf(&b, "- %s: %s (saw %s, must be %s)\n", brief(line(r.Name)), r.Result, brief(line(r.Value)), brief(line(r.Must)))
	}
	trailers(&b, "Cortexops-Incident", p.Key.Incident, "Cortexops-Workflow", p.Key.Workflow(), "Cortexops-Reverts", merge,
		"Cortexops-Verdict", "failed")
	head := fmt.Sprintf("Undoes #%d, merged as %s: **it did not help**. Approving a change approves its clean revert, so this merges by itself; "+
		"every file it touches is still as that change left it.\n\n", c.Number, merge)
	tail := "The incident is still open: a person is needed.\n\n" + footer(p)
	return b.String(), title, together(maxBody, head, []string{verdictTable(v) + "\n", plots(courses)}, tail)
}

// Ending is the comment that tells how a remediation ended.
func (Writer) Ending(p incident.Proposal, o incident.Outcome) string {
	said := map[incident.Phase]string{
		incident.Succeeded:  "It worked: the metrics are stable.",
		incident.RolledBack: "It did not help, and is rolled back. **Escalated**: the incident is still open and a person is needed.",
		incident.Escalated:  "**Escalated**: a person is needed.",
		incident.Expired: "Nobody approved in time. Nothing was applied. Comment `/cortexops retry`, or run `" + p.Key.Retry() +
			"`, and it is planned anew and opened as another pull request.",
		incident.Superseded: "Not needed any more, or something else has taken its place. Nothing was applied.",
		incident.Rejected:   "Not approved. Nothing was applied.",
		incident.Denied:     "Policy refuses this. Nothing was applied.",
		incident.Failed:     "CortexOps could not go on.",
	}[o.Phase]
	rival := ""
	if o.Rival.Number != 0 {
		rival = fmt.Sprintf(" (#%d)", o.Rival.Number) // a reference, which the forge links both ways
	}
	return fmt.Sprintf("### `%s`\n\n%s\n\n%s%s\n\n%s", o.Phase, said, reason(o.Reason), rival, footer(p))
}

// subject is one line in the style of conventional commits: fix(checkout): memory 256Mi → 512Mi.
func subject(p incident.Proposal) string {
	e := p.Edits[0]
	if r := p.Reverts; r != nil {
		return inert(fmt.Sprintf("fix(%s): revert %.7s %s", e.Resource.Name, r.SHA, quoted(r.Subject)))
	}
	return line(fmt.Sprintf("fix(%s): %s %s → %s", e.Resource.Name, lastField(e.Field), was(e), is(e)))
}

func lastField(field string) string {
	if key, ok := strings.CutSuffix(field, "']"); ok { // a key with dots: the annotation itself, without its domain
		key = key[strings.LastIndexByte(key, '\'')+1:]
		return key[strings.LastIndexByte(key, '/')+1:]
	}
	parts := strings.Split(field, ".")
	if n := len(parts); n >= 2 && (parts[n-2] == "limits" || parts[n-2] == "requests") {
		return parts[n-1] + " " + strings.TrimSuffix(parts[n-2], "s")
	}
	return parts[len(parts)-1]
}

// trailers appends git trailers after a blank line. Values are one line each.
func trailers(b *strings.Builder, kv ...string) {
	b.WriteString("\n")
	for pair := range slices.Chunk(kv, 2) {
		fmt.Fprintf(b, "%s: %s\n", pair[0], line(pair[1]))
	}
}

// wrap folds at 100 columns, as commit messages are.
func wrap(s string) string {
	var out strings.Builder
	width := 0
	for _, word := range strings.Fields(s) {
		if width > 0 && width+1+len(word) > 100 {
			out.WriteString("\n")
			width = 0
		} else if width > 0 {
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += len(word)
	}
	return out.String()
}

func span(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" {
		return d.String()
	}
	if last := s[len(s)-1]; last >= '0' && last <= '9' { // 30s lost its unit
		return d.String()
	}
	return s
}
