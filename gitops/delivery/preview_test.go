package delivery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const limitPath = "spec.template.spec.containers[name=app].resources.limits.memory"

func TestUnasked(t *testing.T) {
	t.Parallel()
	fields := []Field{{"a.b", "1", "2"}, {"a.b.c", "", "3"}, {"a.bc", "", "4"}, {"a", "", "5"}, {"d", "", "6"}}
	got, err := unasked([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":2}}`), fields)
	if err != nil || !slices.Equal(got, []Field{fields[2], fields[4]}) {
		t.Errorf("%v, %v", got, err)
	}
}

// What git says already and is not live, is drift and not the edit's.
func TestPreviewTellsTheEditFromTheDrift(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(deployments)
	stale := []byte(strings.Replace(string(c.deployment("512Mi")), `"replicas":1`, `"replicas":3`, 1))
	c.deploy(stale, "gitops")
	seen, err := d.Preview(t.Context(), c.deployment("512Mi"), c.deployment("1Gi"))
	check(t, err)
	if want := []Field{{limitPath, "512Mi", "1Gi"}}; !slices.Equal(seen.Fields, want) || len(seen.Server) != 0 || seen.InSync || seen.Ref != c.ref() || seen.User == "" {
		t.Errorf("%+v", seen)
	}
	if want := []Field{{"spec.replicas", "3", "1"}}; !slices.Equal(seen.Drift, want) {
		t.Errorf("drift %+v", seen.Drift)
	}
	contains(t, seen.Diff, "-            memory: 512Mi\n+            memory: 1Gi\n")
	contains(t, seen.DriftDiff, "-  replicas: 3\n+  replicas: 1\n")
	for _, noise := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "status:"} {
		if strings.Contains(seen.Diff+seen.DriftDiff, noise) {
			t.Errorf("%s is in the diff", noise)
		}
	}
	if c.limit() != "512Mi" {
		t.Error("it was stored")
	}

	// The field that the edit sets is somebody else's.
	c.deploy(c.deployment("600Mi"), "dana's laptop")
	var conflict *Conflict
	if _, err = d.Preview(t.Context(), c.deployment("512Mi"), c.deployment("1Gi")); !errors.As(err, &conflict) || conflict.Managers[0] != "dana's laptop" {
		t.Errorf("%v", err)
	}
	// The edit makes git say what is live: only what git said before was in the way.
	seen, err = d.Preview(t.Context(), c.deployment("512Mi"), c.deployment("600Mi"))
	if err != nil || !slices.Equal(seen.Drift, []Field{{limitPath, "600Mi", "512Mi"}}) {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestPreviewOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch", "create"}})
	seen, err := d.Preview(t.Context(), c.deployment("512Mi"), c.deployment("1Gi"))
	check(t, err)
	if len(seen.Fields) != 1 || !slices.Contains(seen.Drift, Field{"spec.strategy.type", "", "RollingUpdate"}) || seen.InSync {
		t.Errorf("%+v", seen)
	}
	if _, err := d.Preview(t.Context(), []byte(strings.Replace(string(c.deployment("1Gi")), `"checkout","namespace"`, `"cart","namespace"`, 1)), c.deployment("1Gi")); err == nil {
		t.Error("two objects were compared")
	}
}

// What an admission policy adds to the edit is shown as the server's.
func TestPreviewShowsWhatAdmissionAdds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	d := c.worker(deployments)
	admission := c.kube.AdmissionregistrationV1()
	config := &admissionv1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}, Spec: admissionv1.MutatingAdmissionPolicySpec{
		ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.OperationAll},
			Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}}}}},
		Mutations: []admissionv1.Mutation{{PatchType: admissionv1.PatchTypeApplyConfiguration, ApplyConfiguration: &admissionv1.ApplyConfiguration{
			Expression: `Object{metadata: Object.metadata{labels: {"size": object.spec.template.spec.containers[0].resources.limits["memory"]}}}`}}}}}
	_, err := admission.MutatingAdmissionPolicies().Create(t.Context(), config, metav1.CreateOptions{})
	check(t, err)
	_, err = admission.MutatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: c.namespace},
		Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: c.namespace, MatchResources: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": c.namespace}}}}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = admission.MutatingAdmissionPolicyBindings().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
		_ = admission.MutatingAdmissionPolicies().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
	})
	want := Field{"metadata.labels.size", "512Mi", "1Gi"}
	var seen Change
	c.until("the policy", func(ctx context.Context) (bool, error) {
		seen, err = d.Preview(ctx, c.deployment("512Mi"), c.deployment("1Gi"))
		return err != nil || len(seen.Server) > 0 && seen.Server[0].To != "", err // it may have come between the two that a preview asks
	})
	if !slices.Equal(seen.Server, []Field{want}) || !slices.Equal(seen.Fields, []Field{want, {limitPath, "512Mi", "1Gi"}}) {
		t.Errorf("%+v", seen)
	}
}

// Replicas that an autoscaler sets are refused by its name, where we may look for it.
func TestConflictNamesTheAutoscaler(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	two := int32(2)
	_, err := c.kube.AutoscalingV1().HorizontalPodAutoscalers(c.namespace).Create(t.Context(), &autoscalingv1.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "checkout-hpa"}, Spec: autoscalingv1.HorizontalPodAutoscalerSpec{MinReplicas: &two, MaxReplicas: 9,
			ScaleTargetRef: autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "checkout"}}}, metav1.CreateOptions{})
	check(t, err)
	// What the autoscaler's controller does, as the manager that it is.
	_, err = c.kube.AppsV1().Deployments(c.namespace).Patch(t.Context(), "checkout", types.MergePatchType, []byte(`{"spec":{"replicas":4}}`),
		metav1.PatchOptions{FieldManager: "kube-controller-manager"}, "scale")
	check(t, err)
	scaled := []byte(strings.Replace(string(c.deployment("512Mi")), `"replicas":1`, `"replicas":6`, 1))
	d := c.worker(deployments)
	var conflict *Conflict
	_, err = d.Preview(t.Context(), c.deployment("512Mi"), scaled)
	if !errors.As(err, &conflict) || !conflict.Scaled || conflict.Autoscaler != "" || !slices.Equal(conflict.Fields, []string{"spec.replicas"}) {
		t.Fatalf("%+v, %v", conflict, err)
	}
	contains(t, err.Error(), "set by an autoscaler", "kube-controller-manager", "minReplicas or maxReplicas")
	c.allow("- apiGroups: [autoscaling]\n  resources: [horizontalpodautoscalers]\n  verbs: [list]\n")
	c.until("the rule", func(ctx context.Context) (bool, error) {
		_, err = d.Preview(ctx, c.deployment("512Mi"), scaled)
		return errors.As(err, &conflict) && conflict.Autoscaler != "", nil
	})
	contains(t, err.Error(), "HorizontalPodAutoscaler checkout-hpa, which field manager \"delivery.test\" manages")
	seen, err := d.Look(t.Context(), c.ref())
	if want := (Ref{"autoscaling", "v2", "HorizontalPodAutoscaler", c.namespace, "checkout-hpa"}); err != nil || seen.Autoscaler != want || seen.By != `field manager "delivery.test"` {
		t.Errorf("%+v, %v", seen, err)
	}
}

// The digests of a Secret's values do not differ because the API server gives each dry-run of a new object another UID.
func TestPreviewOfASecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(deployments, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "patch", "create"}})
	secret := func(a string) []byte {
		return []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"` + c.namespace + `"},"stringData":{"a":"` + a + `","b":"hunter2"}}`)
	}
	seen, err := d.Preview(t.Context(), secret("one"), secret("two"))
	check(t, err)
	if len(seen.Fields) != 1 || seen.Fields[0].Path != "data.a" || !strings.HasPrefix(seen.Fields[0].From, "sha256:") {
		t.Errorf("%+v", seen.Fields)
	}
	for _, value := range []string{"one", "two", "hunter2", "b25l", "dHdv", "aHVudGVyMg"} {
		if all := seen.Diff + seen.DriftDiff; strings.Contains(all, ": "+value) {
			t.Errorf("%s is shown in\n%s", value, all)
		}
	}
}
