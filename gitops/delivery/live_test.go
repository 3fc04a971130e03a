package delivery

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestManagedBy(t *testing.T) {
	t.Parallel()
	fields := func(manager, at, field string) map[string]any {
		return map[string]any{"manager": manager, "time": at, "fieldsV1": map[string]any{field: map[string]any{}}}
	}
	for want, meta := range map[string]map[string]any{
		"ScaledObject shop/checkout": {"namespace": "shop", "ownerReferences": []any{map[string]any{"kind": "ScaledObject", "name": "checkout"}},
			"labels": map[string]any{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
		"Kustomization flux-system/apps": {"labels": map[string]any{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
		"Helm release shop/checkout":     {"annotations": map[string]any{"meta.helm.sh/release-name": "checkout", "meta.helm.sh/release-namespace": "shop"}},
		`field manager "kubectl-edit"`: {"managedFields": []any{fields("kubectl-create", "2026-05-01T12:00:00Z", "f:spec"), fields("kubectl-edit", "2026-05-02T12:00:00Z", "f:spec"),
			fields("kube-controller-manager", "2026-05-03T12:00:00Z", "f:status")}},
		"": {},
	} {
		if got := managedBy(&unstructured.Unstructured{Object: map[string]any{"metadata": meta}}); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
