package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// included is a base of two overlays that deploy what it does.
var included = map[string]string{
	"base/kustomization.yaml": "resources: [api.yaml]\n",
	"base/api.yaml":           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec:\n  replicas: 2\n",
	"prod/kustomization.yaml": "resources: [../base]\n", "staging/kustomization.yaml": "resources: [../base]\n",
}

// --path says where the object is, and not that nobody else has the base: what edit calls byte-identical is.
func TestEditWithAPathLeavesTheOtherOverlays(t *testing.T) {
	t.Parallel()
	dir, git := gitTree(t, included)
	out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--path", "prod", "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas", "--set", "5", "--render")
	if code != 0 || !strings.Contains(out, "+++ b/prod/") || strings.Contains(out, "+++ b/base/") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	git(out, "apply", "--check")
}

// An edit of the base is one of all that include it, and it is said which these are.
func TestEditOfTheBaseNamesTheOverlays(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, included)
	args := []string{"gitops", "edit", "--repo", dir, "--path", "base", "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas", "--set", "3", "--render"}
	out, errs, code := ran(t, args...)
	const want = "# prod is rendered differently too: it includes base\n# staging is rendered differently too: it includes base\n# everything else is rendered byte-identical\n"
	if code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	out, _, _ = ran(t, append(args, "--output", "json")...)
	var got edited
	if err := json.Unmarshal([]byte(out), &got); err != nil || !slices.Equal(got.Others, []string{"prod", "staging"}) {
		t.Errorf("%v\n%s", err, out)
	}
}
