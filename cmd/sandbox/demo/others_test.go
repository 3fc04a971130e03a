package demo

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestOthers has others act beside CortexOps, one after another on one stack: who rolls out, who keeps or restores what was for
// a time, and the tools that deliver.
func TestOthers(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"a stranger's rollout confounds the verdict", confounded},
		{"a fix for a time is restored by a merge, and kept by a close", lapses},
		{"Flux delivers what is merged", fluxDelivers},
		{"Argo CD delivers what is merged", argoDelivers},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, h) }) {
			t.FailNow() // the world is not as the next part expects it
		}
	}
}

// confounded has a person restart what is verified: nobody can tell any more whose doing the metrics are.
func confounded(t *testing.T, h *house) {
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, id, "VERIFYING")
	restart := `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"` + time.Now().UTC().Format(time.RFC3339) + `"}}}}}`
	if _, err := h.kube.AppsV1().Deployments(Namespace).Patch(t.Context(), "checkout", types.StrategicMergePatchType, []byte(restart),
		metav1.PatchOptions{FieldManager: "kubectl-rollout"}); err != nil {
		t.Fatal(err)
	}
	h.told(t, p, "### Somebody else rolled out, too")
	h.told(t, p, "was rolled out by somebody else inside the window")
	h.told(t, p, "`/cortexops keep`")
	if now, err := h.Phase(t.Context(), id); now != "VERIFYING" {
		t.Errorf("it asks people while it is %s, %v", now, err)
	}
	h.comment(t, p, "/cortexops keep")
	h.ends(t, id, "SUCCEEDED", "no-data, confounded")
	h.settled(t, id, "SUCCEEDED", writes)
	if rows := h.rows(t, id); !strings.Contains(rows, `"reason":"confounded"`) {
		t.Errorf("the ledger does not say why there was no verdict:\n%s", rows)
	}
	log, err := h.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range log {
		if c.Trailer("Cortexops-Reverts") == h.pullOf(t, id).Head.SHA {
			t.Errorf("it was reverted: %+v", c)
		}
	}
}
