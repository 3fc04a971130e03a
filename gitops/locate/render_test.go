package locate

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

func TestRenderIsCanonical(t *testing.T) {
	t.Parallel()
	objects, err := Render(shop, production)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, o.String())
	}
	if want := []string{"Deployment shop/checkout", "Service shop/checkout", "Deployment shop/cart"}; !slices.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
	const want = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"cart","namespace":"shop"},"spec":{"replicas":4,` +
		`"template":{"spec":{"containers":[{"image":"shop/cart:2.0.0","name":"app"}]}}}}`
	if string(objects[2].JSON) != want {
		t.Errorf("got %s", objects[2].JSON)
	}
	again, err := Render(shop, production)
	if err != nil || !bytes.Equal(again[0].JSON, objects[0].JSON) {
		t.Errorf("a second rendering differs: %v", err)
	}
}

// Whatever would run a program or reach outside the snapshot is refused before kustomize sees it, even where a file has
// that very name.
func TestRenderReachesNothing(t *testing.T) {
	t.Parallel()
	const k = "overlays/x/kustomization.yaml"
	tests := map[string]struct {
		kustomization string
		want          Reason
	}{
		"http resource":         {"resources: ['http://127.0.0.1:1/a.yaml']", Remote},
		"git over https":        {"resources: ['https://github.com/o/r//base?ref=v1']", Remote},
		"git shorthand":         {"resources: [github.com/o/r]", Remote},
		"git shorthand, upper":  {"resources: [GitHub.com/o/r]", Remote},
		"forced git":            {"resources: ['git::https://example.com/o/r']", Remote},
		"ssh":                   {"resources: ['git@example.com:o/r']", Remote},
		"another user":          {"resources: ['x@example.com:o/r']", Remote},
		"file URL":              {"resources: ['file:///etc']", Remote},
		"absolute":              {"resources: [/etc/passwd]", Remote},
		"above the root":        {"resources: [../../../etc]", Remote},
		"base":                  {"bases: ['https://example.com/x']", Remote},
		"key in other case":     {"RESOURCES: ['https://example.com/x']", Remote},
		"component":             {"components: ['https://example.com/x']", Remote},
		"patch":                 {"patches: [{path: 'https://example.com/p.yaml'}]", Remote},
		"old patch":             {"patchesStrategicMerge: ['https://example.com/p.yaml']", Remote},
		"JSON patch":            {"patchesJson6902: [{path: 'https://example.com/p.yaml', target: {kind: X, name: z, version: v1}}]", Remote},
		"config map":            {"configMapGenerator: [{name: a, files: ['k=https://example.com/x']}]", Remote},
		"config map env":        {"configMapGenerator: [{name: a, env: 'https://example.com/x'}]", Remote},
		"secret envs":           {"secretGenerator: [{name: a, envs: ['https://example.com/x']}]", Remote},
		"replacement":           {"replacements: [{path: 'https://example.com/x'}]", Remote},
		"configuration":         {"configurations: ['https://example.com/x']", Remote},
		"crd":                   {"crds: ['https://example.com/x']", Remote},
		"openapi":               {"openapi: {path: s.json}", Unsupported},
		"helm":                  {"helmCharts: [{name: x, repo: 'https://example.com'}]", Unsupported},
		"old helm":              {"helmChartInflationGenerator: [{chartName: x}]", Unsupported},
		"generator":             {"generators: [g.yaml]", Unsupported},
		"transformer":           {"transformers: [../y]", Invalid},
		"transformer of ours":   {"transformers: ['https://example.com/t.yaml']", Remote},
		"transformer that runs": {"transformers:\n- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata:\n    name: x\n    annotations: {config.kubernetes.io/function: 'exec: {path: /bin/sh}'}", Unsupported},
		"transformer of a path": {"transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: x}\n  path: https://example.com/p.yaml", Unsupported},
		"transformer, no kind":  {"transformers:\n- |-\n  x: builtin\n  path: https://example.com/p.yaml", Unsupported},
		"validator":             {"validators: [v.yaml]", Unsupported},
		"missing":               {"resources: [nope.yaml]", Invalid},
		"unknown field":         {"resource: [a.yaml]", Invalid},
		"itself":                {"resources: [.]", Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := memory{k: tt.kustomization + "\n", "overlays/x/https:/example.com/x": "a=b\n", "overlays/x/github.com/o/r/kustomization.yaml": "resources: []\n"}
			_, err := Render(files, "overlays/x")
			isRefused(t, err, tt.want, "")
		})
	}
	_, err := Render(shop, "/overlays/production")
	isRefused(t, err, Invalid, "no path")
	_, err = Render(shop, "overlays/../..")
	isRefused(t, err, Invalid, "no path")
	_, err = Render(shop, "nowhere")
	isRefused(t, err, NotFound, "kustomization.yaml")
}

func TestRenderSaysWhereItBreaks(t *testing.T) {
	t.Parallel()
	_, err := Render(shop.but(memory{"base/cart.yaml": "kind: Deployment\nspec:\n  a: b\n c: d\n"}), production)
	isRefused(t, err, Invalid, "base/cart.yaml:4:1")
	_, err = Render(shop.but(memory{production + "/kustomization.yaml": "resources:\n- a: [\n"}), production)
	isRefused(t, err, Invalid, production+"/kustomization.yaml:2:1")
}

// What is in UTF-16 is not passed over as if nothing were there.
func TestUTF16IsNamed(t *testing.T) {
	t.Parallel()
	const text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart, namespace: shop}\nspec: {replicas: 3}\n"
	little, big := "\xff\xfe", "\xfe\xff"
	for _, c := range text {
		little, big = little+string([]byte{byte(c), 0}), big+string([]byte{0, byte(c)})
	}
	q := Query{Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "cart"}, Field: fieldPath(t, "spec.replicas")}
	for name, data := range map[string]string{"little": little, "big": big, "without a mark": little[2:]} {
		for _, files := range []memory{{"x/a.yaml": data}, {"x/a.yaml": data, "x/kustomization.yaml": "resources: [a.yaml]\n"}, {"x/a.yaml": text, "x/kustomization.yaml": data}} {
			for _, overlays := range [][]string{nil, {"x"}} {
				if q.Overlays = overlays; overlays == nil && files["x/a.yaml"] == text {
					continue // a manifest by itself, then
				}
				_, err := Locate(files, q)
				t.Run(name, func(t *testing.T) { isRefused(t, err, Unsupported, ".yaml is in UTF-16 or UTF-32") })
			}
		}
	}
	q.Overlays = nil
	if found, err := Locate(memory{"x/a.yaml": little, "y/a.yaml": text}, q); err != nil || found.File != "y/a.yaml" {
		t.Errorf("another file is in UTF-16: %+v, %v", found, err)
	}
}

// What YAML 1.1 takes for something else is no name; it is said, and not passed over.
func TestANameThatIsNoText(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\n":                            "metadata.namespace of ConfigMap is a bool to YAML 1.1",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 12, namespace: x}\n":                           "metadata.name of ConfigMap is a number",
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: yes}}]\n": "metadata.name of ConfigMap is a bool",
	} {
		_, err := Render(memory{"x/a.yaml": text}, "x")
		isRefused(t, err, Invalid, why)
	}
	if objects, err := Render(memory{"x/a.yaml": "kind: 5\nmetadata: {name: 7}\n"}, "x"); err != nil || len(objects) != 0 {
		t.Errorf("what is no object: %v %v", objects, err)
	}
	_, err := Render(memory{"x/kustomization.yaml": "namespace: n\nresources: [a.yaml]\n", "x/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}, "x")
	isRefused(t, err, Invalid, "bool into Go struct field Kustomization.namespace")
}
