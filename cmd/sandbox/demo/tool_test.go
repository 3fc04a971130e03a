package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/seed"
	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
)

// declared is where the repository says by which objects a tool delivers production.
const declared = "clusters/production/shop.yaml"

// tool is Flux or Argo CD instead of the sandbox's deployer: its real objects, whose controllers the test plays.
type tool struct {
	h       *house
	client  dynamic.Interface
	admin   *deployer.Applier
	applies *deployer.Applier // as its field manager
	git     *git.Client
}

// delivering has a tool deliver production: its CRDs and its namespace, what the product may do there, what the repository
// declares.
func delivering(t *testing.T, h *house, name, manager, crds, objects string) *tool {
	t.Helper()
	rc, err := kubeconfig.Load(h.Stack.Kube.AdminKubeconfig)
	check(t, err)
	rc.QPS = 100
	u := &tool{h: h, git: git.As(h.Stack, "deployer", t.TempDir())}
	u.client, err = dynamic.NewForConfig(rc)
	check(t, err)
	u.admin, err = deployer.NewApplier(rc, "admin")
	check(t, err)
	u.applies, err = deployer.NewApplier(rc, manager)
	check(t, err)
	_, err = u.git.Run(t.Context(), "init", "--quiet", "--bare")
	check(t, err)

	files, err := filepath.Glob("../../../gitops/delivery/testdata/crds/" + crds)
	check(t, err)
	for _, file := range files {
		u.put(t, file, "")
	}
	namespace := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
	check(t, u.admin.Apply(t.Context(), []*unstructured.Unstructured{{Object: namespace}}))
	u.put(t, "../../../manifests/"+strings.TrimSuffix(name, "-system")+"/access.yaml", name)
	_, err = seed.Declare(t.Context(), h.Stack, declared, objects, "Production is delivered from here on by "+manager+"\n")
	check(t, err)
	check(t, h.sup.Stop("deployer"))
	for _, o := range decoded(t, []byte(objects)) {
		if err := wait(t.Context(), "the API server to serve "+o.GetKind(), 30*time.Second, func(ctx context.Context) (bool, error) {
			admin, err := deployer.NewApplier(rc, "admin") // that knows the new kinds
			if err != nil {
				return false, err
			}
			err = admin.Apply(ctx, []*unstructured.Unstructured{o})
			return err == nil, err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// plays the controllers until the part is over; then production is the deployer's again.
func (u *tool) plays(t *testing.T, reconcile func(context.Context) error) {
	play, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := poll(play, "the end", time.Hour, 200*time.Millisecond, func(ctx context.Context) (bool, error) { return false, reconcile(ctx) }); err != nil && play.Err() == nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-over
		if t.Failed() {
			return // nothing comes after it
		}
		if err := u.deploys(context.Background(), "main", func(*unstructured.Unstructured) {}); err != nil { // without its mark
			t.Error(err)
		}
		if err := u.h.sup.Restart("deployer"); err != nil {
			t.Error(err)
		}
	})
}

// hasAll waits until the live object has the tool's mark.
func (u *tool) hasAll(t *testing.T, mark func(*unstructured.Unstructured)) {
	t.Helper()
	if err := wait(t.Context(), "it to have everything", time.Minute, func(ctx context.Context) (bool, error) {
		d, err := u.h.Deployment(ctx, "checkout")
		if err != nil {
			return false, err
		}
		live, want := &unstructured.Unstructured{}, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
		live.SetLabels(d.Labels)
		live.SetAnnotations(d.Annotations)
		want.SetNamespace(Namespace)
		want.SetName("checkout")
		mark(want)
		return contains(live.GetLabels(), want.GetLabels()) && contains(live.GetAnnotations(), want.GetAnnotations()), nil
	}); err != nil {
		t.Fatal(err)
	}
}

func contains(all, some map[string]string) bool {
	for key, value := range some {
		if all[key] != value {
			return false
		}
	}
	return true
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decoded(t *testing.T, data []byte) (list []*unstructured.Unstructured) {
	t.Helper()
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		o := &unstructured.Unstructured{}
		check(t, yaml.Unmarshal(doc, &o.Object))
		list = append(list, o)
	}
	return list
}

// put applies a file as an administrator does, in the namespace, and for the sandbox's name of the product.
func (u *tool) put(t *testing.T, file, namespace string) {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	objects := decoded(t, bytes.ReplaceAll(data, []byte("name: cortexops-work,"), []byte("name: cortexops-worker,")))
	for _, o := range objects {
		o.SetNamespace(namespace)
	}
	check(t, u.admin.Apply(t.Context(), objects))
}

// fetch returns the head of main.
func (u *tool) fetch(ctx context.Context) (sha string, err error) {
	if _, err := u.git.Run(ctx, "fetch", "--quiet", "--force", git.URL(u.h.Stack), "refs/heads/main:refs/heads/main"); err != nil {
		return "", err
	}
	return u.git.Line(ctx, "rev-parse", "refs/heads/main")
}

// deploys applies production as it is at a revision, with the tool's mark on each object.
func (u *tool) deploys(ctx context.Context, revision string, mark func(*unstructured.Unstructured)) error {
	files, err := deployer.ReadRevision(ctx, u.git, revision)
	if err != nil {
		return err
	}
	objects, err := deployer.Render(files, "overlays/production")
	if err != nil {
		return err
	}
	for _, o := range objects {
		mark(o)
	}
	return u.applies.Apply(ctx, objects)
}

// merge patches an object; of its status where subresource says so.
func (u *tool) merge(ctx context.Context, r schema.GroupVersionResource, o *unstructured.Unstructured, patch any, subresource ...string) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = u.client.Resource(r).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType, data, metav1.PatchOptions{}, subresource...)
	return err
}

// delivered sees that exactly one merge reached the cluster, and that CortexOps applied nothing of it.
func (u *tool) delivered(t *testing.T, id string, before []WorkloadWrite) Pull {
	t.Helper()
	h := u.h
	now, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	check(t, err)
	p := h.pullOf(t, id)
	if n := Applied(now) - Applied(before); n != 0 || len(now) == len(before) || p.MergedAt == nil {
		t.Errorf("%d applies and %d dry-runs by CortexOps for %+v", n, len(now)-len(before)-n, p)
	}
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "512Mi" {
		t.Errorf("the limit is %s, %v", memory, err)
	}
	if out, err := h.says(t, "ledger", "verify"); err != nil {
		t.Errorf("%s %v", out, err)
	}
	return p
}
