package locate

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

type memory map[string]string

func (m memory) ReadFile(path string) ([]byte, error) {
	if s, ok := m[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) List(dir string) ([]string, error) {
	var out []string
	for p := range m {
		if dir == "." || strings.HasPrefix(p, dir+"/") {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out, nil
}

// but is m with some files replaced; "" removes one.
func (m memory) but(files memory) memory {
	out := maps.Clone(m)
	for p, s := range files {
		out[p] = s
		if s == "" {
			delete(out, p)
		}
	}
	return out
}

const (
	production = "overlays/production"
	staging    = "overlays/staging"
	memoryPath = "spec.template.spec.containers[name=app].resources.limits.memory"
)

// shop is a small repository as teams have them.
var shop = memory{
	"base/kustomization.yaml": "resources: [checkout.yaml, cart.yaml]\n",
	"base/checkout.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: app
          image: shop/checkout:1.4.0
          resources:
            limits:
              memory: 256Mi
              cpu: 500m
---
apiVersion: v1
kind: Service
metadata: {name: checkout}
spec: {ports: [{port: 80}]}
`,
	"base/cart.yaml": `# the cart
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec:
    replicas: 2   # two zones
    template:
        spec:
            containers: [{name: app, image: "shop/cart:2.0.0"}]
`,
	staging + "/kustomization.yaml": "namespace: shop-staging\nresources:\n- ../../base\n",
	production + "/kustomization.yaml": `namespace: shop
resources:
- ../../base
patches:
- path: checkout-memory.yaml
- path: cart-replicas.yaml
`,
	production + "/checkout-memory.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
spec:
  template:
    spec:
      containers:
      - name: app
        resources:
          limits:
            memory: 512Mi # measured in May
`,
	production + "/cart-replicas.yaml": `kind:   Deployment
apiVersion: apps/v1
metadata: {name: cart}
spec: {replicas: 4}
`,
}

var (
	inlined  = "namespace: shop\nresources: [../../base]\n"
	both     = []string{staging, production}
	checkout = edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	cart     = edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "cart"}
)

func fieldPath(t *testing.T, s string) edit.Path {
	t.Helper()
	p, err := edit.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLocate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files memory
		sel   edit.Selector
		path  string
		want  string // file:line:column value
	}{
		{"the overlay's patch", nil, checkout, memoryPath, production + "/checkout-memory.yaml:12:21 512Mi"},
		{"flow style", nil, cart, "spec.replicas", production + "/cart-replicas.yaml:4:18 4"},
		{"a patch in the old list", memory{production + "/kustomization.yaml": "namespace: shop\nresources: [../../base]\npatchesStrategicMerge: [cart-replicas.yaml]\n"}, cart, "spec.replicas", production + "/cart-replicas.yaml:4:18 4"},
		{"the base where no patch sets it", nil, checkout, "spec.template.spec.containers[name=app].resources.limits.cpu", "base/checkout.yaml:15:20 500m"},
		{"the base of the other overlay", nil, edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop-staging", Name: "checkout"}, memoryPath, "base/checkout.yaml:14:23 256Mi"},
		{"an image", nil, cart, "spec.template.spec.containers[0].image", "base/cart.yaml:9:45 shop/cart:2.0.0"},
		{"a patch whose target is named in the kustomization", memory{
			production + "/kustomization.yaml":   "namespace: shop\nresources: [../../base]\npatches:\n- path: checkout-memory.yaml\n  target: {kind: Deployment, name: checkout}\n",
			production + "/checkout-memory.yaml": strings.Replace(shop[production+"/checkout-memory.yaml"], "name: checkout", "name: any", 1),
		}, checkout, memoryPath, production + "/checkout-memory.yaml:12:21 512Mi"},
		{"a name with a prefix", memory{production + "/kustomization.yaml": "namespace: shop\nnamePrefix: eu-\nresources: [../../base]\npatches:\n- path: checkout-memory.yaml\n"},
			edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "eu-checkout"}, memoryPath, production + "/checkout-memory.yaml:12:21 512Mi"},
		{"the last of two patches", memory{
			production + "/kustomization.yaml": "namespace: shop\nresources: [../../base]\npatches:\n- path: checkout-memory.yaml\n- path: more.yaml\n",
			production + "/more.yaml":          shop[production+"/checkout-memory.yaml"],
		}, checkout, memoryPath, production + "/more.yaml:12:21 512Mi"},
		{"a patch that says the same as the base", memory{
			production + "/checkout-memory.yaml": strings.Replace(shop[production+"/checkout-memory.yaml"], "512Mi", "256Mi", 1),
		}, checkout, memoryPath, production + "/checkout-memory.yaml:12:21 256Mi"},
		{"an inline patch", memory{production + "/kustomization.yaml": inlined + "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: checkout}\n    spec: {replicas: 9}\n"},
			checkout, "spec.replicas", production + "/kustomization.yaml:8:22 9"},
		{"a replicas entry", memory{production + "/kustomization.yaml": inlined + "replicas: [{name: checkout, count: 2}]\n"}, checkout, "spec.replicas", production + "/kustomization.yaml:3:36 2"},
		{"an images entry", memory{production + "/kustomization.yaml": inlined + "images: [{name: shop/checkout, newTag: 1.5.0}]\n"},
			checkout, "spec.template.spec.containers[name=app].image", production + "/kustomization.yaml:3:40 shop/checkout:1.5.0"},
		{"an images entry with the same tag", memory{production + "/kustomization.yaml": inlined + "images: [{name: shop/checkout, newTag: 1.4.0}]\n"},
			checkout, "spec.template.spec.containers[name=app].image", production + "/kustomization.yaml:3:40 shop/checkout:1.4.0"},
		{"a JSON patch", memory{production + "/kustomization.yaml": inlined + "patches:\n- path: p.yaml\n  target: {kind: Deployment, name: checkout}\n",
			production + "/p.yaml": "- {op: replace, path: /spec/replicas, value: 5}\n"}, checkout, "spec.replicas", production + "/p.yaml:1:46 5"},
		{"a component", memory{
			production + "/kustomization.yaml": "namespace: shop\nresources: [../../base]\ncomponents: [../../components/big]\n",
			"components/big/kustomization.yml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- path: patch.yaml\n",
			"components/big/patch.yaml":        shop[production+"/checkout-memory.yaml"],
		}, checkout, memoryPath, "components/big/patch.yaml:12:21 512Mi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := shop.but(tt.files)
			got, err := Locate(files, Query{Overlays: both, Object: tt.sel, Field: fieldPath(t, tt.path)})
			if err != nil {
				t.Fatal(err)
			}
			pos := edit.Position{File: got.File, Line: got.Line, Column: got.Column}
			if s := position(pos) + " " + got.Value; s != tt.want {
				t.Errorf("got %s\n%s", s, strings.Join(got.Chain, "\n"))
			}
			if len(got.Chain) < 3 {
				t.Errorf("the chain proves nothing: %q", got.Chain)
			}
			if out, err := got.Write(files, other(got.Value)); err != nil || len(out) != 1 || string(out[got.File]) == files[got.File] {
				t.Errorf("nothing is written there: %v", err)
			}
		})
	}
}

// other is another value of the same kind.
func other(value string) string {
	if name, _, ok := strings.Cut(value, ":"); ok {
		return name + ":7"
	}
	return "7"
}

func position(p edit.Position) string {
	return strings.TrimSuffix((&edit.Refusal{File: p.File, Line: p.Line, Column: p.Column}).Error(), ": ")
}

func TestLocateRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		files    memory
		overlays []string
		sel      edit.Selector
		path     string
		want     Reason
		why      string
	}{
		{"no such object", nil, both, edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "search"}, "spec.replicas", NotFound, "none of"},
		{"no such field", nil, both, checkout, "spec.paused", NotFound, "without spec.paused"},
		{"two overlays", nil, append(both, "overlays/again"), checkout, memoryPath, Ambiguous, "overlays/again"},
		{"an alias", memory{"base/checkout.yaml": strings.NewReplacer("256Mi", "&m 256Mi", "500m", "*m").Replace(shop["base/checkout.yaml"]),
			production + "/kustomization.yaml": inlined}, both, checkout, memoryPath, Uneditable, "anchor"},
		{"encrypted", memory{production + "/kustomization.yaml": inlined,
			"base/checkout.yaml": strings.Replace(shop["base/checkout.yaml"], "500m", "ENC[AES256_GCM,data:x]", 1)},
			both, checkout, memoryPath, Encrypted, "SOPS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := shop.but(tt.files).but(memory{"overlays/again/kustomization.yaml": "resources: [../production]\n"})
			_, err := Locate(files, Query{Overlays: tt.overlays, Object: tt.sel, Field: fieldPath(t, tt.path)})
			isRefused(t, err, tt.want, tt.why)
		})
	}
}

func isRefused(t *testing.T, err error, want Reason, why string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != want || !strings.Contains(err.Error(), why) {
		t.Errorf("got %#v %v, want %s: …%s…", r, err, want, why)
	}
}
