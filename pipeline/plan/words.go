package plan

import (
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

func summary(p *playbooks.Playbook, b playbooks.Bound) incident.Playbook {
	out := incident.Playbook{Name: p.Name, Digest: p.Digest, Risk: string(p.Risk), People: p.People, Within: p.Within,
		Window: p.Window, Rollback: string(p.Rollback), TTL: p.TTL}
	for _, c := range b.Checks {
		out.Checks = append(out.Checks, incident.Check{Name: c.Name, Query: c.Query, Must: c.Must, For: c.For})
	}
	return out
}

func explanation(p incident.Proposal, container string, blame *incident.Suspect) playbooks.Explanation {
	inc, own, first := p.Incident, p.Incident.OfRoot(), p.Edits[0]
	out := playbooks.Explanation{Container: container, Namespace: inc.Root.Namespace, Name: inc.Root.Name, Count: own.Signals,
		Alerts: own.Alerts, From: first.From, To: first.To}
	if s := blame; s != nil {
		out.Commit, out.Subject, out.Author, out.Before = s.Short(), s.Subject, s.Author, round(s.Before)
	}
	return out
}

// trimZeros is 1h30m of 1h30m0s, and 2h of 2h0m0s.
func trimZeros(s string) string {
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
