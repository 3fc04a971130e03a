package demo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// rival has a person propose what CortexOps proposes: after ours was opened, and before the next attempt would open its own.
func rival(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if _, err := seed.RaiseMemory(t.Context(), h.Stack, "dana/memory"); err != nil {
		t.Fatal(err)
	}
	var theirs struct{ Number int }
	in := map[string]string{"title": "more memory", "head": "dana/memory", "base": "main", "body": ""}
	if err := h.forge(t.Context(), "dana", http.MethodPost, "/pulls", in, &theirs); err != nil {
		t.Fatal(err)
	}
	says := fmt.Sprintf("pull request %d by dana is open, and changes overlays/production/checkout-memory.yaml:", theirs.Number)
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUPERSEDED", says)
	if p = h.pullOf(t, id); p.State != "closed" || p.MergedAt != nil || !strings.Contains(h.comments(t, p), fmt.Sprintf("(#%d)", theirs.Number)) {
		t.Errorf("%+v\n%s", p, h.comments(t, p))
	}
	before, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := func(workflowID string) {
		t.Helper()
		part := strings.Split(workflowID, "/")
		h.product(t, "retry", part[1], "--attempt", part[2])
	}
	again(id)
	h.ends(t, next(t, id), "ADVISED", says)
	if after, err := h.Pulls(t.Context()); err != nil || len(after) != len(before) {
		t.Errorf("%d pull requests after %d, %v", len(after), len(before), err)
	}
	if rows := h.rows(t, next(t, id)); !strings.Contains(rows, `"rival":{"number":`) || strings.Contains(rows, "push-branch") {
		t.Errorf("the ledger says\n%s", rows)
	}
	if err := h.forge(t.Context(), "dana", http.MethodPatch, fmt.Sprintf("/pulls/%d", theirs.Number), map[string]string{"state": "closed"}, nil); err != nil {
		t.Fatal(err)
	}
	again(next(t, id))
	third := next(t, next(t, id))
	if err := h.Approve(t.Context(), "sam", h.pullOf(t, third).Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, third, "SUCCEEDED", "pass")
}
