package writeup

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Pull is the title and the body of the remediation pull request: the first screen decides, the rest is folded. Diffs
// that would make the body longer than a forge takes are the comments to go on with.
func (Writer) Pull(p incident.Proposal, dry incident.DryRun, d incident.Decision, deadline time.Time) (title, body string, more []string) {
	var b strings.Builder
	b.WriteString(text(p.Explain) + "\n\n")
	b.WriteString("| Object | Field | From | To |\n|---|---|---|---|\n")
	for _, e := range p.Edits {
		object, field := place(e)
		fmt.Fprintf(&b, "| %s | %s | %s | **%s** |\n", object, code(field), code(was(e)), code(is(e)))
	}
	b.WriteString("\n")
	places := map[string]bool{}
	for _, e := range p.Edits {
		if at := fmt.Sprintf("%s:%d", e.File, e.Line); !places[at] { // one edit of a file may change several fields
			places[at] = true
			fmt.Fprintf(&b, "%s · ", code(at))
		}
	}
	if n := len(p.Untouched); n > mostUntouched { // Flux and Argo CD have many units
		fmt.Fprintf(&b, "%d others render byte-identical · ", n)
	} else if n > 0 {
		fmt.Fprintf(&b, "%s %s byte-identical · ", codes(p.Untouched), plural(n, "renders", "render"))
	}
	if d.Approvals == 0 {
		b.WriteString("**policy asks nobody**: this is merged by itself\n\n")
	} else {
		fmt.Fprintf(&b, "approve by **%s** or this closes itself\n\n", deadline.UTC().Format("15:04 MST"))
	}
	if len(p.Parameters) > 0 {
		b.WriteString(choices(p) + "\n")
	}
	b.WriteString("#### Why we think so\n" + why(p))
	tail := "\n**Approve** by review, or by merging. Close to reject. A push to this branch voids an approval; " + wayBack(p) + ".\n\n" + footer(p)
	sections := []string{drift(dry), dryRun(dry, true), blast(p.Incident), policy(d), afterwards(p)}
	length := b.Len() + len(tail)
	for _, s := range sections {
		length += len(s)
	}
	if length > maxBody-len(leftOut) {
		sections[1], more = dryRun(dry, false), pages(dry)
	}
	return cut(subject(p), maxTitle, "…"), together(maxBody, b.String(), sections, tail), more
}

const mostUntouched = 8 // that are named

// wayBack is what approving means for the time after it.
func wayBack(p incident.Proposal) string {
	if p.Playbook.Rollback != "revert" {
		return "there is **no way back by a revert**: taking this change back does not undo what it does, so that nothing is reverted if it does not help"
	}
	return "approving also approves the clean revert of this change"
}

// was is the value before, in words where the field was not set.
func was(e incident.Edit) string { return orNot(e.From) }

// is the value after, likewise.
func is(e incident.Edit) string { return orNot(e.To) }

func orNot(value string) string { return cmp.Or(value, "(not set)") }

var inContainer = regexp.MustCompile(`^spec\.template\.spec\.containers\[name=([a-z0-9-]+)\]\.`)

// place names the object, and the field within it or within its container.
func place(e incident.Edit) (object, field string) {
	object, field = code(e.Resource.String()), e.Field
	if m := inContainer.FindStringSubmatch(field); m != nil {
		return object + ", container " + code(m[1]), strings.TrimPrefix(field, m[0])
	}
	return object, field
}

func why(p incident.Proposal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "1. %s\n", text(p.Advisory.Cause))
	n := 2
	for _, e := range p.Advisory.Evidence {
		fmt.Fprintf(&b, "%d. %s\n", n, text(e))
		n++
	}
	for _, s := range suspects(p.Suspects) {
		fmt.Fprintf(&b, "%d. %s\n", n, s)
		n++
	}
	if r := p.Reverts; r != nil {
		fmt.Fprintf(&b, "%d. This takes %s back, the likeliest of them: ", n, code(r.Short()))
	} else {
		fmt.Fprintf(&b, "%d. The field is set in one place: ", n)
	}
	for i, step := range p.Edits[0].Why {
		if i > 0 {
			b.WriteString(" → ")
		}
		b.WriteString(text(step))
	}
	return b.String() + "\n\nWords by " + author(p.Advisory) + "; advice only.\n\n"
}

// author names who wrote the advisory: heuristics, or llm (MODEL).
func author(a incident.Advisory) string {
	if a.Model == "" {
		return text(a.By)
	}
	return fmt.Sprintf("%s (%s)", text(a.By), text(a.Model))
}

func blast(inc incident.Incident) string {
	r := inc.Blast
	sum := fmt.Sprintf("%d %s, %d %s", r.Pods, plural(r.Pods, "pod", "pods"), len(r.Services), plural(len(r.Services), "service", "services"))
	body := fmt.Sprintf("%s runs %d %s", code(inc.Root.String()), r.Pods, plural(r.Pods, "pod", "pods"))
	if len(r.Services) > 0 {
		body += " behind " + codes(r.Services)
	}
	return details("Who is hit", sum, body+".\n")
}

func policy(d incident.Decision) string {
	var b strings.Builder
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "- %s\n", text(r))
	}
	fmt.Fprintf(&b, "\nEvaluated at revision %s; input digest %s. Evaluated again before the merge and before the apply.\n",
		code(clip(d.Revision)), code(clip(d.InputDigest)))
	return details("Policy", fmt.Sprintf("allowed after %d %s", d.Approvals, plural(d.Approvals, "approval", "approvals")), b.String())
}

func afterwards(p incident.Proposal) string {
	back := "reverted by a pull request if it does not hold"
	if p.Playbook.Rollback != "revert" {
		back = "no revert: a person is called if it does not hold"
	}
	var b strings.Builder
	b.WriteString("| Check | Query | Must |\n|---|---|---|\n")
	for _, c := range p.Playbook.Checks {
		must := code(c.Must)
		if c.For > 0 {
			must += " for " + span(c.For)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", text(c.Name), code(c.Query), must)
	}
	if ttl := p.Playbook.TTL; ttl > 0 {
		fmt.Fprintf(&b, "\nThis fix is for **%s**: then a pull request asks whether to keep it or to restore what was there before.\n", span(ttl))
	}
	b.WriteString("\nNo data counts as *no data*: a person is asked, nothing is reverted on silence.\n")
	return details("After the merge", fmt.Sprintf("applied to %d %s, then watched for %s; %s", len(p.Objects),
		plural(len(p.Objects), "object", "objects"), span(p.Playbook.Window), back), b.String())
}

func verdictTable(v incident.Verdict) string {
	var b strings.Builder
	b.WriteString("| Check | Saw | Must | Result |\n|---|---|---|---|\n")
	for i, c := range v.Checks {
		if i == maxRows {
			fmt.Fprintf(&b, "\n… and %d more, which are in the ledger: `cortexops ledger show`.\n", len(v.Checks)-maxRows)
			break
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", text(brief(c.Name)), cell(c.Value), cell(c.Must), c.Result)
	}
	return b.String()
}

func footer(p incident.Proposal) string {
	return fmt.Sprintf("<sub>incident <code>%s</code> · workflow <code>%s</code> · playbook <code>%s@sha256:%s</code> · diff <code>sha256:%s</code></sub>\n",
		html(p.Key.Incident), html(p.Key.Workflow()), html(p.Playbook.Name), clip(p.Playbook.Digest), clip(DiffHash(p)))
}

// details is a folded section; summary is HTML, body Markdown.
func details(title, summary, body string) string {
	return fmt.Sprintf("<details><summary><b>%s</b>: %s</summary>\n\n%s</details>\n\n", title, summary, body)
}

func codes(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, code(s))
	}
	return strings.Join(out, ", ")
}

func html(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u2060").Replace(line(s))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func clip(digest string) string { return digest[:min(12, len(digest))] }
