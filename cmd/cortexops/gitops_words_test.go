package main

import (
	"strings"
	"testing"
)

// fleet is what Argo CD makes of folders, but for one.
var fleet = map[string]string{
	"set.yaml": `apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: apps, namespace: argocd}
spec:
  goTemplate: true
  generators:
    - git:
        repoURL: https://github.com/shop/fleet
        directories:
          - path: apps/*
          - path: apps/old
            exclude: true
  template:
    metadata: {name: '{{ .path.basename }}'}
    spec:
      source: {repoURL: https://github.com/shop/fleet, path: '{{ .path.path }}'}
      destination: {name: in-cluster, namespace: shop}
`,
	"apps/api/kustomization.yaml": "resources: [d.yaml]\nconfigMapGenerator:\n- name: settings\n  options: {disableNameSuffixHash: true}\n  literals: [LEVEL=info]\n  files: [app.ini]\n  envs: [limits.env]\n- name: hashed\n  literals: [LEVEL=info]\nsecretGenerator:\n- name: key\n  options: {disableNameSuffixHash: true}\n  literals: [token=hunter2]\n",
	"apps/api/d.yaml":             "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n        - name: app\n          image: api:1\n",
	"apps/api/app.ini":            "[app]\nport=1\n",
	"apps/api/limits.env":         "# per second\nRATE=100\n",
	"apps/old/d.yaml":             "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: old}\nspec:\n  replicas: 2\n",
}

// What is asked for is answered with where it comes from, and what was mistyped with what is like it.
func TestWhatIsSaidOfAFleet(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, fleet)
	const api, settings, app = "apps/v1/Deployment/shop/api", "/v1/ConfigMap/shop/settings", "spec.template.spec.containers[name=app]"
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"an excluded folder":     {[]string{"locate", "apps/v1/Deployment/shop/old", "spec.replicas"}, 0, "beware: ApplicationSet argocd/apps (under set.yaml) excludes apps/old: "},
		"an edit of it":          {[]string{"edit", "apps/v1/Deployment/shop/old", "spec.replicas", "--set", "3"}, 0, "# beware: ApplicationSet argocd/apps (under set.yaml) excludes apps/old: "},
		"a literal":              {[]string{"locate", settings, "data.LEVEL"}, 0, "apps/api/kustomization.yaml:5:14 info\n"},
		"an edit of a literal":   {[]string{"edit", settings, "data.LEVEL", "--set", "debug", "--render"}, 0, "+  literals: [LEVEL=debug]\n"},
		"a line of a file":       {[]string{"locate", settings, "data.RATE"}, 0, "apps/api/limits.env:2:6 100\n"},
		"an edit of a line":      {[]string{"edit", settings, "data.RATE", "--set", "200"}, 0, "+RATE=200\n"},
		"a whole file":           {[]string{"locate", settings, "data['app.ini']"}, 3, "refused (generated): the value is all of the file apps/api/app.ini, which apps/api/kustomization.yaml makes a ConfigMap of"},
		"a secret":               {[]string{"locate", "/v1/Secret/shop/key", "data.token"}, 3, "apps/api/kustomization.yaml generates the Secret"},
		"a name without a hash":  {[]string{"locate", "/v1/ConfigMap/shop/hashed", "data.LEVEL"}, 3, "; did you mean /v1/ConfigMap/shop/hashed-"},
		"a field that is absent": {[]string{"edit", api, "spec.paused", "--set", "true"}, 0, "# Deployment api has no spec.paused\n"},
		"one Application":        {[]string{"locate", api, "spec.replicas"}, 0, "makes 1 Application\n"},
		"a name":                 {[]string{"locate", "apps/v1/Deployment/shop/apj", "spec.replicas"}, 3, "; did you mean apps/v1/Deployment/shop/api?\n"},
		"a namespace":            {[]string{"locate", "apps/v1/Deployment/shp/api", "spec.replicas"}, 3, "; did you mean apps/v1/Deployment/shop/api?\n"},
		"another namespace":      {[]string{"edit", "apps/v1/Deployment/default/api", "spec.replicas", "--set", "3"}, 3, "; did you mean apps/v1/Deployment/shop/api?\n"},
		"a kind":                 {[]string{"locate", "apps/v1/deployment/shop/api", "spec.replicas"}, 3, "; did you mean apps/v1/Deployment/shop/api?\n"},
		"a container":            {[]string{"locate", api, "spec.template.spec.containers[name=ap].image"}, 3, "; did you mean " + app + "?\n"},
		"a field":                {[]string{"locate", api, app + ".imgae"}, 3, "; did you mean " + app + ".image?\n"},
		"a field to scale":       {[]string{"edit", api, "spec.replica", "--scale-quantity", "2"}, 3, "; did you mean spec.replicas?\n"},
		"a field to add":         {[]string{"edit", api, "spec.replica", "--set", "3"}, 3, "; did you mean spec.replicas?\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"gitops", c.args[0], "--repo", dir, "--resource", c.args[1], "--field", c.args[2]}, c.args[3:]...)
			out, errs, code := ran(t, args...)
			if code != c.code || !strings.Contains(out+errs, c.says) || strings.Contains(out+errs, "hunter") || strings.Contains(out+errs, "aHVudGVy") {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
		})
	}
}

// An element of a list is not overridden by another one, and a container's field not by its neighbour's.
func TestOnlyTheSameElementIsOverridden(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: root, namespace: argocd}\nspec:\n  source: {repoURL: https://github.com/shop/fleet, path: sets}\n  destination: {name: in-cluster, namespace: argocd}\n",
		"sets/set.yaml": fleet["set.yaml"], "apps/api/d.yaml": fleet["apps/api/d.yaml"] + "        - name: log\n          image: log:2\n", "apps/old/d.yaml": nameless}
	dir, _ := gitTree(t, files)
	for resource, field := range map[string]string{
		"argoproj.io/v1alpha1/ApplicationSet/argocd/apps": "spec.generators[0].git.directories[0].path",
		"apps/v1/Deployment/shop/api":                     "spec.template.spec.containers[name=app].image",
	} {
		out, errs, code := ran(t, "gitops", "locate", "--repo", dir, "--resource", resource, "--field", field)
		if code != 0 || strings.Contains(out, "overridden") {
			t.Errorf("%s: exit %d\n%s%s", field, code, out, errs)
		}
	}
}
