package locate

import (
	"errors"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Whatever the files say, an answer is proven, or it is a typed refusal.
func FuzzPlace(f *testing.F) {
	k := "resources: [m.yaml]\npatches:\n- path: p.yaml\n- patch: |\n    kind: Deployment\n    apiVersion: apps/v1\n    metadata: {name: api}\n    spec: {replicas: 3}\n"
	m := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 2\n"
	for _, seed := range [][3]string{
		{k, m, "- {op: replace, path: /spec/replicas, value: 3}\n"},
		{"resources: [m.yaml]\nreplicas: [{name: api, count: 3}]\nnamePrefix: x-\n", m, ""},
		{"resources: [m.yaml, p.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: c, fieldPath: data.n}\n  targets: [{select: {kind: Deployment}, fieldPaths: [spec.replicas]}]\n", m, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {n: 4}\n"},
		{"components: [.]\nresources: [../k]\n", m, m},
		{"resources: [m.yaml]\n", "kind: List\nitems:\n- &a\n  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: api}\n  spec: {replicas: 2}\n- *a\n", "\xff\xfe"},
		{"\ufeffresources:\r\n- m.yaml\r\n", m, "---\n...\n"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	p, err := edit.ParsePath("spec.replicas")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kustomization, manifest, patch string) {
		files := memory{"k/kustomization.yaml": kustomization, "k/m.yaml": manifest, "k/p.yaml": patch, "plain/m.yaml": manifest}
		for _, overlays := range [][]string{nil, {"k"}, {"plain"}} {
			q := Query{Overlays: overlays, Object: edit.Selector{Group: "apps", Kind: "Deployment", Name: "api"}, Field: p}
			found, err := Place(files, q, "7")
			if err != nil {
				var r *Refusal
				if !errors.As(err, &r) {
					t.Fatalf("no refusal: %v", err)
				}
				continue
			}
			if found.Value == "7" {
				continue
			}
			changed, err := found.Write(files, "7")
			if err != nil {
				t.Fatalf("it was placed, and is not written: %v", err)
			}
			if err := Prove(files, With(files, changed), q, found.Overlay, "7"); err != nil {
				t.Fatalf("it was placed, and is not proven: %v", err)
			}
		}
	})
}
