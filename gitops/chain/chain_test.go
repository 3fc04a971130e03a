package chain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

const fleet = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, sourceRef: {kind: GitRepository, name: fleet}}
`

func release(name string) string {
	return fmt.Sprintf(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %s, namespace: shop}
spec: {chart: {spec: {chart: charts/%[1]s, sourceRef: {kind: GitRepository, name: fleet, namespace: flux-system}}}}
`, name)
}

func replicas(name string) Query {
	return Query{Query: locate.Query{Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: name},
		Field: edit.Path{{Key: "spec"}, {Key: "replicas"}}}, Labels: map[string]string{"helm.toolkit.fluxcd.io/name": name}}
}

// One chart that never ends does not keep the rest of the repository from an answer.
func TestAChartThatLoopsIsRefused(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &helm.Renderer{Command: []string{self, "render-chart"}, Timeout: 2 * time.Second}
	t.Cleanup(r.Close)
	repository := map[string]string{"sync.yaml": fleet, "apps/loop.yaml": release("loop"),
		"charts/loop/Chart.yaml":       "apiVersion: v2\nname: loop\nversion: 0.1.0\n",
		"charts/loop/templates/x.yaml": "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}",
		"apps/ok.yaml":                 "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ok, namespace: shop}\nspec: {replicas: 2}\n",
	}
	c, err := Open(context.Background(), files(repository), Options{Charts: r})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Locate(context.Background(), replicas("loop")); !refusedAs(err, "unsupported stopped") {
		t.Errorf("loop: %v", err)
	}
	ok := replicas("ok")
	ok.Labels = nil
	if v, there, err := c.Current(ok); err != nil || !there || v != "2" {
		t.Errorf("ok: %q %v %v", v, there, err)
	}
	without, err := Open(context.Background(), files(repository), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Locate(context.Background(), replicas("loop")); !refusedAs(err, "unsupported not rendered") {
		t.Errorf("without a renderer: %v", err)
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	repository := map[string]string{"sync.yaml": fleet, "apps/api.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec: {replicas: 2}\n",
		"apps/pay.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pay, namespace: shop}\nspec: {replicas: 2}\n"}
	ctx := context.Background()
	c, err := Open(ctx, files(repository), Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := replicas("api")
	q.Labels = nil
	other := replicas("other")
	if !c.Delivers(q) || !c.Delivers(other) {
		t.Error("it does not deliver what it renders, or what is labelled")
	}
	if other.Labels = nil; c.Delivers(other) {
		t.Error("it delivers what nothing renders")
	}
	f, err := c.Place(ctx, q, "3")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := f.Write(files(repository), "3")
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.With(ctx, changed)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := after.Render(f.Overlay)
	if err != nil || len(objects) != 2 || !strings.Contains(string(objects[0].JSON), `"replicas":3`) {
		t.Errorf("%v %v", objects, err)
	}
	if err := c.Prove(after, q, "3"); err != nil {
		t.Error(err)
	}
	if err := c.Prove(after, q, "4"); !refusedAs(err, "unproven not as 4") {
		t.Errorf("another value: %v", err)
	}
	changed["apps/pay.yaml"] = []byte(strings.Replace(repository["apps/pay.yaml"], "2", "5", 1))
	if after, err = c.With(ctx, changed); err != nil {
		t.Fatal(err)
	}
	if err := c.Prove(after, q, "3"); !refusedAs(err, "shared Deployment shop/pay") {
		t.Errorf("more than the field: %v", err)
	}
	q.Paths = []string{"clusters"}
	if _, err := c.Place(ctx, q, "3"); !refusedAs(err, "outside clusters") {
		t.Errorf("outside the paths: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Open(stopped, files(repository), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSameURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://github.com/shop/fleet", "https://me:secret@github.com/shop/fleet.git", "ssh://git@github.com:22/shop/fleet", "git@github.com:Shop/fleet.git"} {
		if !sameURL(url, "ssh://git@github.com/shop/fleet/") {
			t.Errorf("%s is another", url)
		}
	}
	for _, url := range []string{"https://github.com/shop/fleet2", "https://gitlab.com/shop/fleet", ""} {
		if sameURL(url, "ssh://git@github.com/shop/fleet") {
			t.Errorf("%s is the same", url)
		}
	}
}
