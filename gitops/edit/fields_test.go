package edit

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const app = "spec.template.spec.containers[name=app]"

func TestFields(t *testing.T) {
	t.Parallel()
	hpa := Selector{"autoscaling", "HorizontalPodAutoscaler", "shop", "checkout"}
	three, nine := 3, 9
	for name, c := range map[string]struct {
		diff string
		do   func([]byte) ([]byte, error)
	}{
		"replicas": {"\n spec:\n-  replicas: 2 # two zones\n+  replicas: 3 # two zones\n   paused: false\n",
			func(src []byte) ([]byte, error) { return Replicas("a.yaml", src, checkout, 3) }},
		"replicas that are not there": {"\n spec:\n   paused: false\n+  replicas: 3\n   # the end\n",
			func(src []byte) ([]byte, error) { return Replicas("a.yaml", src, checkout, 3) }},
		"an annotation": {"\n spec:\n   template:\n     metadata:\n       annotations:\n-        example.com/at: \"1\"\n+        example.com/at: \"2\"\n",
			func(src []byte) ([]byte, error) {
				return Annotate("a.yaml", src, checkout, mustPath(t, "spec.template.metadata"), "example.com/at", "2")
			}},
		"the first annotation": {"\n spec:\n   template:\n     metadata:\n       labels: {a: b}\n+      annotations:\n+        example.com/at: \"2\"\n     spec: {}\n",
			func(src []byte) ([]byte, error) {
				return Annotate("a.yaml", src, checkout, mustPath(t, "spec.template.metadata"), "example.com/at", "2")
			}},
		"a variable": {"\n spec:\n   template:\n     spec:\n       containers:\n       - name: app\n         env:\n         - name: A\n-          value: debug # loud\n+          value: info # loud\n         - {name: B, value: x}\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "A", "info")
			}},
		"a variable that would read as a number": {"\n spec:\n   template:\n     spec:\n       containers:\n       - name: app\n         env:\n-        - {name: A, value: x}\n+        - {name: A, value: \"1\"}\n",
			func(src []byte) ([]byte, error) { return SetEnv("a.yaml", src, checkout, mustPath(t, app), "A", "1") }},
		"one more variable": {"\n spec:\n   template:\n     spec:\n       containers:\n       - name: app\n         env:\n         - name: A\n           value: x\n+        - name: B\n+          value: \"1\"\n         # the last\n         image: i\n",
			func(src []byte) ([]byte, error) { return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "1") }},
		"one more variable in flow": {"\n-spec: {template: {spec: {containers: [{name: app, env: [{name: A, value: x}]}]}}}\n+spec: {template: {spec: {containers: [{name: app, env: [{name: A, value: x}, {name: B, value: on.1}]}]}}}\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "on.1")
			}},
		"the first variable": {"\n spec:\n   template:\n     spec:\n       containers:\n       - name: app\n         image: i\n+        env:\n+        - name: B\n+          value: on.1\n       - name: other\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "on.1")
			}},
		"the first variable of an empty list": {"\n spec:\n   template:\n     spec:\n       containers:\n         - name: app\n-          env: []\n+          env: [{name: B, value: on.1}]\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "on.1")
			}},
		"the first variable of nothing": {"\n spec:\n   template:\n     spec:\n       containers:\n         - name: app\n           env:\n+            - name: B\n+              value: on.1\n           image: i\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "on.1")
			}},
		"a variable without a value": {"\n spec:\n   template:\n     spec:\n       containers:\n       - name: app\n         env:\n         - name: B\n+          value: on.1\n",
			func(src []byte) ([]byte, error) {
				return SetEnv("a.yaml", src, checkout, mustPath(t, app), "B", "on.1")
			}},
		"null": {"\n spec:\n-  replicas:\n+  replicas: 3\n   paused: false\n",
			func(src []byte) ([]byte, error) { return Replicas("a.yaml", src, checkout, 3) }},
		"into an empty mapping": {"\n-spec: {}\n+spec: {replicas: 3}\n",
			func(src []byte) ([]byte, error) { return Replicas("a.yaml", src, checkout, 3) }},
		"suspend": {"\n---\n apiVersion: batch/v1\n kind: CronJob\n metadata: {name: j}\n spec:\n   schedule: '* * * * *'\n+  suspend: true\n",
			func(src []byte) ([]byte, error) {
				return Suspend("a.yaml", src, Selector{"batch", "CronJob", "", "j"}, true)
			}},
		"resume": {"\n---\n apiVersion: kustomize.toolkit.fluxcd.io/v1\n kind: Kustomization\n metadata: {name: j}\n spec:\n-  suspend: true\n+  suspend: false\n   prune: true\n",
			func(src []byte) ([]byte, error) {
				return Suspend("a.yaml", src, Selector{"kustomize.toolkit.fluxcd.io", "Kustomization", "", "j"}, false)
			}},
		"bounds": {"\n---\n apiVersion: autoscaling/v2\n kind: HorizontalPodAutoscaler\n metadata: {name: checkout}\n spec:\n-  minReplicas: 2\n-  maxReplicas: 4\n+  minReplicas: 3\n+  maxReplicas: 9\n   metrics: []\n",
			func(src []byte) ([]byte, error) { return Bounds("a.yaml", src, hpa, &three, &nine) }},
		"one bound": {"\n---\n apiVersion: autoscaling/v2\n kind: HorizontalPodAutoscaler\n metadata: {name: checkout}\n spec:\n   maxReplicas: 4\n+  minReplicas: 3\n",
			func(src []byte) ([]byte, error) { return Bounds("a.yaml", src, hpa, &three, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff := c.diff
			if strings.HasPrefix(diff, "\n---\n") {
				diff = "\n " + diff[1:]
			}
			edited(t, diff, c.do)
		})
	}
}

func TestFieldsRefuse(t *testing.T) {
	t.Parallel()
	const hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout}\nspec: {minReplicas: 2, maxReplicas: 4}\n"
	scaler := Selector{"autoscaling", "HorizontalPodAutoscaler", "", "checkout"}
	five, none := 5, 0
	from := head + "spec: {template: {spec: {containers: [{name: app, env: [{name: A, valueFrom: {}}]}]}}}\n"
	for name, do := range map[string]func() ([]byte, error){
		"a variable from elsewhere": func() ([]byte, error) { return SetEnv("a.yaml", []byte(from), checkout, mustPath(t, app), "A", "x") },
		"no name":                   func() ([]byte, error) { return SetEnv("a.yaml", []byte(from), checkout, mustPath(t, app), "A=B", "x") },
		"a template":                func() ([]byte, error) { return SetEnv("a.yaml", []byte(from), checkout, mustPath(t, app), "B", "${x}") },
		"no container":              func() ([]byte, error) { return SetEnv("a.yaml", []byte(head), checkout, mustPath(t, app), "B", "x") },
		"min above max":             func() ([]byte, error) { return Bounds("a.yaml", []byte(hpa), scaler, &five, nil) },
		"none":                      func() ([]byte, error) { return Bounds("a.yaml", []byte(hpa), scaler, &none, nil) },
		"no autoscaler":             func() ([]byte, error) { return Bounds("a.yaml", []byte(head), checkout, &five, nil) },
		"suspend a Deployment":      func() ([]byte, error) { return Suspend("a.yaml", []byte(head), checkout, true) },
		"negative":                  func() ([]byte, error) { return Replicas("a.yaml", []byte(head), checkout, -1) },
		"a float":                   func() ([]byte, error) { return Put("a.yaml", []byte(head), checkout, mustPath(t, "spec.x"), 1.5) },
	} {
		if out, err := do(); err == nil || out != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	var r *Refusal
	if _, err := SetEnv("a.yaml", []byte(from), checkout, mustPath(t, app), "A", "x"); !errors.As(err, &r) || r.Line != 5 || r.Column != 78 {
		t.Errorf("%+v", r)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	const a, b = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	for _, c := range []struct{ current, tag, digest, want string }{
		{"nginx", "1.2", "", "nginx:1.2"},
		{"nginx:1.1", "1.2", "", "nginx:1.2"},
		{"registry:5000/nginx", "1.2", "", "registry:5000/nginx:1.2"},
		{"registry:5000/shop/nginx:1.1", "", a, "registry:5000/shop/nginx@" + a},
		{"nginx:1.1@" + a, "1.2", b, "nginx:1.2@" + b},
		{"nginx@" + a, "", b, "nginx@" + b},
		{"nginx@" + a, "1.2", "", ""},
		{"nginx", "", "", ""},
		{"nginx", "1 2", "", ""},
		{"nginx", "", "sha256:1", ""},
		{"", "1", "", ""},
		{"ng inx", "1", "", ""},
	} {
		got, err := Image(c.current, c.tag, c.digest)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q %q %q: %q, %v", c.current, c.tag, c.digest, got, err)
		}
	}
}

func TestAutoscales(t *testing.T) {
	t.Parallel()
	const hpa = "kind: HorizontalPodAutoscaler\nmetadata: {name: x, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}}\n"
	for old, want := range map[string]bool{"": true, "shop": false, "apps/v1": false, "Deployment": false, "checkout": false, "HorizontalPodAutoscaler": false} {
		var v any
		src := hpa
		if old != "" {
			src = strings.Replace(hpa, old, "other/x", 1)
		}
		if err := yaml.Unmarshal([]byte(src), &v); err != nil {
			t.Fatal(err)
		}
		if Autoscales(v, checkout) != want {
			t.Errorf("without %q: %v", old, !want)
		}
	}
}
