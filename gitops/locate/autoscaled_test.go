package locate

import (
	"errors"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

func TestReplicasOfAnAutoscalerAreNotEdited(t *testing.T) {
	t.Parallel()
	const hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout, namespace: shop}\nspec: {minReplicas: 2, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}}\n"
	files := memory{"kustomization.yaml": "resources: [a.yaml, hpa.yaml]\n", "hpa.yaml": hpa,
		"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\nspec: {replicas: 3}\n"}
	q := Query{Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}, Field: fieldPath(t, "spec.replicas")}
	var r *Refusal
	if found, err := Place(files, q, "5"); !errors.As(err, &r) || r.Reason != Autoscaled || !strings.Contains(r.Why, "minReplicas") {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := Locate(files, q); err != nil || found.Value != "3" {
		t.Errorf("only asked for: %+v, %v", found, err)
	}
	q.Object, q.Field = edit.Selector{Group: "autoscaling", Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "checkout"}, fieldPath(t, "spec.minReplicas")
	if found, err := Place(files, q, "5"); err != nil || found.File != "hpa.yaml" {
		t.Errorf("the bound: %+v, %v", found, err)
	}
	files["hpa.yaml"] = strings.Replace(hpa, "name: checkout}}", "name: cart}}", 1)
	q.Object, q.Field = edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}, fieldPath(t, "spec.replicas")
	if found, err := Place(files, q, "5"); err != nil || found.File != "a.yaml" {
		t.Errorf("another's autoscaler: %+v, %v", found, err)
	}
}
