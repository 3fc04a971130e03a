package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// rollBack is roll-back-image of the catalogue for a repository that is minutes old and for people who wait for a test.
const rollBack = `apiVersion: cortexops.io/v1alpha1
kind: Playbook
metadata:
  name: roll-back-image
  description: Requests fail since another image was rolled out.
match:
  alerts: [HttpErrorRatioHigh]
  when: incident.root.kind == "Deployment" && incident.suspects.exists(s, s.before < duration("10m") && s.fields.exists(f, f.endsWith(".image")))
edit:
  - field: spec.template.spec.containers[name=$container].image
    rollBack: {healthyFor: 1s, changedWithin: 10m}
risk: low
approval: {people: 1, within: 15m}
verify:
  window: 60s
  checks:
    - name: below 5 % errors
      query: |
        (sum(rate(http_requests_total{namespace="$namespace",deployment="$name",code="500"}[5s])) or vector(0))
        /
        sum(rate(http_requests_total{namespace="$namespace",deployment="$name"}[5s]))
      must: < 0.05
      for: 5s
rollback: revert
explain: Requests to {{ .Namespace }}/{{ .Name }} fail since {{ .Commit }} by {{ .Author }} gave it {{ .From }}, {{ .Before }} before. This gives it {{ .To }} again.
`

// TestABadImageIsRolledBack follows a bad rollout to the pull request that takes the image back, and to the end of the alert.
func TestABadImageIsRolledBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	books := filepath.Join(t.TempDir(), "playbooks")
	if err := os.MkdirAll(filepath.Join(books, "roll-back-image"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(books, "roll-back-image", "playbook.yaml"), []byte(rollBack), 0o600); err != nil {
		t.Fatal(err)
	}
	h.reconfigured(t, func(config map[string]any) { config["playbooks"] = map[string]any{"directory": books} })
	h.tell.title("A bad image is rolled back")
	sha, err := seed.ShipFaultyCart(t.Context(), h.Stack)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.fires(t.Context(), h.tell, "HttpErrorRatioHigh"); err != nil {
		t.Fatal(err)
	}
	r, err := h.remedied(t.Context(), h.tell, 0, h.approved)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`" + sha[:12] + "` by dana", "“cart: ship 1.9.0 to production”", "`image: registry.example/shop/cart:1.8.0 → registry.example/shop/cart:1.9.0`",
		"`overlays/production/kustomization.yaml:"} {
		if !strings.Contains(r.Pull.Body, want) {
			t.Errorf("%q is not in the pull request:\n%s", want, r.Pull.Body)
		}
	}
	if r.Outcome, err = h.ended(t.Context(), h.tell, r.Workflow); err != nil {
		t.Fatal(err)
	}
	d, err := h.Deployment(t.Context(), "cart")
	if err != nil {
		t.Fatal(err)
	}
	if image := d.Spec.Template.Spec.Containers[0].Image; r.Outcome.Phase != "SUCCEEDED" || image != "registry.example/shop/cart:1.8.0" {
		t.Errorf("it ended %s with %s: %s", r.Outcome.Phase, image, r.Outcome.Reason)
	}
	if err := wait(t.Context(), "the alert to resolve", time.Minute, func(ctx context.Context) (bool, error) {
		firing, err := h.Firing(ctx, "HttpErrorRatioHigh")
		return !firing, err
	}); err != nil {
		t.Error(err)
	}
	rehearsed(t, h)
}
