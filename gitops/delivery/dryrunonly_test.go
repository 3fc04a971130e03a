package delivery

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// heldToDryRuns puts the policy of the manifests in force for this test's worker.
func (c *cluster) heldToDryRuns(client dynamic.Interface) {
	c.t.Helper()
	text, err := os.ReadFile("../../manifests/components/dry-run-only/policy.yaml")
	check(c.t, err)
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		named := strings.NewReplacer("cortexops-dry-run-only", c.namespace, "serviceaccount:cortexops:cortexops-work", "serviceaccount:"+c.namespace+":worker").Replace(string(document))
		if named == string(document) {
			c.t.Fatal("the policy is for another account")
		}
		var o unstructured.Unstructured
		check(c.t, yaml.Unmarshal([]byte(named), &o.Object))
		of := client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: map[string]string{
			"ValidatingAdmissionPolicy": "validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings"}[o.GetKind()]})
		_, err := of.Create(c.t.Context(), &o, metav1.CreateOptions{})
		check(c.t, err)
		c.t.Cleanup(func() { _ = of.Delete(context.Background(), c.namespace, metav1.DeleteOptions{}) })
	}
}

// TestHeldToDryRuns lets a worker beside Flux rehearse what its role lets it patch, and ask Flux, and nothing else.
func TestHeldToDryRuns(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	flux := rbacv1.PolicyRule{APIGroups: []string{kustomizeGroup}, Resources: []string{"kustomizations", "kustomizations/status"}, Verbs: []string{"get", "patch", "delete"}}
	everything := rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "deployments/scale"}, Verbs: []string{"get", "patch", "create", "delete"}}
	d := c.worker(everything, flux)
	c.deploy(c.deployment("256Mi"), "gitops")
	k := &unstructured.Unstructured{Object: map[string]any{"apiVersion": kustomizeGroup + "/v1", "kind": "Kustomization", "metadata": map[string]any{"name": "apps", "namespace": c.namespace},
		"spec": map[string]any{"interval": "1h", "prune": true, "sourceRef": map[string]any{"kind": "GitRepository", "name": "shop"}}}}
	_, err := c.client.Resource(customs["Kustomization"]).Namespace(c.namespace).Create(t.Context(), k, metav1.CreateOptions{})
	check(t, err)
	token, err := c.kube.CoreV1().ServiceAccounts(c.namespace).CreateToken(t.Context(), "worker", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	check(t, err)
	theirs, err := dynamic.NewForConfig(c.as(token.Status.Token))
	check(t, err)
	c.heldToDryRuns(c.client)
	c.until("the policy to be in force", func(ctx context.Context) (bool, error) {
		err := d.Apply(ctx, c.deployment("512Mi"))
		if err == nil { // not yet: as it was
			c.deploy(c.deployment("256Mi"), "gitops")
		}
		return err != nil && strings.Contains(err.Error(), "CortexOps rehearses here"), nil
	})

	seen, err := d.DryRun(t.Context(), c.deployment("512Mi"))
	if err != nil || !strings.Contains(seen.Diff, "512Mi") {
		t.Errorf("a dry-run: %+v, %v", seen, err)
	}
	if limit := c.limit(); limit != "256Mi" {
		t.Errorf("the limit is %s", limit)
	}
	of := theirs.Resource(customs["Kustomization"]).Namespace(c.namespace)
	patch := func(text string, sub ...string) error {
		_, err := of.Patch(t.Context(), "apps", types.MergePatchType, []byte(text), metav1.PatchOptions{}, sub...)
		return err
	}
	check(t, patch(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`))
	scale := theirs.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(c.namespace)
	for what, err := range map[string]error{
		"suspend":   patch(`{"spec":{"suspend":true}}`),
		"label":     patch(`{"metadata":{"labels":{"a":"b"}}}`),
		"finalizer": patch(`{"metadata":{"finalizers":["a/b"]}}`),
		"delete":    of.Delete(t.Context(), "apps", metav1.DeleteOptions{}),
		"scale": func() error {
			_, err := scale.Patch(t.Context(), "checkout", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{}, "scale")
			return err
		}(),
		"remove": scale.Delete(t.Context(), "checkout", metav1.DeleteOptions{}),
	} {
		if err == nil || !strings.Contains(err.Error(), "CortexOps rehearses here") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
