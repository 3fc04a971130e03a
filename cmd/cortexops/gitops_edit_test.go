package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What edit prints, git applies; and it is the one line that a person would have changed.
func TestEditIsADiffThatGitApplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args      []string
		file      string
		old, new_ string
	}{
		"set":                     {[]string{"--field", limitOfApp, "--set", "1Gi"}, "overlays/prod/limit.yaml", "512Mi", "1Gi"},
		"scale":                   {[]string{"--field", limitOfApp, "--scale-quantity", "1.5", "--max", "700Mi"}, "overlays/prod/limit.yaml", "512Mi", "700Mi"},
		"a tag":                   {[]string{"--field", "spec.template.spec.containers[name=app].image", "--image-tag", "1.5.0"}, "overlays/prod/kustomization.yaml", "1.4.2", "1.5.0"},
		"what only the base sets": {[]string{"--field", "spec.replicas", "--set", "3"}, "", "", ""},
		"what nothing sets":       {[]string{"--field", requestOfApp, "--set", "128Mi"}, "", "", ""},
		"a boolean":               {[]string{"--field", "spec.paused", "--set", "true"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, git := shopTree(t)
			args := append([]string{"gitops", "edit", "--repo", dir, "--resource", prod, "--render"}, c.args...)
			out, errs, code := ran(t, args...)
			if code != 0 || errs != "" || !strings.Contains(out, "# everything else is rendered byte-identical\n") {
				t.Fatalf("exit %d\n%s%s", code, out, errs)
			}
			git(out, "apply", "--check", "-")
			git(out, "apply", "-")
			if stat := git("", "-c", "core.quotePath=false", "diff", "--numstat"); c.file != "" && stat != "1\t1\t"+c.file+"\n" {
				t.Errorf("it changes %s", stat)
			}
			if c.file != "" {
				got, err := os.ReadFile(filepath.Join(dir, c.file))
				if want := strings.Replace(shopFiles[c.file], c.old, c.new_, 1); err != nil || string(got) != want {
					t.Errorf("%v\n%q\nwant\n%q", err, got, want)
				}
			}
			for _, base := range []string{"base/checkout.yaml", "base/view.yaml", "overlays/staging/kustomization.yaml"} {
				if got, err := os.ReadFile(filepath.Join(dir, base)); err != nil || string(got) != shopFiles[base] {
					t.Errorf("%s, which staging reads, is changed: %v\n%s", base, err, got)
				}
			}
			out, errs, code = ran(t, append(args, "--output", "json")...)
			if !strings.Contains(strings.Join(c.args, " "), "--set") { // it is scaled once more
				return
			}
			var again edited
			if err := json.Unmarshal([]byte(out), &again); err != nil || code != 0 || again.Diff != "" || !strings.Contains(errs, "already") {
				t.Errorf("again: exit %d, %v\n%s%s", code, err, out, errs)
			}
		})
	}
}

// What Flux or Argo CD delivers is followed over their own objects: a variable's source, a chart's value.
func TestEditFollowsWhatDelivers(t *testing.T) {
	t.Parallel()
	dir, git := gitTree(t, map[string]string{
		"clusters/prod/apps.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
  postBuild:
    substitute:
      memory: 512Mi # per cluster
`,
		"apps/api.yaml":                        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          resources: {limits: {memory: \"${memory}\"}}\n",
		"charts/web/Chart.yaml":                "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/values.yaml":               "replicas: 1\n",
		"charts/web/templates/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"{{ .Release.Name }}\", namespace: web}\nspec: {replicas: {{ .Values.replicas }}}\n",
		"argo/web.yaml": `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  destination: {namespace: web, server: https://kubernetes.default.svc}
  source:
    repoURL: https://git.example.com/fleet.git
    path: charts/web
    helm:
      valuesObject:
        replicas: 2 # by hand
`,
	})
	for name, c := range map[string]struct{ resource, field, at, set, diff string }{
		"a variable of Flux": {"apps/v1/Deployment/shop/api", limitOfApp, "clusters/prod/apps.yaml:10:15 512Mi", "1Gi", "+      memory: 1Gi # per cluster"},
		"a value of a chart": {"apps/v1/Deployment/web/web", "spec.replicas", "argo/web.yaml:11:19 2", "3", "+        replicas: 3 # by hand"},
	} {
		args := []string{"--repo", dir, "--resource", c.resource, "--field", c.field}
		out, errs, code := ran(t, append([]string{"gitops", "locate"}, args...)...)
		if first, _, _ := strings.Cut(out, "\n"); code != 0 || first != c.at {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
		out, errs, code = ran(t, append([]string{"gitops", "edit", "--set", c.set, "--render"}, args...)...)
		if code != 0 || !strings.Contains(out, c.diff+"\n") || !strings.Contains(out, "# everything else is rendered byte-identical") {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
		git(out, "apply", "--check")
	}
}

func TestEditAsJSON(t *testing.T) {
	t.Parallel()
	dir, git := shopTree(t)
	out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--path", "overlays/prod", "--resource", prod, "--field", limitOfApp, "--set", "1Gi", "--render", "--output", "json")
	var e edited
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || e.Value != "512Mi" || e.To != "1Gi" || e.Line != 12 || e.Overlay != "overlays/prod" ||
		len(e.Rendered) != 1 || e.Rendered[0] != (rendered{"Deployment shop/checkout", limitOfApp, "512Mi", "1Gi"}) {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	git(e.Diff, "apply", "-")
}

// Names that need quotes, files that are new, and files without a last line break are told as git tells them.
func TestDiffIsGits(t *testing.T) {
	t.Parallel()
	before := map[string]string{"with space.yaml": "a: 1\nb: 2\n", "größe \"x\".yaml": "a: 1\r\nb: 2", "same.yaml": "a: 1\n"}
	after := map[string]string{"with space.yaml": "a: 1\nb: 3\n", "größe \"x\".yaml": "a: 1\r\nb: 3", "same.yaml": "a: 1\n", "new/é.yaml": "c: 4\n"}
	dir := t.TempDir()
	for name, text := range before {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string][]byte{}
	for name, text := range after {
		changed[name] = []byte(text)
	}
	made, err := diff(files, changed)
	if err != nil || strings.Contains(made, "same.yaml") {
		t.Fatalf("%v\n%s", err, made)
	}
	cmd := exec.CommandContext(t.Context(), "git", "apply", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(made)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, made)
	}
	for name, want := range after {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%q", name, err, got)
		}
	}
}
