package kube

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/seed"
	"github.com/cortexops/cortexops/cmd/sandbox/workload"
)

// TestSeededWorld seeds the cluster, deploys the embedded repository as the deployer, and plays story 1 by hand: the
// metrics must follow. What CortexOps's account may do is tried on the way.
func TestSeededWorld(t *testing.T) {
	t.Parallel()
	for range 2 { // seeding again is harmless
		if err := seed.Cluster(t.Context(), shared); err != nil {
			t.Fatal(err)
		}
	}
	objects := rendered(t, "overlays/production")
	rc, err := kubeconfig.Load(shared.Kube.DeployerKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	team, err := deployer.NewApplier(rc, "gitops")
	if err != nil {
		t.Fatal(err)
	}
	if err := team.Apply(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	metrics := startWorkload(t)
	until(t, "healthy metrics", func(ctx context.Context) bool {
		m := metrics(ctx)
		return strings.Contains(m, `kube_deployment_status_replicas_available{deployment="checkout",namespace="shop"} 2`) &&
			strings.Contains(m, `http_requests_total{code="200",deployment="cart",namespace="shop"} `)
	})
	if strings.Contains(metrics(t.Context()), "OOMKilled") {
		t.Error("something is killed in a healthy shop")
	}

	setMemory(t, objects, "256Mi")
	if err := team.Apply(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	until(t, "OOM kills to be measured", func(ctx context.Context) bool {
		return strings.Contains(metrics(ctx), `kube_pod_container_status_last_terminated_reason{container="app",namespace="shop",pod="checkout-`)
	})
	tryWorker(t)
	setMemory(t, objects, "512Mi")
	if err := workerApply(t, checkout(t, objects)); err != nil {
		t.Fatal("CortexOps's own apply, as the team's field manager:", err)
	}
	until(t, "the kills to stop", func(ctx context.Context) bool { return !strings.Contains(metrics(ctx), "OOMKilled") })
}

func rendered(t *testing.T, overlay string) []*unstructured.Unstructured {
	t.Helper()
	files, root := deployer.Files{}, filepath.Join("..", "seed", "repository")
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			files[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := deployer.Render(files, overlay)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func checkout(t *testing.T, objects []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == "Deployment" && o.GetName() == "checkout" {
			return o
		}
	}
	t.Fatal("no Deployment checkout is rendered")
	return nil
}

func setMemory(t *testing.T, objects []*unstructured.Unstructured, limit string) {
	t.Helper()
	o := checkout(t, objects)
	all, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	err = unstructured.SetNestedField(all[0].(map[string]any), limit, "resources", "limits", "memory")
	if err == nil {
		err = unstructured.SetNestedSlice(o.Object, all, "spec", "template", "spec", "containers")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func startWorkload(t *testing.T) func(context.Context) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- workload.Run(ctx, shared, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, shared.Workload.URL+"/metrics", nil)
		if err != nil {
			return ""
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
}

func cortexops(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	rc, err := kubeconfig.Load(shared.Kube.WorkerKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(rc)
}

func workerApply(t *testing.T, o *unstructured.Unstructured, dryRun ...string) error {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cortexops(t).AppsV1().Deployments(o.GetNamespace()).Patch(t.Context(), o.GetName(), types.ApplyPatchType, b,
		metav1.PatchOptions{FieldManager: "gitops", DryRun: dryRun})
	return err
}

func tryWorker(t *testing.T) {
	t.Helper()
	w := cortexops(t)
	opts := metav1.ListOptions{}
	reads := map[string]func() error{
		"pods":        func() error { _, err := w.CoreV1().Pods("shop").List(t.Context(), opts); return err },
		"services":    func() error { _, err := w.CoreV1().Services("shop").List(t.Context(), opts); return err },
		"replicasets": func() error { _, err := w.AppsV1().ReplicaSets("shop").List(t.Context(), opts); return err },
		"deployments": func() error { _, err := w.AppsV1().Deployments("shop-staging").List(t.Context(), opts); return err },
	}
	for what, read := range reads {
		if err := read(); err != nil {
			t.Errorf("reading %s: %v", what, err)
		}
	}
	other := checkout(t, rendered(t, "overlays/production"))
	other.SetName("another")
	refused := map[string]error{
		"creating a Deployment by apply": workerApply(t, other),
		"creating it by dry-run":         workerApply(t, other, metav1.DryRunAll),
		"deleting a Deployment":          w.AppsV1().Deployments("shop").Delete(t.Context(), "checkout", metav1.DeleteOptions{}),
		"deleting a pod":                 w.CoreV1().Pods("shop").DeleteCollection(t.Context(), metav1.DeleteOptions{}, opts),
	}
	_, refused["reading secrets"] = w.CoreV1().Secrets("shop").List(t.Context(), opts)
	_, refused["reading another namespace"] = w.CoreV1().Pods("default").List(t.Context(), opts)
	_, refused["making a namespace"] = w.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
	for what, err := range refused {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, want forbidden", what, err)
		}
	}
}
