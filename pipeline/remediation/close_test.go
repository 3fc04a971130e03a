package remediation

import (
	"context"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestTheEndingIsRemembered, where there was a proposal, after it is in the ledger.
func TestTheEndingIsRemembered(t *testing.T) {
	t.Parallel()
	book := &pages{}
	key := incident.Key{Incident: "0123456789ab", Attempt: 1}
	digest, err := put(t.Context(), book, incident.Proposal{Key: key, Playbook: incident.Playbook{Name: "raise-memory"}})
	if err != nil {
		t.Fatal(err)
	}
	var remembered []string
	c := &Closer{Book: book, Claims: &shared{}, Remember: func(_ context.Context, p incident.Proposal, _ incident.Change, o incident.Outcome) {
		if !book.has(incident.StepEnding, incident.Event) {
			t.Error("it is remembered before it is in the ledger")
		}
		remembered = append(remembered, p.Playbook.Name+" "+string(o.Phase))
	}}
	for _, in := range []Ending{{Key: key, Outcome: incident.Outcome{Phase: incident.Advised}},
		{Key: key, Proposal: digest, Outcome: incident.Outcome{Phase: incident.Denied}}} {
		if err := c.Close(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if len(remembered) != 1 || remembered[0] != "raise-memory DENIED" {
		t.Errorf("remembered %q", remembered)
	}
}
