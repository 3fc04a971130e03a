package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram makes the test's own binary the program, so that exit codes and streams are those of a process.
const asProgram = "CORTEXOPS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || len(os.Args) == 2 && os.Args[1] == renderChart { // which starts with an empty environment
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ran is the program run with the arguments.
func ran(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

var shopFiles = map[string]string{
	"base/kustomization.yaml": "resources: [checkout.yaml, view.yaml]\n",
	"base/checkout.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  annotations:
    example.com/a.b: "x"
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: app # ours
          image: shop/checkout:1.4.0
          resources:
            limits: {cpu: 500m}
---
apiVersion: v1
kind: Service
metadata: {name: checkout}
spec: {ports: [{port: 80}]}
`,
	"base/view.yaml":                      "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: view\n  labels:\n    a: b\n",
	"overlays/prod/kustomization.yaml":    "namespace: shop\r\nresources:\r\n- ../../base\r\npatches:\r\n- path: limit.yaml\r\nimages:\r\n- name: shop/checkout\r\n  newTag: 1.4.2 # the one\r\n",
	"overlays/prod/limit.yaml":            "\ufeffapiVersion: apps/v1\r\nkind: Deployment\r\nmetadata:\r\n  name: checkout\r\nspec:\r\n  template:\r\n    spec:\r\n      containers:\r\n      - name: app\r\n        resources:\r\n          limits:\r\n            memory: 512Mi # measured",
	"overlays/staging/kustomization.yaml": "namespace: shop-staging\nresources:\n- ../../base\n",
}

// shopTree is the repository in git, and what git says of it.
func shopTree(t *testing.T) (dir string, git func(stdin string, args ...string) string) {
	t.Helper()
	return gitTree(t, shopFiles)
}

func gitTree(t *testing.T, files map[string]string) (dir string, git func(stdin string, args ...string) string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	git = func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "core.autocrlf=false", "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s\n%s", args, err, out, stdin)
		}
		return string(out)
	}
	git("", "init", "-q")
	git("", "add", "-A")
	git("", "commit", "-q", "-m", "shop")
	return dir, git
}

const (
	prod         = "apps/v1/Deployment/shop/checkout"
	limitOfApp   = "spec.template.spec.containers[name=app].resources.limits.memory"
	requestOfApp = "spec.template.spec.containers[name=app].resources.requests.memory"
)

func TestLocateSaysWhere(t *testing.T) {
	t.Parallel()
	dir, _ := shopTree(t)
	for name, c := range map[string]struct {
		args  []string
		first string
	}{
		"in a patch":       {[]string{"--resource", prod, "--field", limitOfApp}, "overlays/prod/limit.yaml:12:21 512Mi"},
		"an images: entry": {[]string{"--path", "overlays/prod", "--resource", prod, "--field", "spec.template.spec.containers[name=app].image"}, "overlays/prod/kustomization.yaml:8:11 shop/checkout:1.4.2"},
		"a key with dots":  {[]string{"--path", "overlays/staging", "--resource", "apps/v1/Deployment/shop-staging/checkout", "--field", "metadata.annotations['example.com/a.b']"}, "base/checkout.yaml:6:22 x"},
		"the core group":   {[]string{"--path", filepath.Join(dir, "overlays/staging"), "--resource", "/v1/Service/shop-staging/checkout", "--field", "spec.ports[0].port"}, "base/checkout.yaml:20:23 80"},
		"cluster-scoped":   {[]string{"--path", "overlays/staging", "--resource", "rbac.authorization.k8s.io/v1/ClusterRole//view", "--field", "metadata.labels.a"}, "base/view.yaml:6:8 b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"gitops", "locate", "--repo", dir}, c.args...)
			out, errs, code := ran(t, args...)
			first, chain, _ := strings.Cut(out, "\n")
			if code != 0 || first != c.first || !strings.Contains(chain, "renders") || errs != "" {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			out, _, code = ran(t, append(args, "--output", "json")...)
			var place Place
			if err := json.Unmarshal([]byte(out), &place); err != nil || code != 0 || !strings.HasPrefix(c.first, place.File+":") ||
				!strings.HasSuffix(c.first, " "+place.Value) || place.Line == 0 || place.Column == 0 || len(place.Chain) == 0 {
				t.Errorf("exit %d, %v\n%s", code, err, out)
			}
		})
	}
}

func TestGitopsRefusesAndSaysWhy(t *testing.T) {
	t.Parallel()
	dir, _ := shopTree(t)
	outside := filepath.Join(t.TempDir(), "secret.yaml")
	if err := errors.Join(os.WriteFile(outside, []byte("a: b\n"), 0o600), os.Mkdir(filepath.Join(dir, "links"), 0o755),
		os.WriteFile(filepath.Join(dir, "links/kustomization.yaml"), []byte("resources: [out.yaml]\n"), 0o644), os.Symlink(outside, filepath.Join(dir, "links/out.yaml")),
		os.Mkdir(filepath.Join(dir, "within"), 0o755), os.Symlink("../base", filepath.Join(dir, "within/folder")), os.Symlink("../base/checkout.yaml", filepath.Join(dir, "within/file.yaml")),
		os.WriteFile(filepath.Join(dir, "within/kustomization.yaml"), []byte("resources: [file.yaml]\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		code   int
		reason string // or a part of what is said
	}{
		"not there":               {[]string{"locate", "--resource", prod, "--field", requestOfApp}, 3, "notFound"},
		"no such object":          {[]string{"locate", "--path", "overlays/prod", "--resource", "apps/v1/Deployment/shop/cart", "--field", limitOfApp}, 3, "notFound"},
		"two answers":             {[]string{"locate", "--resource", "rbac.authorization.k8s.io/v1/ClusterRole//view", "--field", "metadata.labels.a"}, 3, "ambiguous"},
		"a link out":              {[]string{"locate", "--path", "links", "--resource", prod, "--field", limitOfApp}, 3, "outside"},
		"a link within":           {[]string{"edit", "--path", "within", "--resource", "apps/v1/Deployment//checkout", "--field", "spec.replicas", "--set", "3"}, 3, "unsupported"},
		"a link as the path":      {[]string{"edit", "--path", "within/file.yaml", "--resource", "apps/v1/Deployment//checkout", "--field", "spec.replicas", "--set", "3"}, 3, "unsupported"},
		"below a link":            {[]string{"edit", "--path", "within/folder", "--resource", "apps/v1/Deployment//checkout", "--field", "spec.replicas", "--set", "3"}, 3, "unsupported"},
		"no quantity":             {[]string{"edit", "--resource", prod, "--field", "metadata.name", "--scale-quantity", "2"}, 3, "uneditable"},
		"scale what is not there": {[]string{"edit", "--resource", prod, "--field", requestOfApp, "--scale-quantity", "2"}, 3, "notFound"},
		"no field":                {[]string{"locate", "--resource", prod, "--field", ".a"}, 2, "--field"},
		"no resource":             {[]string{"locate", "--resource", "Deployment/checkout", "--field", limitOfApp}, 2, "--resource"},
		"no such folder":          {[]string{"locate", "--repo", dir + "/none", "--resource", prod, "--field", limitOfApp}, 2, "--repo"},
		"a path outside":          {[]string{"locate", "--path", "..", "--resource", prod, "--field", limitOfApp}, 2, "--path"},
		"an argument too many":    {[]string{"locate", "x"}, 2, "too much"},
		"an unknown flag":         {[]string{"locate", "--fild", "x"}, 2, "--fild"},
		"an unknown command":      {[]string{"find"}, 2, "gitops locate or gitops edit"},
		"no wish":                 {[]string{"edit", "--resource", prod, "--field", limitOfApp}, 2, "--set"},
		"two wishes":              {[]string{"edit", "--resource", prod, "--field", limitOfApp, "--set", "1Gi", "--scale-quantity", "2"}, 2, "--set"},
		"a factor of nothing":     {[]string{"edit", "--resource", prod, "--field", limitOfApp, "--scale-quantity", "0"}, 2, "multiplied"},
		"another output":          {[]string{"locate", "--output", "yaml", "--resource", prod, "--field", limitOfApp}, 2, "--output"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"gitops", c.args[0], "--repo", dir}, c.args[1:]...)
			if name == "an unknown command" {
				args = []string{"gitops", "find"}
			}
			out, errs, code := ran(t, args...)
			if code != c.code || out != "" || !strings.Contains(errs, c.reason) {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			if c.code != exitRefused {
				return
			}
			out, _, code = ran(t, append(args, "--output", "json")...)
			var said struct{ Refusal, Why string }
			if err := json.Unmarshal([]byte(out), &said); err != nil || code != 3 || said.Refusal != c.reason || said.Why == "" {
				t.Errorf("exit %d, %v\n%s", code, err, out)
			}
		})
	}
}

// What delivers an object and cannot be rendered is named, and kustomize's warnings of deprecated fields are not heard.
func TestWhatIsOutOfSightIsNamed(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, map[string]string{
		"sync.yaml":               "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {path: ./apps, sourceRef: {kind: GitRepository, name: fleet}}\n",
		"apps/kustomization.yaml": "bases: [../web]\ncommonLabels: {team: shop}\n",
		"web/kustomization.yaml":  "resources: [web.yaml]\n",
		"web/web.yaml":            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n  chartRef: {kind: OCIRepository, name: charts}\n",
	})
	out, errs, code := ran(t, "gitops", "locate", "--repo", dir, "--resource", "apps/v1/Deployment/shop/web", "--field", "spec.replicas")
	if want := "cortexops: refused (remote): Deployment shop/web is in no manifest of the repository; HelmRelease shop/web may make it, and cannot be rendered: HelmRelease shop/web takes its chart from OCIRepository shop/charts, which is not in the repository\n"; code != exitRefused || out != "" || errs != want {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	out, errs, code = ran(t, "gitops", "edit", "--repo", dir, "--resource", "helm.toolkit.fluxcd.io/v2/HelmRelease/shop/web", "--field", "spec.suspend", "--set", "true")
	if code != 0 || errs != "" || !strings.Contains(out, "+  suspend: true\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
