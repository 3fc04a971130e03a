package locate

import (
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

const (
	stampPath = "spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']"
	stamp     = "2026-01-02T03:04:05Z"
)

var db = edit.Selector{Group: "apps", Kind: "StatefulSet", Namespace: "shop", Name: "db"}

// database is a StatefulSet in a base that two overlays share; production patches it.
func database(patch string) memory {
	head := "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: db\n"
	return memory{
		"base/kustomization.yaml":       "resources: [db.yaml]\n",
		"base/db.yaml":                  head + "spec:\n  template:\n    metadata:\n      annotations:\n        a: b\n",
		"production/kustomization.yaml": "namespace: shop\nresources: [../base]\npatches: [{path: patch.yaml}]\n",
		"production/patch.yaml":         head + patch,
		"staging/kustomization.yaml":    "namespace: shop-staging\nresources: [../base]\n",
	}
}

func TestPlaceIsInThePatchOfTheOneOverlay(t *testing.T) {
	t.Parallel()
	files := database("spec:\n  template:\n    metadata:\n      annotations:\n        c: d # ours\n")
	p := fieldPath(t, stampPath)
	found, err := Place(files, Query{Overlays: []string{"production", "staging"}, Object: db, Field: p}, stamp)
	if err != nil || !found.New || found.File != "production/patch.yaml" || found.Line != 10 || found.Value != "" {
		t.Fatalf("%+v %v", found, err)
	}
	after, err := found.Write(files, stamp)
	if err != nil {
		t.Fatal(err)
	}
	files[found.File] = string(after[found.File])
	again, err := Place(files, Query{Overlays: []string{"production", "staging"}, Object: db, Field: p}, "2026-01-03T00:00:00Z")
	if err != nil || again.New || again.Value != stamp || again.Line != 10 {
		t.Errorf("the second time: %+v %v", again, err)
	}
}

func TestPlaceDoesNotTouchTheOtherOverlay(t *testing.T) {
	t.Parallel()
	p := fieldPath(t, stampPath)
	files := database("")
	files["production/kustomization.yaml"] = "namespace: shop\nresources: [../base]\n"
	found, err := Place(files, Query{Overlays: []string{"production", "staging"}, Object: db, Field: p}, stamp)
	if err != nil || !found.New || found.File != "production/db-statefulset-patch.yaml" {
		t.Fatalf("%+v %v", found, err)
	}
	out, err := found.Write(files, stamp)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"production/kustomization.yaml": "namespace: shop\nresources: [../base]\npatches:\n- path: db-statefulset-patch.yaml\n",
		"production/db-statefulset-patch.yaml": `apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
spec:
  template:
    metadata:
      annotations:
        kubectl.kubernetes.io/restartedAt: "2026-01-02T03:04:05Z"
`}
	for file, text := range want {
		if string(out[file]) != text {
			t.Errorf("%s:\n%s", file, out[file])
		}
	}
	if found, err := Place(files, Query{Overlays: []string{"production"}, Object: db, Field: p}, stamp); err != nil || found.File != "base/db.yaml" {
		t.Errorf("alone: %+v %v", found, err)
	}
}

// Line ends, a byte-order mark and a missing newline at the end stay as they are, in all files that an edit touches.
func TestPlaceKeepsLineEnds(t *testing.T) {
	t.Parallel()
	crlf := func(s string) string {
		return "\ufeff" + strings.TrimSuffix(strings.ReplaceAll(s, "\n", "\r\n"), "\r\n")
	}
	files := database("spec:\n  replicas: 2\n")
	files["production/patch.yaml"] = crlf(files["production/patch.yaml"])
	files["staging/kustomization.yaml"] = crlf(files["staging/kustomization.yaml"])
	q := Query{Overlays: []string{"production", "staging"}, Object: db, Field: fieldPath(t, "spec.replicas")}
	out := written(t, files, q, "3")
	if want := strings.Replace(files["production/patch.yaml"], "replicas: 2", "replicas: 3", 1); string(out["production/patch.yaml"]) != want {
		t.Errorf("%q", out)
	}
	q.Object.Namespace, q.Field = "shop-staging", fieldPath(t, stampPath)
	out = written(t, files, q, stamp)
	if want := files["staging/kustomization.yaml"] + "\r\npatches:\r\n- path: db-statefulset-patch.yaml"; string(out["staging/kustomization.yaml"]) != want {
		t.Errorf("%q", out)
	}
	if patch := string(out["staging/db-statefulset-patch.yaml"]); strings.Count(patch, "\n") != strings.Count(patch, "\r\n") {
		t.Errorf("%q", patch)
	}
}

func written(t *testing.T, files memory, q Query, value string) map[string][]byte {
	t.Helper()
	found, err := Place(files, q, value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := found.Write(files, value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
