package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	api "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// stack is where the real servers are.
type stack struct {
	Kube map[string]string // kubeconfigs, by user
	NATS struct{ URL string }

	Temporal struct{ Address, Namespace string }
}

func started(t *testing.T) (s stack) {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &s); err != nil || s.NATS.URL == "" {
		t.Fatalf("no nats.url in %s: %v", file, err)
	}
	return s
}

// cluster is the real API server, as one of its users.
func cluster(t *testing.T, user string) (*rest.Config, *api.Clientset) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", started(t).Kube[user])
	if err != nil {
		t.Fatal(err)
	}
	client, err := api.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return config, client
}

// heard keeps what was published, as the joiner would.
type heard struct {
	mu      sync.Mutex
	graph   *topology.Graph
	signals []incident.Signal
	records int
}

func (h *heard) PublishTopology(_ context.Context, list []incident.GraphChange) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range list {
		if err := h.graph.Apply(c); err != nil {
			return err
		}
		h.records++
	}
	return nil
}

func (h *heard) PublishSignals(_ context.Context, list []incident.Signal) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signals = append(h.signals, list...)
	return 0, nil
}

func (h *heard) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		h.mu.Lock()
		ok := is()
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-deadline:
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Fatalf("never: %s; signals %v, edges %v", what, h.words(), edges(h.graph))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h *heard) words() (list []string) {
	for _, s := range h.signals {
		list = append(list, fmt.Sprintf("%s %s %s", s.Status, s.Name, s.Subject))
	}
	return list
}

func edges(g *topology.Graph) (list []string) {
	g.Records(time.Time{}, func(c incident.GraphChange) {
		if e := c.Upsert.Edge; e != nil {
			list = append(list, fmt.Sprintf("%s %s %s", e.From, e.Kind, e.To))
		}
	})
	slices.Sort(list)
	return list
}

// follow the cluster until the returned function is called.
func follow(t *testing.T, config *rest.Config, ns []string, before watched, h *heard) (*follower, func()) {
	t.Helper()
	var c Config
	c.Cluster, c.Kubernetes.Namespaces, c.Kubernetes.Signals = "prod", ns, true
	w := &follower{config: c, kube: config, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx, before, h) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return w, end
}

func space(t *testing.T, client *api.Clientset) string {
	t.Helper()
	ns := fmt.Sprintf("watching-%d", time.Now().UnixNano())
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{}) })
	return ns
}

func deploy(t *testing.T, client *api.Clientset, ns, name, image string) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": "front"},
		Annotations: map[string]string{"cortexops.io/depends-on": "apps/namespaces/" + ns + "/StatefulSet/orders"}}}
	one, labels := int32(1), map[string]string{"app": name}
	d.Spec.Replicas, d.Spec.Selector, d.Spec.Template.Labels = &one, &metav1.LabelSelector{MatchLabels: labels}, labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: image,
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "password"}}}}}}
	d, err := client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTheClusterIsFollowed on the real API server: its graph and its signals, a second watcher that takes over and says
// nothing again, and what went while nobody watched.
func TestTheClusterIsFollowed(t *testing.T) {
	t.Parallel()
	config, client := cluster(t, "adminKubeconfig")
	ns, ctx := space(t, client), t.Context()
	h := &heard{graph: topology.NewGraph()}
	w, end := follow(t, config, []string{ns}, watched{}, h)
	deploy(t, client, ns, "web", "example.com/web:missing")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}}
	if _, err := client.CoreV1().Services(ns).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}
	if _, err := client.NetworkingV1().Ingresses(ns).Create(ctx, ingress, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3,
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}}}
	if _, err := client.AutoscalingV2().HorizontalPodAutoscalers(ns).Create(ctx, scaler, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	web := incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: ns, Name: "web"}
	h.eventually(t, "the image cannot be pulled", func() bool {
		return slices.ContainsFunc(h.signals, func(s incident.Signal) bool {
			owner, ok := h.graph.Owner(s.Subject)
			return s.Name == "ImagePullBackOff" && s.Status == incident.Firing && s.Container == "app" && ok && owner == web
		})
	})
	of := func(kind string) bool {
		return slices.ContainsFunc(edges(h.graph), func(e string) bool { return strings.Contains(e, " "+kind+" ") && strings.Contains(e, ns) })
	}
	h.eventually(t, "the graph is whole", func() bool {
		for _, kind := range []string{"owned-by", "refers", "runs", "scales", "routes", "depends-on", "selects"} {
			if !of(kind) {
				return false
			}
		}
		return h.graph.Blast(web).Pods == 1 && h.graph.Rollout(web).Revision != "" && time.Since(h.graph.Rollout(web).At) < time.Hour
	})
	if err := w.Check(ctx); err != nil {
		t.Error(err)
	}
	end()

	var before watched
	h.graph.Records(time.Time{}, func(c incident.GraphChange) { before.graph = append(before.graph, c) })
	before.signals = h.signals
	if err := client.NetworkingV1().Ingresses(ns).Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.signals, h.records = nil, 0
	_, _ = follow(t, config, []string{ns}, before, h)
	h.eventually(t, "the ingress is gone", func() bool { return !of("routes") })
	if h.records > 5 || len(h.signals) > 0 {
		t.Errorf("%d records and signals %v after a restart", h.records, h.words())
	}
	zero := int32(0)
	d, err := client.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Spec.Replicas = &zero
	if _, err := client.AppsV1().Deployments(ns).Update(ctx, d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	h.eventually(t, "it is resolved, and the pod is gone from the graph", func() bool {
		return slices.ContainsFunc(h.signals, func(s incident.Signal) bool { return s.Name == "ImagePullBackOff" && s.Status == incident.Resolved }) &&
			h.graph.Blast(web).Pods == 0
	})
}

// TestAMissingRightIsNamed, and does not keep the rest from being followed.
func TestAMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	config, _ := cluster(t, "deployerKubeconfig")
	h := &heard{graph: topology.NewGraph()}
	w, _ := follow(t, config, []string{"shop"}, watched{}, h)
	want := "{apiGroups: [\"apps\"], resources: [replicasets], verbs: [get, list, watch]} is missing, give it by a Role in namespace shop"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := w.Check(t.Context())
		if err != nil && strings.Contains(err.Error(), want) && w.synced() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never; %v", err)
		}
	}
}

// TestTheWorkersRightsSuffice: the identity that manifests give it may watch everything.
func TestTheWorkersRightsSuffice(t *testing.T) {
	t.Parallel()
	config, _ := cluster(t, "workerKubeconfig")
	h := &heard{graph: topology.NewGraph()}
	w, _ := follow(t, config, []string{"shop", "shop-staging"}, watched{}, h)
	for deadline := time.Now().Add(time.Minute); !w.synced(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never listed")
		}
	}
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func (w *follower) synced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now != nil && w.now.Synced()
}

// laborer is one `work` process, as far as it joins and follows.
type laborer struct {
	*follower
	joining *joining
	end     func()
}

func working(t *testing.T, prefix, cluster string, kube *rest.Config) *laborer {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("of", cluster)
	events, err := bus.Connect(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix, Log: log, Limits: bus.Limits{
		Signals: 8 << 20, Actions: 1 << 20, Incidents: 8 << 20, Folds: 8 << 20, Graph: 4 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	c.Cluster, c.Kubernetes.Namespaces = cluster, []string{"shop", "shop-staging"}
	w := &laborer{follower: &follower{config: c, kube: kube, log: log}, joining: &joining{settle: time.Second, metrics: correlate.NewMetrics(nil), log: log}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- events.Own(ctx, bus.Shares{Join: w.joining.run, Cluster: cluster, Follow: w.follow(events),
			Fold: func(ctx context.Context, p *bus.Partition) error { return correlate.Fold(ctx, p, w.joining.metrics) }})
	}()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		events.Close()
	})
	t.Cleanup(w.end)
	return w
}

// TestEachClusterIsFollowedByItsOwn process, which tells whoever joins, by the bus; and the next one goes on from there.
func TestEachClusterIsFollowedByItsOwn(t *testing.T) {
	t.Parallel()
	config, _ := cluster(t, "workerKubeconfig")
	prefix := fmt.Sprintf("follow%d", time.Now().UnixNano())
	cleared(t, prefix)
	eu, us := working(t, prefix, "eu", config), working(t, prefix, "us", config)
	told := func(joins *joining) bool {
		said := joins.detail()
		return strings.Contains(said, "ago of eu") && strings.Contains(said, "ago of us") && joins.check(t.Context()) == nil
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s, %v; %s, %v", what, eu.joining.detail(), eu.joining.check(t.Context()), us.joining.detail(), us.joining.check(t.Context()))
			}
		}
	}
	until("both clusters are followed", func() bool { return eu.synced() && us.synced() && (told(eu.joining) || told(us.joining)) })
	eu.end()
	next := working(t, prefix, "eu", config)
	until("the next process goes on", func() bool { return next.synced() && us.synced() && (told(next.joining) || told(us.joining)) })
}

// TestASilentClusterIsNamed, and those that are told of are not.
func TestASilentClusterIsNamed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	told := map[string]time.Time{"eu": now.Add(-5 * time.Minute), "us": now}
	if got := ages(told, silent(told)); got != "5m0s ago of eu" {
		t.Error(got)
	}
	if got := silent(map[string]time.Time{"us": now}); len(got) != 0 {
		t.Error(got)
	}
}
