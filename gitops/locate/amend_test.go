package locate

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

const amendable = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
spec:
  template:
    spec:
      containers:
        - name: app # ours
          image: shop/api:1
          env:
            - name: LOG_LEVEL
              value: info
`

func strategic(patch string) Change {
	return func(file string, src []byte, object edit.Selector) ([]byte, error) {
		return edit.Patch(file, src, object, []byte(patch))
	}
}

func removal(field string) Change {
	return func(file string, src []byte, object edit.Selector) ([]byte, error) {
		p, err := edit.ParsePath(field)
		if err != nil {
			return nil, err
		}
		return edit.Remove(file, src, object, p)
	}
}

func operations(patch string) Change {
	return func(file string, src []byte, object edit.Selector) ([]byte, error) {
		return edit.JSON6902(file, src, object, []byte(patch))
	}
}

func TestAmend(t *testing.T) {
	t.Parallel()
	addEnv := strategic("spec: {template: {spec: {containers: [{name: app, env: [{name: CACHE, value: '60'}]}]}}}")
	shared := memory{
		"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": amendable,
		"prod/kustomization.yaml":    "namespace: shop\nresources: [../base]\n",
		"staging/kustomization.yaml": "namespace: shop-staging\nresources: [../base]\n",
	}
	alone := memory{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/api.yaml": amendable}
	patched := memory{
		"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": amendable,
		"prod/kustomization.yaml":    "namespace: shop\nresources: [../base]\npatches: [{path: api.yaml}]\n",
		"prod/api.yaml":              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  paused: true\n",
		"staging/kustomization.yaml": "namespace: shop-staging\nresources: [../base]\n",
	}
	plain := memory{"prod/api.yaml": strings.Replace(amendable, "name: api", "name: api\n  namespace: shop", 1)}
	for name, c := range map[string]struct {
		files  memory
		change Change
		base   bool
		at     string   // file and line
		fields []string // that change
		text   string   // that the file has then
	}{
		"the resource that is ours alone": {alone, addEnv, false, "prod/api.yaml:14",
			[]string{"env[name=CACHE].name", "env[name=CACHE].value"}, "              value: info\n            - name: CACHE\n              value: '60'\n"},
		"plain manifests": {plain, addEnv, false, "prod/api.yaml:15", []string{"env[name=CACHE].name", "env[name=CACHE].value"}, "- name: CACHE\n"},
		"a new patch beside a shared base": {shared, addEnv, false, "prod/api-deployment-patch.yaml:1",
			[]string{"env[name=CACHE].name", "env[name=CACHE].value"}, "path: /spec/template/spec/containers/0/env/-\n"}, // a strategic one would put it first
		"a limit beside a shared base": {shared, strategic("spec: {template: {spec: {containers: [{name: app, resources: {limits: {memory: 1Gi}}}]}}}"), false, "prod/api-deployment-patch.yaml:1",
			[]string{"resources.limits.memory"}, "        - name: app\n          resources:\n            limits:\n              memory: 1Gi\n"},
		"the base itself":       {shared, addEnv, true, "base/api.yaml:14", []string{"env[name=CACHE].name", "env[name=CACHE].value"}, "- name: CACHE\n"},
		"a patch that is there": {patched, removal("spec.paused"), false, "prod/api.yaml:4", []string{"spec.paused"}, "spec: {}\n"},
		"a removal from a shared base": {shared, removal("spec.template.spec.containers[name=app].env[name=LOG_LEVEL]"), false, "prod/api-deployment-patch.yaml:1",
			[]string{"env[name=LOG_LEVEL].name", "env[name=LOG_LEVEL].value"}, "patch"},
		"a JSON patch": {alone, operations("[{op: test, path: /spec/template/spec/containers/0/name, value: app}, {op: add, path: /spec/paused, value: true}]"), false,
			"prod/api.yaml:14", []string{"spec.paused"}, "  paused: true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overlays := []string{"prod"}
			if _, ok := c.files["staging/kustomization.yaml"]; ok {
				overlays = append(overlays, "staging")
			}
			q := Query{Overlays: overlays, Base: c.base, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}}
			got, err := Amend(c.files, q, c.change)
			if err != nil {
				t.Fatal(err)
			}
			var fields []string
			for _, d := range got.Fields {
				fields = append(fields, strings.TrimPrefix(d.Path, "spec.template.spec.containers[name=app]."))
			}
			if at := got.File + ":" + strconv.Itoa(got.Line); at != c.at || !slices.Equal(fields, c.fields) || !strings.Contains(string(got.Changed[got.File]), c.text) {
				t.Errorf("%s %q\n%s\n%q", at, fields, got.Changed[got.File], got.Chain)
			}
		})
	}
}

func TestAmendRefuses(t *testing.T) {
	t.Parallel()
	two := strings.Replace(amendable, "name: api", "name: api\n  namespace: shop", 1)
	files := memory{"a/api.yaml": two, "b/kustomization.yaml": "resources: [../a/api.yaml]\n"}
	q := Query{Overlays: []string{"a"}, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}}
	for name, c := range map[string]struct {
		files  memory
		q      Query
		change Change
		reason Reason
	}{
		"what is not there":       {files, q, removal("spec.paused"), Uneditable},
		"another unit changes":    {files, Query{Overlays: []string{"a", "b"}, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}}, removal("spec.template"), Ambiguous},
		"no such object":          {files, Query{Overlays: []string{"a"}, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}}, removal("spec.template"), NotFound},
		"outside the given paths": {files, Query{Overlays: []string{"a"}, Paths: []string{"c"}, Object: q.Object}, removal("spec.template"), Outside},
		"a failed test":           {files, q, operations("[{op: test, path: /spec/template/spec/containers/0/name, value: web}]"), Unproven},
	} {
		_, err := Amend(c.files, c.q, c.change)
		var r *Refusal
		if !errors.As(err, &r) || r.Reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := Amend(files, q, strategic("spec: {template: {spec: {containers: [{name: app, image: 'shop/api:1'}]}}}")); err != nil || len(got.Fields) != 0 || got.Changed != nil {
		t.Errorf("a change of nothing: %+v %v", got, err)
	}
}
