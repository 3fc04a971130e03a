package seed

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// render returns the objects of an overlay by kind/name.
func render(t *testing.T, files deployer.Files, overlay string) map[string]*unstructured.Unstructured {
	t.Helper()
	objects, err := deployer.Render(files, overlay)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*unstructured.Unstructured{}
	for _, o := range objects {
		byName[o.GetKind()+"/"+o.GetName()] = o
	}
	return byName
}

// app is one field of the container, as text.
func app(t *testing.T, o *unstructured.Unstructured, fields ...string) string {
	t.Helper()
	all, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d containers: %v", len(all), err)
	}
	c := all[0].(map[string]any)
	if c["name"] != "app" {
		t.Errorf("the container is called %v", c["name"])
	}
	s, _, err := unstructured.NestedString(c, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func embedded(t *testing.T) deployer.Files {
	t.Helper()
	files := deployer.Files{}
	root, err := fs.Sub(repository, "repository")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestOverlaysRender is not parallel, as kustomize is not.
func TestOverlaysRender(t *testing.T) {
	files := embedded(t)
	for _, tc := range []struct{ overlay, namespace, checkout, cartReplicas string }{
		{"overlays/staging", "shop-staging", "384Mi", "1"},
		{"overlays/production", "shop", "512Mi", "2"},
	} {
		o := render(t, files, tc.overlay)
		if len(o) != 6 {
			t.Errorf("%s renders %d objects, want two Deployments, a StatefulSet and three Services", tc.overlay, len(o))
		}
		for name, one := range o {
			if one.GetNamespace() != tc.namespace {
				t.Errorf("%s: %s is in %q", tc.overlay, name, one.GetNamespace())
			}
		}
		if got := app(t, o["Deployment/checkout"], "resources", "limits", "memory"); got != tc.checkout {
			t.Errorf("%s: checkout may use %s, want %s", tc.overlay, got, tc.checkout)
		}
		if got := app(t, o["Deployment/cart"], "image"); got != "registry.example/shop/cart:1.8.0" {
			t.Errorf("%s: cart runs %s", tc.overlay, got)
		}
		n, _, err := unstructured.NestedInt64(o["Deployment/cart"].Object, "spec", "replicas")
		if err != nil || tc.cartReplicas != string(rune('0'+n)) {
			t.Errorf("%s: cart has %d replicas (%v), want %s", tc.overlay, n, err, tc.cartReplicas)
		}
	}
}

func TestRepositoryAndItsTwoMistakes(t *testing.T) {
	dir := t.TempDir()
	bare := filepath.Join(dir, "acme", "shop.git")
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", "--initial-branch=main", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := &stack.Stack{Dir: dir, Forge: stack.Forge{URL: "file://" + dir, Owner: "acme", Repo: "shop", Users: map[string]string{"dana": "token"}}}
	first, err := Repository(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Repository(t.Context(), s); err != nil || again != first {
		t.Errorf("seeding twice: %s, %v; want the first commit %s again", again, err, first)
	}
	reader := git.As(s, "dana", bare)
	if _, err := LowerMemory(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	last, err := ShipFaultyCart(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := reader.Line(t.Context(), "rev-parse", "main"); err != nil || head != last {
		t.Errorf("main is at %s (%v), want %s", head, err, last)
	}
	if again, err := Repository(t.Context(), s); err != nil || again != first {
		t.Errorf("seeding after the stories: %s, %v; want the first commit %s", again, err, first)
	}
	who, err := reader.Line(t.Context(), "log", "--format=%an %s", "main")
	if err != nil || who != "dana cart: ship 1.9.0 to production\ndana checkout: halve the memory limit in production\ndana Move the shop's manifests into one repository" {
		t.Errorf("the log reads %q (%v)", who, err)
	}
	changed, err := reader.Line(t.Context(), "diff", "--shortstat", first, "main")
	if err != nil || changed != "2 files changed, 2 insertions(+), 2 deletions(-)" {
		t.Errorf("the two mistakes: %q (%v), want one line each", changed, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "clone-*")); len(left) > 0 {
		t.Errorf("clones are left behind: %v", left)
	}
	if _, err := LowerMemory(t.Context(), s); err == nil {
		t.Error("lowering what is low must say that it cannot")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s, err := stack.Choose(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := Files(s); err != nil {
		t.Fatal(err)
	}
	if err := Files(s); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, path := range []string{s.Prometheus.Config, s.Alertmanager.Config, s.Product.Config,
		filepath.Join(s.Dir, "playbooks/raise-memory-limit/playbook.yaml"), filepath.Join(s.Dir, "playbooks/add-replicas-on-errors/playbook.yaml")} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.UnmarshalStrict(b, &v); err != nil || len(v) < 3 && !strings.Contains(path, "alertmanager") {
			t.Errorf("%s holds %d keys: %v", path, len(v), err)
		}
	}
	b, err := os.ReadFile(s.Product.Config)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range s.Product.Env {
		if strings.Contains(string(b), secret) {
			t.Errorf("%s is in the product's configuration, where only the environment should hold it", name)
		}
	}
}
