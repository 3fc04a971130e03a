package delivery

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestDryRunThenApply(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	var seen tape
	d := c.workerSeenBy(seen.over, deployments)

	change, err := d.DryRun(t.Context(), c.deployment("1Gi"))
	check(t, err)
	want := []Field{{"spec.template.spec.containers[name=app].resources.limits.memory", "512Mi", "1Gi"}}
	if change.InSync || !slices.Equal(change.Fields, want) || change.Ref != c.ref() || change.User != "system:serviceaccount:"+c.namespace+":worker" {
		t.Errorf("%+v", change)
	}
	contains(t, change.Diff, "-            memory: 512Mi\n+            memory: 1Gi\n")
	if got := c.limit(); got != "512Mi" {
		t.Fatalf("the dry-run stored %s", got)
	}

	check(t, d.Apply(t.Context(), c.deployment("1Gi")))
	if got := c.limit(); got != "1Gi" {
		t.Errorf("%s is stored", got)
	}
	if change, err = d.DryRun(t.Context(), c.deployment("1Gi")); err != nil || !change.InSync || change.Diff != "" {
		t.Errorf("%+v, %v", change, err)
	}

	dry, real := seen.patches[0], seen.patches[1]
	if !reflect.DeepEqual(dry.query["dryRun"], []string{"All"}) || real.query["dryRun"] != nil {
		t.Errorf("%v and %v", dry.query, real.query)
	}
	delete(dry.query, "dryRun")
	if !reflect.DeepEqual(dry, real) || real.body != string(c.deployment("1Gi")) {
		t.Errorf("the apply is another request than the dry-run:\n%+v\n%+v", dry, real)
	}
}

func TestConflictNamesTheOwner(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	c.deploy(c.deployment("600Mi"), "dana's laptop")
	d := c.worker(deployments)
	for what, act := range map[string]func() error{
		"dry-run": func() error { _, err := d.DryRun(t.Context(), c.deployment("1Gi")); return err },
		"apply":   func() error { return d.Apply(t.Context(), c.deployment("1Gi")) },
	} {
		var conflict *Conflict
		err := act()
		if !errors.As(err, &conflict) || !slices.Equal(conflict.Managers, []string{"dana's laptop"}) || conflict.Ref != c.ref() ||
			len(conflict.Fields) != 1 || !strings.HasSuffix(conflict.Fields[0], "limits.memory") {
			t.Errorf("%s: %+v, %v", what, conflict, err)
		}
	}
	if got := c.limit(); got != "600Mi" {
		t.Errorf("%s is stored", got)
	}
}

// Each refusal names the rule that is missing, and adding it as it stands is enough.
func TestForbiddenNamesTheRule(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker()
	var verbs []string
	for range 3 {
		err := dryRun(t, c, d)
		var f *Forbidden
		if !errors.As(err, &f) {
			t.Fatalf("after %v: %v", verbs, err)
		}
		verbs = append(verbs, f.Verb)
		contains(t, f.Error(), "system:serviceaccount:"+c.namespace+":worker", "namespace "+c.namespace, "Deployment "+c.namespace+"/checkout", f.Rule)
		want := "- apiGroups: [\"apps\"]\n  resources: [\"deployments\"]\n  resourceNames: [\"checkout\"]\n  verbs: [\"" + f.Verb + "\"]\n"
		if f.Verb == "create" {
			want = strings.Replace(want, "  resourceNames: [\"checkout\"]\n", "", 1)
		}
		if f.Rule != want {
			t.Errorf("got\n%s", f.Rule)
		}
		c.allow(f.Rule)
		c.until("the rule for "+f.Verb, func(context.Context) (bool, error) {
			var again *Forbidden
			return !errors.As(dryRun(t, c, d), &again) || again.Verb != f.Verb, nil
		})
	}
	if !slices.Equal(verbs, []string{"get", "patch", "create"}) {
		t.Errorf("asked for %v", verbs)
	}
	change, err := d.DryRun(t.Context(), c.deployment("1Gi"))
	if err != nil || change.InSync || !slices.Contains(change.Fields, Field{"spec.replicas", "", "1"}) {
		t.Errorf("%+v, %v", change, err)
	}
}

func dryRun(t *testing.T, c *cluster, d *Direct) error {
	_, err := d.DryRun(t.Context(), c.deployment("1Gi"))
	return err
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	config := rest.AnonymousClientConfig(c.config)
	config.BearerToken = "n0t-a-token"
	d, err := NewDirect(config, "gitops")
	check(t, err)
	var u *Unauthorized
	if err := d.Ping(t.Context()); !errors.As(err, &u) || strings.Contains(err.Error(), config.BearerToken) {
		t.Errorf("ping: %v", err)
	}
	if err := dryRun(t, c, d); !errors.As(err, &u) {
		t.Errorf("dry-run: %v", err)
	}
	if err := d.Apply(t.Context(), c.deployment("1Gi")); !errors.As(err, &u) {
		t.Errorf("apply: %v", err)
	}
	if err := c.worker().Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(deployments)
	c.deploy(c.deployment("512Mi"), "gitops")
	good := string(c.deployment("1Gi"))
	for name, bad := range map[string]string{
		"no JSON":         "apiVersion: apps/v1",
		"no name":         `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{}}`,
		"no namespace":    `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"}}`,
		"a namespace":     `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x","namespace":"y"}}`,
		"an unknown kind": `{"apiVersion":"example.com/v1","kind":"Nope","metadata":{"name":"x","namespace":"y"}}`,
		"no such count":   strings.Replace(good, `"replicas":1`, `"replicas":-1`, 1),
	} {
		_, err := d.DryRun(t.Context(), []byte(bad))
		var invalid *Invalid
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A 403 that no permission mends is not reported as a missing rule.
func TestForbiddenByAdmission(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deploy(c.deployment("512Mi"), "gitops")
	d := c.worker(deployments)
	forbidden := metav1.StatusReasonForbidden
	all := []admissionv1.OperationType{admissionv1.OperationAll}
	admission := c.kube.AdmissionregistrationV1()
	_, err := admission.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: c.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: all, Rule: admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}}}}},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "change freeze", Reason: &forbidden}}}}, metav1.CreateOptions{})
	check(t, err)
	_, err = admission.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: c.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: c.namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": c.namespace}}}}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = admission.ValidatingAdmissionPolicyBindings().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
		_ = admission.ValidatingAdmissionPolicies().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
	})
	c.until("the policy", func(context.Context) (bool, error) {
		err = dryRun(t, c, d)
		return err != nil, nil
	})
	var invalid *Invalid
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Message, "change freeze") {
		t.Errorf("got %v", err)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(deployments)
	c.deploy(c.deployment("512Mi"), "gitops")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said []string
	check(t, d.Wait(ctx, []Ref{c.ref()}, func(s string) { said = append(said, s) }))
	if len(said) < 2 || !strings.HasPrefix(said[0], "Deployment "+c.namespace+"/checkout: ") {
		t.Errorf("said %q", said)
	}
	check(t, d.Apply(ctx, c.deployment("1Gi")))
	check(t, d.Wait(ctx, []Ref{c.ref()}, nil))
	live, err := c.kube.AppsV1().Deployments(c.namespace).Get(ctx, "checkout", metav1.GetOptions{})
	check(t, err)
	if s := live.Status; s.ObservedGeneration != live.Generation || s.UpdatedReplicas != 1 || s.Replicas != 1 || s.AvailableReplicas != 1 {
		t.Errorf("it was not rolled out: %+v", s)
	}
}

func TestWaitForWhatNeverComes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := c.worker(deployments)
	var stuck *Stuck
	if err := d.Wait(t.Context(), []Ref{c.ref()}, nil); !errors.As(err, &stuck) {
		t.Errorf("what is not there: %v", err)
	}
	c.deploy(c.deployment("512Mi"), "gitops")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	check(t, d.Wait(ctx, []Ref{c.ref()}, nil))

	// An image that cannot be pulled, and a deadline that passes.
	_, err := c.kube.AppsV1().Deployments(c.namespace).Patch(ctx, "checkout", types.StrategicMergePatchType,
		[]byte(`{"spec":{"progressDeadlineSeconds":1,"template":{"spec":{"containers":[{"name":"app","image":"shop/checkout:missing"}]}}}}`), metav1.PatchOptions{})
	check(t, err)
	brief, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	if err := d.Wait(brief, []Ref{c.ref()}, nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "checkout") {
		t.Errorf("out of time: %v", err)
	}
	if err := d.Wait(ctx, []Ref{c.ref()}, nil); !errors.As(err, &stuck) || stuck.Ref != c.ref() {
		t.Errorf("got %v", err)
	}
}
