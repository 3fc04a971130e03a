package delivery

import (
	"bytes"
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestRevision is another one after a rollout, whoever began it, and the same one after all else that happens to a workload.
func TestRevision(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	d := c.worker(deployments)
	revision := func() string {
		t.Helper()
		got, err := d.Revision(t.Context(), c.ref())
		check(t, err)
		return got
	}
	change := func(patch string) {
		t.Helper()
		_, err := c.kube.AppsV1().Deployments(c.namespace).Patch(t.Context(), "checkout", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		check(t, err)
	}
	first := revision()
	if first == "" || revision() != first {
		t.Fatalf("%q, then %q", first, revision())
	}
	change(`{"spec":{"replicas":3},"metadata":{"annotations":{"note":"scaled"}}}`)
	if got := revision(); got != first {
		t.Errorf("scaling is taken for a rollout: %s", got)
	}
	check(t, d.Apply(t.Context(), bytes.Replace(c.deployment("1Gi"), []byte(`"replicas":1`), []byte(`"replicas":3`), 1)))
	ours := revision()
	if ours == first {
		t.Error("our apply changes the pods, and is no rollout")
	}
	change(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}`)
	if got := revision(); got == ours || got == first {
		t.Errorf("a restart by hand is not seen: %s", got)
	}
	check(t, c.kube.AppsV1().Deployments(c.namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	c.until("it is gone", func(context.Context) (bool, error) { return revision() == "", nil })
}
