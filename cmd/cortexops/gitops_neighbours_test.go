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

// A base that the edited overlay includes is rendered differently with it.
func TestEditNamesTheBaseThatTheOverlayIncludes(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, map[string]string{"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": nameless, "prod/kustomization.yaml": "namespace: shop\nresources: [../base]\n"})
	out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas", "--set", "3", "--render")
	if code != 0 || !strings.Contains(out, "# base is rendered differently too: prod includes it\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// What cannot be done is said in the words of what was asked.
func TestEditSaysWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, map[string]string{"d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      containers:\n        - name: api\n" +
		"          image: api:1@sha256:0123456789012345678901234567890123456789012345678901234567890123\n          resources: {limits: {memory: 256Mi}}\n"})
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a tag of a digest": {[]string{"image", "--image-tag", "2"}, exitRefused, "refused (uneditable): the image cannot be given that: api:1@sha256:"},
		"above the cap":     {[]string{"resources.limits.memory", "--scale-quantity", "1.5", "--max", "100Mi"}, 0, "is 256Mi already, which is above --max 100Mi: nothing to edit"},
		"below the floor":   {[]string{"resources.limits.memory", "--scale-quantity", "0.5", "--min", "1Gi"}, 0, "is 256Mi already, which is below --min 1Gi: nothing to edit"},
		"no quantity":       {[]string{"image", "--scale-quantity", "2"}, exitRefused, "the value cannot be scaled"},
	} {
		args := append([]string{"gitops", "edit", "--repo", dir, "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.template.spec.containers[name=api]." + c.args[0]}, c.args[1:]...)
		if out, errs, code := ran(t, args...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
	}
}

// What Flux delivers stays as it is too, be it a folder that the overlay includes or a file that it lists.
func TestEditLeavesWhatIsDelivered(t *testing.T) {
	t.Parallel()
	const delivery = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: prod, namespace: flux-system}\nspec: {path: ./base, targetNamespace: prod, sourceRef: {kind: GitRepository, name: x}}\n"
	for name, files := range map[string]map[string]string{
		"an included folder": {"clusters/prod.yaml": delivery, "base/d.yaml": nameless, "base/kustomization.yaml": "resources: [d.yaml]\n", "dev/kustomization.yaml": "namespace: dev\nresources: [../base]\n"},
		"a listed file":      {"clusters/prod.yaml": delivery, "base/d.yaml": nameless, "dev/kustomization.yaml": "namespace: dev\nresources: [../base/d.yaml]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, git := gitTree(t, files)
			out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--resource", "apps/v1/Deployment/dev/api", "--field", "spec.replicas", "--set", "5", "--render")
			if code != 0 || strings.Contains(out, "+++ b/base/") || !strings.Contains(out, "+++ b/dev/api-deployment-patch.yaml") {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			git(out, "apply", "--check")
		})
	}
}
