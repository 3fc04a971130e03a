package writeup

import (
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// A stamp that was not there has no value before, and a change without a way back says so wherever it is approved.
func TestNoWayBackIsSaid(t *testing.T) {
	t.Parallel()
	p := incident.Proposal{Playbook: incident.Playbook{Rollback: "none", Risk: "high"}, Edits: []incident.Edit{{
		Resource: incident.Resource{Kind: "StatefulSet", Namespace: "shop", Name: "orders-db"}, To: "2026-01-02T03:04:05Z",
		Field: "spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']"}}}
	title, body, _ := Writer{}.Pull(p, incident.DryRun{}, incident.Decision{}, time.Unix(0, 0))
	if title != "fix(orders-db): restartedAt (not set) → 2026-01-02T03:04:05Z" {
		t.Error(title)
	}
	_, blocks := Writer{}.Slack(p, incident.Change{}, 2, time.Unix(0, 0))
	for where, said := range map[string]string{"the pull request": body, "Slack": string(blocks)} {
		if strings.Contains(said, "clean revert") || !strings.Contains(strings.ToLower(said), "no way back by a revert") {
			t.Errorf("%s: %s", where, said)
		}
	}
}
