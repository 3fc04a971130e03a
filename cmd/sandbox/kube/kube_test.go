package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

func newNamespace(t *testing.T) string {
	t.Helper()
	ns, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the default service account", func(ctx context.Context) bool {
		_, err := admin.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	return ns.Name
}

func until(t *testing.T, what string, ok func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) { return ok(ctx), nil })
	if err != nil {
		t.Fatalf("waited for %s: %v", what, err)
	}
}

func apply(t *testing.T, ns, image, limit string) {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2,
		"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"},"annotations":{%q:"300Mi"}},
		"spec":{"containers":[{"name":"app","image":%q,"resources":{"limits":{"memory":%q}}}]}}}}`, model.WorkingSet, image, limit)
	_, err := admin.AppsV1().Deployments(ns).Patch(t.Context(), "web", types.ApplyPatchType, []byte(body), metav1.PatchOptions{FieldManager: "test"})
	if err != nil {
		t.Fatal(err)
	}
}

func live(ctx context.Context, ns string) *appsv1.Deployment {
	d, err := admin.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return &appsv1.Deployment{}
	}
	return d
}

func rolledOut(ns string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		d := live(ctx, ns)
		return d.Generation > 0 && d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 2 && d.Status.AvailableReplicas == 2 && d.Status.Replicas == 2
	}
}

func containers(ctx context.Context, ns string) (all []corev1.ContainerStatus) {
	pods, err := admin.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	for _, p := range pods.Items {
		all = append(all, p.Status.ContainerStatuses...)
	}
	return all
}

func TestPodsBecomeReadyAndAreCollected(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	apply(t, ns, "web:1", "512Mi")
	_, err := admin.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "two ready pods", rolledOut(ns))
	until(t, "their endpoints", func(ctx context.Context) bool {
		slices, err := admin.DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{})
		return err == nil && len(slices.Items) == 1 && len(slices.Items[0].Endpoints) == 2
	})
	if err := admin.AppsV1().Deployments(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pods to be collected", func(ctx context.Context) bool {
		pods, err := admin.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	})
}

func TestKillsWhatDoesNotFitUntilItDoes(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	apply(t, ns, "web:1", "256Mi")
	until(t, "a crash loop after an OOM kill", func(ctx context.Context) bool {
		for _, cs := range containers(ctx, ns) {
			w, last := cs.State.Waiting, cs.LastTerminationState.Terminated
			if w != nil && w.Reason == "CrashLoopBackOff" && last != nil && last.Reason == "OOMKilled" && last.ExitCode == 137 && cs.RestartCount > 0 && !cs.Ready {
				return true
			}
		}
		return false
	})
	until(t, "a second restart", func(ctx context.Context) bool {
		for _, cs := range containers(ctx, ns) {
			if cs.RestartCount >= 2 {
				return true
			}
		}
		return false
	})
	apply(t, ns, "web:1", "512Mi")
	until(t, "the cure", rolledOut(ns))
	for _, cs := range containers(t.Context(), ns) {
		if cs.State.Running != nil && (cs.RestartCount != 0 || cs.LastTerminationState.Terminated != nil) {
			t.Errorf("a cured container has a past: %+v", cs)
		}
	}
}

func TestMissingImageIsNeverPulled(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	apply(t, ns, "web:1", "512Mi")
	until(t, "two ready pods", rolledOut(ns))
	apply(t, ns, "web:missing-2", "512Mi")
	until(t, "ImagePullBackOff", func(ctx context.Context) bool {
		for _, cs := range containers(ctx, ns) {
			if w := cs.State.Waiting; w != nil && w.Reason == "ImagePullBackOff" {
				return true
			}
		}
		return false
	})
	if d := live(t.Context(), ns); d.Status.AvailableReplicas != 2 {
		t.Errorf("a rollout that cannot start took pods away: %+v", d.Status)
	}
}

func TestKubectlVerifiesTheServer(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("not run: kubectl is not installed")
	}
	out, err := exec.CommandContext(t.Context(), kubectl, "--kubeconfig", shared.Kube.AdminKubeconfig, "get", "nodes", "-o", "name").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "node/sandbox" {
		t.Fatalf("kubectl get nodes: %v\n%s", err, out)
	}
	b, err := os.ReadFile(shared.Kube.AdminKubeconfig)
	if err != nil || strings.Contains(string(b), "insecure") {
		t.Fatalf("the kubeconfig must verify the server (%v)", err)
	}
}

// TestRoleAndAudit plays a worker that may patch Deployments and nothing else, and reads what the log says of it.
func TestRoleAndAudit(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	apply(t, ns, "web:1", "512Mi")
	w := worker(t, ns)
	patch := func(limit string, dryRun ...string) error {
		body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":%q}}}]}}}}`, limit)
		_, err := w.AppsV1().Deployments(ns).Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "worker", DryRun: dryRun})
		return err
	}
	if err := patch("1Gi", metav1.DryRunAll); err != nil {
		t.Fatal("dry-run:", err)
	}
	if err := patch("1Gi"); err != nil {
		t.Fatal("patch:", err)
	}
	_, err := w.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("listing secrets: %v, want forbidden", err)
	}
	err = w.AppsV1().Deployments(ns).Delete(t.Context(), "web", metav1.DeleteOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `cannot delete resource "deployments" in API group "apps"`) {
		t.Errorf("deleting: %v, want forbidden by name", err)
	}

	var seen []string
	for line := range strings.Lines(read(t, shared.Kube.AuditLog)) {
		var e struct {
			Stage, Verb, RequestURI string
			User                    struct{ Username string }
			ObjectRef               struct{ Namespace, Resource string }
			RequestObject           map[string]any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if e.Stage == "RequestReceived" {
			t.Fatal("the log must hold finished requests only")
		}
		if e.User.Username == "system:serviceaccount:"+ns+":worker" && e.ObjectRef.Resource == "deployments" {
			seen = append(seen, fmt.Sprintf("%s dry=%t body=%t", e.Verb, strings.Contains(e.RequestURI, "dryRun=All"), e.RequestObject["spec"] != nil))
		}
	}
	want := "patch dry=true body=true, patch dry=false body=true, delete dry=false body=false"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("audited %q, want %q", got, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func worker(t *testing.T, ns string) *kubernetes.Clientset {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "worker"}}, metav1.CreateOptions{})
	must(err)
	_, err = admin.RbacV1().Roles(ns).Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "worker"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}},
	}, metav1.CreateOptions{})
	must(err)
	_, err = admin.RbacV1().RoleBindings(ns).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "worker"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "worker"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "worker", Namespace: ns}},
	}, metav1.CreateOptions{})
	must(err)
	tr, err := admin.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "worker", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(err)
	rc, err := kubeconfig.Load(shared.Kube.AdminKubeconfig)
	must(err)
	w := kubernetes.NewForConfigOrDie(&rest.Config{Host: rc.Host, BearerToken: tr.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: rc.CAData}})
	until(t, "the role to take effect", func(ctx context.Context) bool {
		_, err := w.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		return err == nil
	})
	return w
}
