package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// denied tells of a policy that refuses before there is a pull request, and of one that refuses what was approved.
func denied(t *testing.T, h *house) {
	policies := filepath.Join(t.TempDir(), "policies")
	if err := os.CopyFS(policies, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	deny := []byte("package cortexops.rules\n\ndenials contains \"no changes during the drill\"\n")
	withPolicies := func(config map[string]any) { config["policies"] = map[string]any{"directory": policies} }

	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := os.WriteFile(filepath.Join(policies, "drill.rego"), deny, 0o600); err != nil {
		t.Fatal(err)
	}
	undo := h.reconfigured(t, withPolicies)
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "DENIED", "no changes during the drill")
	if p = h.pullOf(t, id); p.State != "closed" || p.MergedAt != nil {
		t.Errorf("%+v", p)
	}
	if said := h.check(t, p, "cortexops/policy"); !strings.HasPrefix(said, "failure ") {
		t.Errorf("the policy check of a denied change is %q", said)
	}
	h.violated(t, id)

	h.restored(t)
	before, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id = h.begun(t, "DENIED")
	if after, err := h.Pulls(t.Context()); err != nil || len(after) != len(before) {
		t.Errorf("a denied plan made %d pull requests, %v", len(after)-len(before), err)
	}
	h.violated(t, id)
	_, branches, err := h.repository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for branch := range branches {
		if workflowOf(branch) == id {
			t.Errorf("a denied plan left the branch %s", branch)
		}
	}
	undo()
	h.restored(t)
}

// violated wants the denial in the ledger: by which rule, about what, of which revision of the policies.
func (h *house) violated(t *testing.T, id string) {
	t.Helper()
	for line := range strings.Lines(h.rows(t, id)) {
		var row struct {
			Step   string
			Detail struct {
				Allow                 bool
				Reasons               []string
				Revision, InputDigest string
			}
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if d := row.Detail; row.Step == "policy_violation" {
			if d.Allow || !slices.Contains(d.Reasons, "no changes during the drill") || len(d.Revision) != 64 || len(d.InputDigest) != 64 {
				t.Errorf("the ledger says %s", line)
			}
			return
		}
	}
	t.Errorf("the ledger has no policy_violation of %s", id)
}
