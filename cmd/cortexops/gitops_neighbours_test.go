package main

import (
	"strings"
	"testing"
)

// --path says where the object is, and not that nobody else has the base: what edit calls byte-identical is.
func TestEditWithAPathLeavesTheOtherOverlays(t *testing.T) {
	t.Parallel()
	dir, git := gitTree(t, map[string]string{
		"base/kustomization.yaml": "resources: [api.yaml]\n",
		"base/api.yaml":           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec:\n  replicas: 2\n",
		"prod/kustomization.yaml": "resources: [../base]\n", "staging/kustomization.yaml": "resources: [../base]\n",
	})
	out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--path", "prod", "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas", "--set", "5", "--render")
	if code != 0 || !strings.Contains(out, "+++ b/prod/") || strings.Contains(out, "+++ b/base/") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	git(out, "apply", "--check")
}
