package locate

import (
	"errors"
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
	found, err := Place(files, []string{"production", "staging"}, db, p, stamp)
	if err != nil || !found.Absent || found.File != "production/patch.yaml" || found.Line != 10 || found.Value != "" {
		t.Fatalf("%+v %v", found, err)
	}
	after, err := edit.Add(found.File, []byte(files[found.File]), found.Selector, p, stamp)
	if err != nil {
		t.Fatal(err)
	}
	files[found.File] = string(after)
	again, err := Place(files, []string{"production", "staging"}, db, p, "2026-01-03T00:00:00Z")
	if err != nil || again.Absent || again.Value != stamp || again.Line != 10 {
		t.Errorf("the second time: %+v %v", again, err)
	}
}

func TestPlaceDoesNotTouchTheOtherOverlay(t *testing.T) {
	t.Parallel()
	p := fieldPath(t, stampPath)
	files := database("")
	files["production/kustomization.yaml"] = "namespace: shop\nresources: [../base]\n"
	found, err := Place(files, []string{"production", "staging"}, db, p, stamp)
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != Shared || !strings.Contains(r.Why, "staging") {
		t.Errorf("%+v %v", found, err)
	}
	if found, err := Place(files, []string{"production"}, db, p, stamp); err != nil || found.File != "base/db.yaml" {
		t.Errorf("alone: %+v %v", found, err)
	}
}
