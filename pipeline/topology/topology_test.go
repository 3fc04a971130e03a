package topology

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	fake "k8s.io/client-go/tools/cache/testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// source is a list and watch without a server, of one kind.
type source struct{ *fake.FakeControllerSource }

// IsWatchListSemanticsUnSupported makes the informer list first, which is all that the fake can do.
func (source) IsWatchListSemanticsUnSupported() bool { return true }

// cluster is a topology and what it watches.
type cluster struct {
	*Topology
	kinds map[string]source
}

func start(t *testing.T, namespaces ...string) cluster {
	t.Helper()
	c := cluster{kinds: map[string]source{}}
	for _, k := range []string{"pods", "replicasets", "deployments", "services"} {
		c.kinds[k] = source{fake.NewFakeControllerSource()}
	}
	for kind, list := range map[string][]runtime.Object{
		"deployments": {&appsv1.Deployment{ObjectMeta: meta("checkout", nil), Spec: template("checkout")}, &appsv1.Deployment{ObjectMeta: meta("cart", nil), Spec: template("cart")}},
		"replicasets": {&appsv1.ReplicaSet{ObjectMeta: meta("checkout-5d9", ref("Deployment", "checkout"))}, &appsv1.ReplicaSet{ObjectMeta: meta("bare-77", nil)}},
		"pods": {
			pod("checkout-5d9-aaaaa", ref("ReplicaSet", "checkout-5d9"), corev1.PodRunning),
			pod("checkout-5d9-bbbbb", ref("ReplicaSet", "checkout-5d9"), corev1.PodPending),
			pod("checkout-5d9-ccccc", ref("ReplicaSet", "checkout-5d9"), corev1.PodFailed),
			pod("db-0", ref("StatefulSet", "db"), corev1.PodRunning),
			pod("alone", nil, corev1.PodRunning),
			pod("early-1-x", ref("ReplicaSet", "early-1"), corev1.PodRunning),
		},
		"services": {
			service("checkout", map[string]string{"app": "checkout"}), service("all", map[string]string{"team": "shop"}),
			service("cart", map[string]string{"app": "cart"}), service("external", nil),
			service("narrow", map[string]string{"app": "checkout", "version": "2"}),
		},
	} {
		for _, o := range list {
			c.kinds[kind].Add(o)
		}
	}
	top, err := newTopology(Options{Cluster: "prod", Namespaces: namespaces}, func(kind, _ string) cache.ListerWatcher { return c.kinds[kind] })
	if err != nil {
		t.Fatal(err)
	}
	c.Topology = top
	if top.Synced() {
		t.Error("synced before it was started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { top.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	wait, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := top.WaitSynced(wait); err != nil {
		t.Fatal(err)
	}
	if err := top.Check(ctx); err != nil {
		t.Error(err)
	}
	return c
}

func meta(name string, owner *metav1.OwnerReference) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: name, Namespace: "shop"}
	if owner != nil {
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "not-the-controller"}, *owner}
	}
	return m
}

func ref(kind, name string) *metav1.OwnerReference {
	yes := true
	return &metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: &yes}
}

func template(app string) appsv1.DeploymentSpec {
	var s appsv1.DeploymentSpec
	s.Template.Labels = map[string]string{"app": app, "team": "shop"}
	return s
}

func pod(name string, owner *metav1.OwnerReference, phase corev1.PodPhase) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name, owner), Status: corev1.PodStatus{Phase: phase}}
	p.Labels = map[string]string{"app": "checkout", "team": "shop"}
	return p
}

func service(name string, selector map[string]string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name, nil), Spec: corev1.ServiceSpec{Selector: selector}}
}

func res(kind, name string) incident.Resource {
	r := incident.Resource{Cluster: "prod", Version: "v1", Kind: kind, Namespace: "shop", Name: name}
	if kind != "Pod" {
		r.Group = "apps"
	}
	return r
}

func elsewhere(r incident.Resource, cluster, namespace string) incident.Resource {
	r.Cluster, r.Namespace = cluster, namespace
	return r
}

func TestOwner(t *testing.T) {
	t.Parallel()
	c := start(t, "shop", "shop")
	none := incident.Resource{}
	for name, tc := range map[string]struct{ of, want incident.Resource }{
		"pod of a Deployment":              {res("Pod", "checkout-5d9-aaaaa"), res("Deployment", "checkout")},
		"pod of a StatefulSet":             {res("Pod", "db-0"), res("StatefulSet", "db")},
		"pod without a controller":         {res("Pod", "alone"), res("Pod", "alone")},
		"pod whose ReplicaSet is not seen": {res("Pod", "early-1-x"), res("ReplicaSet", "early-1")},
		"pod that was never seen":          {res("Pod", "checkout-5d9-zzzzz"), res("Deployment", "checkout")},
		"pod of a StatefulSet, never seen": {res("Pod", "bare-77-0"), none},
		"one with a long number":           {res("Pod", "checkout-5d9-24567"), none},
		"perhaps a DaemonSet's":            {res("Pod", "bare-77-zzzzz"), none},
		"not a name that is made up":       {res("Pod", "checkout-5d9-primary"), none},
		"pod of nothing that is known":     {res("Pod", "other-123-zzzzz"), none},
		"pod without a dash":               {res("Pod", "other"), none},
		"ReplicaSet of a Deployment":       {res("ReplicaSet", "checkout-5d9"), res("Deployment", "checkout")},
		"ReplicaSet of nobody":             {res("ReplicaSet", "bare-77"), res("ReplicaSet", "bare-77")},
		"Deployment":                       {res("Deployment", "cart"), res("Deployment", "cart")},
		"Deployment that is not there":     {res("Deployment", "nope"), none},
		"another cluster":                  {elsewhere(res("Pod", "alone"), "dev", "shop"), none},
		"a namespace that is not watched":  {elsewhere(res("Pod", "alone"), "prod", "other"), none},
		"nothing":                          {none, none},
	} {
		got, ok := c.Owner(tc.of)
		if got != tc.want || ok != (tc.want != none) {
			t.Errorf("%s: got %v %v, want %v", name, got, ok, tc.want)
		}
	}
}

func TestBlast(t *testing.T) {
	t.Parallel()
	c := start(t)
	for name, tc := range map[string]struct {
		of   incident.Resource
		want incident.BlastRadius
	}{
		"Deployment":              {res("Deployment", "checkout"), incident.BlastRadius{Pods: 2, Services: []string{"all", "checkout"}}},
		"Deployment without pods": {res("Deployment", "cart"), incident.BlastRadius{Services: []string{"all", "cart"}}},
		"StatefulSet":             {res("StatefulSet", "db"), incident.BlastRadius{Pods: 1, Services: []string{"all", "checkout"}}},
		"Pod":                     {res("Pod", "alone"), incident.BlastRadius{Pods: 1, Services: []string{"all", "checkout"}}},
		"nothing":                 {incident.Resource{}, incident.BlastRadius{}},
		"another cluster":         {elsewhere(res("Deployment", "checkout"), "dev", "shop"), incident.BlastRadius{}},
	} {
		if got := c.Blast(tc.of); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

// eventually waits for what a watch brings.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !is(); {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestDeletedObjectsAreRemembered(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.kinds["replicasets"].Delete(&appsv1.ReplicaSet{ObjectMeta: meta("checkout-5d9", ref("Deployment", "checkout"))})
	for _, n := range []string{"aaaaa", "bbbbb", "ccccc"} {
		c.kinds["pods"].Delete(pod("checkout-5d9-"+n, ref("ReplicaSet", "checkout-5d9"), corev1.PodFailed))
	}
	eventually(t, "the pods are gone", func() bool { return c.Blast(res("Deployment", "checkout")).Pods == 0 })
	eventually(t, "their ReplicaSet is gone and remembered", func() bool {
		got, ok := c.Owner(res("Pod", "checkout-5d9-aaaaa"))
		return ok && got == res("Deployment", "checkout")
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory(3)
	for i := range 5 {
		m.put(fmt.Sprint(i), nil)
		m.put(fmt.Sprint(i), ref("Deployment", fmt.Sprint(i))) // again, which takes no second place
	}
	for i, want := range []bool{false, false, true, true, true} {
		c, known := m.get(fmt.Sprint(i))
		if known != want || (known && c.Name != fmt.Sprint(i)) {
			t.Errorf("%d: known %v as %v, want %v", i, known, c, want)
		}
	}
	if len(m.of) != 3 {
		t.Errorf("holds %d, want 3", len(m.of))
	}
}

func TestClusterNameIsRequired(t *testing.T) {
	t.Parallel()
	if _, err := newTopology(Options{}, nil); err == nil {
		t.Error("no error")
	}
}
