package writeup

import (
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Restore is the message of the commit that takes a fix back whose time is over, and the title and body of its pull request.
func (Writer) Restore(p incident.Proposal, c incident.Change, usage []incident.Course) (commit, title, body string) {
	title = fmt.Sprintf("Restore or keep: %s", subject(p))
	ttl := span(p.Playbook.TTL)
	var b strings.Builder
	fmt.Fprintf(&b, "Restore what was before %q\n\nThis reverts commit %s.\n\nThat was a fix for %s.\n", subject(p), c.HeadSHA, ttl)
	trailers(&b, "Cortexops-Incident", p.Key.Incident, "Cortexops-Workflow", p.Key.Expiry(), "Cortexops-Restores", c.HeadSHA)
	commit = b.String()
	b.Reset()
	fmt.Fprintf(&b, "#%d was a fix for **%s**, and that time is over. Is it still needed?\n\n- **Merge** this to restore what was there before: it is dry-run, asked of policy and applied.\n"+
		"- **Close** it to keep the fix as it is.\n\nNobody but people does either. After 30 days without a word the fix stays.\n\n", c.Number, ttl)
	b.WriteString("| Object | Field | The fix | Before it |\n|---|---|---|---|\n")
	for _, e := range p.Edits {
		object, field := place(e)
		fmt.Fprintf(&b, "| %s | %s | %s | **%s** |\n", object, code(brief(field)), code(brief(is(e))), code(brief(was(e))))
	}
	b.WriteString("\n#### How it was used\n\nWhat the playbook's checks ask, at its peaks since the fix:\n\n| Check | Peak | Last | Must |\n|---|---|---|---|\n")
	must := map[string]string{}
	for _, check := range p.Playbook.Checks {
		must[check.Name] = check.Must
	}
	for _, u := range usage {
		peak, last := "no data", "no data"
		if n := len(u.Points); n > 0 {
			peak, last = number(peakOf(u.Points)), number(u.Points[n-1].Value)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", text(u.Check), code(peak), code(last), code(must[u.Check]))
	}
	tail := "\nA check that held while the fix was there does not say that it would without it: where the alert comes back, it is remediated anew.\n\n" + footer(p)
	return commit, cut(title, maxTitle, "…"), together(maxBody, b.String(), nil, tail)
}

func peakOf(points []incident.Point) float64 {
	peak := points[0].Value
	for _, p := range points {
		peak = max(peak, p.Value)
	}
	return peak
}

// Lapsed is the comment on what became of a fix whose time was over.
func (Writer) Lapsed(word, why string) string {
	said := map[string]string{"kept": "The fix stays.", "restored": "What was there before is applied again.", "failed": "**A person is needed**: what git says and what is live may differ. Once what is in the way is gone, the comment `/cortexops retry` here tries it again."}[word]
	return fmt.Sprintf("### `%s`\n\n%s\n\n%s\n", strings.ToUpper(word), said, reason(why))
}
