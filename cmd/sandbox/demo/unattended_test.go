package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unattended tells of a policy that asks nobody where the risk is low.
func unattended(t *testing.T, h *house) {
	policies := filepath.Join(t.TempDir(), "policies")
	if err := os.CopyFS(policies, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(policies, "unattended.rego"), []byte("package cortexops.people\n\nunattended contains \"shop\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	undo := h.reconfigured(t, func(config map[string]any) { config["policies"] = map[string]any{"directory": policies} })
	id := h.begun(t, "SUCCEEDED")
	p := h.pullOf(t, id)
	reviews, err := h.Reviews(t.Context(), p.Number)
	if err != nil || len(reviews) > 0 || p.MergedAt == nil || !strings.Contains(p.Body, "policy asks nobody") {
		t.Errorf("%d reviews, %v, merged at %v:\n%s", len(reviews), err, p.MergedAt, p.Body)
	}
	if said := h.check(t, p, "cortexops/approval"); said != "success allowed by policy, which asks nobody" {
		t.Errorf("the approval's check says %q", said)
	}
	undo()
}
