package demo

import (
	"context"
	"strings"
	"testing"
	"time"
)

// terminatedByHand leaves the pull request to the sweeper.
func terminatedByHand(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.temporal.TerminateWorkflow(t.Context(), id, "", "drill"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the pull request to be closed", time.Minute, func(ctx context.Context) (bool, error) {
		p = h.pullOf(t, id)
		return p.State == "closed", nil
	}); err != nil {
		t.Fatal(err)
	}
	labelled := false
	for _, l := range p.Labels {
		labelled = labelled || l.Name == "cortexops/terminated"
	}
	if said := h.comments(t, p); !labelled || p.MergedAt != nil || !strings.Contains(said, "drill") {
		t.Errorf("%+v %s", p, said)
	}
}
