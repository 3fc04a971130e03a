package writeup

import (
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TakeBack is the message of the commit that takes back from git what is merged and policy refuses to apply, and the title and body of
// its pull request.
func (Writer) TakeBack(p incident.Proposal, c incident.Change, merge string, reasons []string) (commit, title, body string) {
	title = cut(fmt.Sprintf("Take back %q", subject(p)), maxTitle, "…")
	var b, said strings.Builder
	fmt.Fprintf(&b, "%s\n\nThis reverts commit %s.\n\nIt is merged and not applied, since policy refuses it:\n", title, c.HeadSHA)
	for _, r := range reasons {
		fmt.Fprintf(&b, "- %s\n", brief(inert(r)))
		fmt.Fprintf(&said, "- %s\n", reason(r))
	}
	trailers(&b, "Cortexops-Incident", p.Key.Incident, "Cortexops-Workflow", p.Key.Workflow(), "Cortexops-Restores", c.HeadSHA)
	head := fmt.Sprintf("#%d, merged as %s, is **not applied**: policy refuses it.\n\n%s", c.Number, merge, said.String())
	tail := fmt.Sprintf("\nGit and the cluster differ now, and the incident is still open.\n\n"+
		"- **Merge** this to bring git back to what is live: nothing is applied by that.\n"+
		"- Or have policy allow it, say `%s`, which applies it, and **close** this.\n\nNobody but people does either.\n\n%s", p.Key.Retry(), footer(p))
	return b.String(), title, together(maxBody, head, nil, tail)
}
