package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// kubeconfig of one user of the real API server.
func kubeconfig(t *testing.T, user string) *rest.Config {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct{ Kube map[string]string }
	if err := json.Unmarshal(raw, &stack); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", stack.Kube[user])
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func run(t *testing.T, config *rest.Config, namespaces ...string) *Topology {
	t.Helper()
	top, err := New(Options{Config: config, Cluster: "prod", Namespaces: namespaces})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { top.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	wait, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := top.WaitSynced(wait); err != nil {
		t.Fatal(err)
	}
	return top
}

func TestRealCluster(t *testing.T) {
	t.Parallel()
	config := kubeconfig(t, "adminKubeconfig")
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	ns := fmt.Sprintf("topology-%d", time.Now().UnixNano())
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{}) })
	top := run(t, config, ns)

	labels := map[string]string{"app": "checkout"}
	replicas := int32(2)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
	deployment.Spec.Replicas = &replicas
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	deployment.Spec.Template.Labels = labels
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: "example.com/checkout:1"}}
	if _, err := client.AppsV1().Deployments(ns).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
	service.Spec.Selector, service.Spec.Ports = labels, []corev1.ServicePort{{Port: 80}}
	if _, err := client.CoreV1().Services(ns).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	want := elsewhere(res("Deployment", "checkout"), "prod", ns)
	eventually(t, "two pods and a service are hit", func() bool {
		hit := top.Blast(want)
		return hit.Pods == 2 && slices.Equal(hit.Services, []string{"checkout"})
	})
	pods, err := client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	if err != nil || len(pods.Items) < 2 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	gone := incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: ns, Name: pods.Items[0].Name}
	if got, ok := top.Owner(gone); !ok || got != want {
		t.Errorf("the owner of %s is %v %v", gone, got, ok)
	}
	now := int64(0)
	if err := client.CoreV1().Pods(ns).Delete(ctx, gone.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod is gone", func() bool {
		_, there, _ := top.scope(ns).pods.GetStore().GetByKey(ns + "/" + gone.Name)
		return !there
	})
	if got, ok := top.Owner(gone); !ok || got != want {
		t.Errorf("the owner of %s, which is gone, is %v %v", gone, got, ok)
	}
}

// TestTheWorkersRightsSuffice watches as CortexOps itself, which may read these namespaces and no others.
func TestTheWorkersRightsSuffice(t *testing.T) {
	t.Parallel()
	config := kubeconfig(t, "workerKubeconfig")
	if err := run(t, config, "shop", "shop-staging").Check(t.Context()); err != nil {
		t.Error(err)
	}
	top, err := New(Options{Config: config, Cluster: "prod", Namespaces: []string{"kube-system"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go top.Run(ctx)
	eventually(t, "a namespace without rights is reported", func() bool { return top.lastProblem() != nil })
	if err := top.Check(ctx); err == nil || top.Synced() {
		t.Errorf("synced %v, %v", top.Synced(), err)
	}
}
