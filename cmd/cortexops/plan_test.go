package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/plan"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/writeup"
	"github.com/cortexops/cortexops/playbooks"
)

// sheets is a ledger in memory.
type sheets map[string][]byte

func (s sheets) Append(context.Context, incident.Entry) (bool, error) { return true, nil }

func (s sheets) Entries(context.Context, string) ([]incident.Entry, error) { return nil, nil }
func (s sheets) PutBlob(_ context.Context, data []byte) (string, error) {
	digest := incident.Digest(string(data))
	s[digest] = data
	return digest, nil
}

func (s sheets) Blob(_ context.Context, digest string) ([]byte, error) {
	if data, ok := s[digest]; ok {
		return data, nil
	}
	return nil, errors.New("no such blob")
}

// loose holds nothing back.
type loose struct{}

func (loose) Take(_ context.Context, _ string, key incident.Key, _ time.Time) (incident.Key, error) {
	return key, nil
}

func (loose) Release(context.Context, string, incident.Key) error { return nil }

// never was anything tried.
func never(context.Context, string, time.Time) ([]incident.Past, error) { return nil, nil }

// shopHistory is a repository with commits of a day, an hour and ten minutes before the onset, and a bare clone of it.
func shopHistory(t *testing.T, onset time.Time, steps ...map[string]string) (url string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not run: git is not installed")
	}
	dir := t.TempDir()
	run := func(when time.Time, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		date := fmt.Sprintf("%d +0000", when.Unix())
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_AUTHOR_NAME=dana", "GIT_AUTHOR_EMAIL=d@example.com", "GIT_COMMITTER_NAME=dana", "GIT_COMMITTER_EMAIL=d@example.com",
			"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date, "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	run(onset, "init", "-q", "-b", "main")
	before := []time.Duration{96 * time.Hour, time.Hour, 10 * time.Minute, 5 * time.Minute}
	for i, files := range steps {
		for name, text := range files {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		run(onset, "add", "-A")
		run(onset.Add(-before[i]), "commit", "-q", "-m", fmt.Sprintf("step %d <b> @team", i))
	}
	return dir
}

// plannedOn runs the activity of PLANNING as the product wires it, on a real repository.
func plannedOn(t *testing.T, url string, overlays []string, inc incident.Incident, began time.Time, live ...incident.Live) (remediation.Planned, incident.Proposal) {
	t.Helper()
	mirror, err := repo.Open(t.Context(), repo.Options{URL: url, Dir: filepath.Join(t.TempDir(), "mirror")})
	if err != nil {
		t.Fatal(err)
	}
	books, err := playbooks.Load(playbooks.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	book := sheets{}
	data, err := json.Marshal(inc)
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := book.PutBlob(t.Context(), data)
	charts, err := chartRenderer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(charts.Close)
	delivered := ways{overlays, charts}
	p := &remediation.Planner{Book: book, Way: delivered.open, Claims: loose{}, History: never, Repo: mirror, Base: "main", Make: planning{&plan.Planner{Playbooks: books, Overlays: overlays}},
		Advise: func(context.Context, incident.Incident) incident.Advisory {
			return incident.Advisory{By: "heuristics", Cause: "errors"}
		}}
	if len(live) > 0 {
		p.Live = func(_ context.Context, root incident.Resource) incident.Live {
			if root != inc.Root {
				t.Errorf("the cluster is asked about %s", root)
			}
			return live[0]
		}
	}
	var env testsuite.WorkflowTestSuite
	act := env.NewTestActivityEnvironment()
	act.RegisterActivity(p.Plan)
	start := remediation.Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Incident: digest, Target: inc.Root.String()}
	value, err := act.ExecuteActivity(p.Plan, remediation.PlanInput{Start: start, Began: began})
	if err != nil {
		t.Fatal(err)
	}
	var out remediation.Planned
	if err := value.Get(&out); err != nil {
		t.Fatal(err)
	}
	var proposal incident.Proposal
	if out.Proposal != "" {
		if err := json.Unmarshal(book[out.Proposal], &proposal); err != nil {
			t.Fatal(err)
		}
		rendersAsApproved(t, mirror, delivered, proposal)
	}
	return out, proposal
}

func shopAt(tag, pool, other string) map[string]string {
	workload := func(name, tag, pool string) string {
		return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: shop/%[1]s%s\n          env:\n            - {name: POOL, value: %q}\n", name, tag, pool)
	}
	return map[string]string{
		"base/kustomization.yaml": "resources: [cart.yaml, web.yaml]\n", "base/cart.yaml": workload("cart", "", pool), "base/web.yaml": workload("web", ":"+other, "1"),
		"prod/kustomization.yaml": "namespace: shop\nresources: [../base]\nimages:\n  - name: shop/cart\n    newTag: " + tag + "\n",
	}
}

// A bad image is rolled back to the last one that was there for a day, and the pull request names the commit.
func TestPlanningRollsABadImageBack(t *testing.T) {
	t.Parallel()
	onset := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	url := shopHistory(t, onset, shopAt("1.8.0", "10", "1"), shopAt("1.8.9", "10", "1"), shopAt("1.9.0", "10", "1"), shopAt("1.9.0", "10", "2"))
	inc := incident.Incident{ID: "0123456789ab", Onset: onset, Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "cart"},
		Signals: []incident.Signal{{Name: "HttpErrorRatioHigh"}}}
	got, p := plannedOn(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
	if got.Playbook != "roll-back-image" || len(p.Files) != 1 || string(p.Files[0].After) != strings.Replace(string(p.Files[0].Before), "1.9.0", "1.8.0", 1) {
		t.Fatalf("%+v\n%+v", got, p.Edits)
	}
	if len(p.Suspects) != 2 || p.Suspects[0].Subject != "step 2 <b> @team" || p.Suspects[0].Before != 10*time.Minute || p.Suspects[0].Distance != 0 ||
		len(p.Suspects[0].Fields) != 1 || p.Suspects[0].Fields[0] != (incident.FieldChange{Field: "spec.template.spec.containers[name=app].image", From: "shop/cart:1.8.9", To: "shop/cart:1.9.0"}) {
		t.Errorf("suspects: %+v", p.Suspects)
	}
	_, body, _ := writeup.Writer{}.Pull(p, incident.DryRun{}, incident.Decision{}, onset)
	for _, want := range []string{"10m before it began, `" + p.Suspects[0].Short() + "` by dana: “step 2 &lt;b&gt; @\u2060team”, which changed `image: shop/cart:1.8.9 → shop/cart:1.9.0` of `Deployment shop/cart`",
		"git says that shop/cart:1.8.0 was in effect for 3 days, and that "} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
}

// A commit that changed something else of the workload is taken back, and what others did since stays.
func TestPlanningRevertsASuspect(t *testing.T) {
	t.Parallel()
	onset := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	url := shopHistory(t, onset, shopAt("1.8.0", "10", "1"), shopAt("1.8.0", "10", "2"), shopAt("1.8.0", "999", "2"), shopAt("1.8.0", "999", "3"))
	inc := incident.Incident{ID: "0123456789ab", Onset: onset, Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "cart"},
		Signals: []incident.Signal{{Name: "HighErrorRate"}}}
	got, p := plannedOn(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
	if got.Playbook != "revert-suspect" || p.Reverts == nil || p.Reverts.Subject != "step 2 <b> @team" || len(p.Files) != 1 || p.Files[0].Path != "base/cart.yaml" ||
		p.Edits[0].From != "999" || p.Edits[0].To != "10" || p.Edits[0].Line != 11 {
		t.Fatalf("%+v\n%+v", got, p)
	}
	commit := writeup.Writer{}.Commit(p)
	if !strings.Contains(commit, "\nThis reverts commit "+p.Reverts.SHA+".\n") || strings.Contains(commit, "@team") {
		t.Errorf("%s", commit)
	}
}

// An incident that gets no pull request is told what changed before it.
func TestPlanningAdvisesWithSuspects(t *testing.T) {
	t.Parallel()
	onset := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	url := shopHistory(t, onset, shopAt("1.8.0", "10", "1"), shopAt("1.8.0", "10", "2"), shopAt("1.8.0", "999", "2"), shopAt("1.8.0", "7", "2"))
	inc := incident.Incident{ID: "0123456789ab", Onset: onset, Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "cart"},
		Signals: []incident.Signal{{Name: "SomethingElse"}}}
	got, _ := plannedOn(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
	if !strings.Contains(got.Advised, "no playbook fits") || len(got.Suspects) != 2 || got.Suspects[0].Subject != "step 3 <b> @team" {
		t.Fatalf("%+v", got)
	}
	_, blocks := writeup.Writer{}.SlackEnded(incident.Key{}, "Deployment shop/cart", incident.Change{}, incident.Outcome{Phase: incident.Advised, Reason: got.Advised}, got.Suspects)
	if said := string(blocks); !strings.Contains(said, "What changed before") || !strings.Contains(said, "5m before it began, `"+got.Suspects[0].Short()+"` by dana") || strings.Contains(said, "@team") {
		t.Errorf("%s", said)
	}
}

// rendersAsApproved holds what the applier will render of the change to what people are asked to approve.
func rendersAsApproved(t *testing.T, mirror *repo.Repo, delivered ways, p incident.Proposal) {
	t.Helper()
	files, err := mirror.Snapshot(p.BaseSHA)
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string][]byte{}
	for _, f := range p.Files {
		changed[f.Path] = f.After
	}
	for _, want := range p.Objects {
		objects, err := delivered.render(t.Context(), locate.With(files, changed), cmp.Or(want.Overlay, p.Overlay))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, o := range objects {
			r := want.Resource
			found = found || o.Group == r.Group && o.Kind == r.Kind && o.Namespace == r.Namespace && o.Name == r.Name && incident.Rendered(r, o.JSON).Digest == want.Digest
		}
		if !found {
			t.Errorf("%s of %s is not rendered as it is approved", want.Resource, cmp.Or(want.Overlay, p.Overlay))
		}
	}
}

const fluxSync = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: ssh://git@example.com/shop/fleet, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  sourceRef: {kind: GitRepository, name: fleet}
  postBuild: {substitute: {cart_memory: 512Mi}}
`

// What Flux delivers is edited where it comes from: a variable, a release's values.
func TestPlanningFollowsFlux(t *testing.T) {
	t.Parallel()
	onset := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	files := map[string]string{"clusters/prod/sync.yaml": fluxSync,
		"apps/kustomization.yaml": "namespace: shop\nresources: [cart.yaml, web.yaml]\n",
		"apps/cart.yaml":          "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart}\nspec: {template: {spec: {containers: [{name: app, image: shop/cart, resources: {limits: {memory: '${cart_memory}'}}}]}}}\n",
		"apps/web.yaml": `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web}
spec:
  chart: {spec: {chart: charts/web, sourceRef: {kind: GitRepository, name: fleet, namespace: flux-system}}}
  values:
    memory: 256Mi # measured
`,
		"charts/web/Chart.yaml":            "apiVersion: v2\nname: web\nversion: 0.1.0\n",
		"charts/web/values.yaml":           "memory: 128Mi\n",
		"charts/web/templates/deploy.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: app, image: shop/web, resources: {limits: {memory: {{ .Values.memory }} }}}]}}}\n",
	}
	later := map[string]string{"apps/web.yaml": strings.Replace(files["apps/web.yaml"], "256Mi", "300Mi", 1)}
	url := shopHistory(t, onset, files, later)
	for name, want := range map[string]struct{ file, line, from, to, kinds string }{
		"cart": {"clusters/prod/sync.yaml", "  postBuild: {substitute: {cart_memory: 1Gi}}\n", "512Mi", "1Gi", "Deployment"},
		"web":  {"apps/web.yaml", "    memory: 600Mi # measured\n", "300Mi", "600Mi", "HelmRelease"},
	} {
		inc := incident.Incident{ID: "0123456789ab", Onset: onset, Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: name},
			Signals: []incident.Signal{{Name: "ContainerOOMKilled", Container: "app"}}}
		got, p := plannedOn(t, url, []string{"clusters/prod"}, inc, onset.Add(time.Minute))
		if len(p.Files) != 1 || p.Files[0].Path != want.file || !strings.Contains(string(p.Files[0].After), want.line) || p.Edits[0].From != want.from || p.Edits[0].To != want.to ||
			p.Edits[0].Resource.Name != name {
			t.Errorf("%s: %+v\n%+v", name, got, p)
			continue
		}
		var kinds []string
		for _, o := range p.Objects {
			kinds = append(kinds, o.Resource.Kind)
		}
		if strings.Join(kinds, " ") != want.kinds { // what helm-controller makes of a release is not for us to apply
			t.Errorf("%s: %v are applied", name, kinds)
		}
		if name == "web" && (len(p.Suspects) != 1 || p.Suspects[0].Subject != "step 1 <b> @team") {
			t.Errorf("suspects: %+v", p.Suspects)
		}
	}
}

// Where the repository declares two Kustomizations that make the object, the marks of the live one say which did.
func TestPlanningAsksTheLiveObjectWhoDeliversIt(t *testing.T) {
	t.Parallel()
	onset := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	files := map[string]string{}
	for _, color := range []string{"blue", "green"} {
		files["clusters/"+color+".yaml"] = fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\n"+
			"spec: {path: ./apps/%[1]s, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}\n", color)
		files["apps/"+color+"/cart.yaml"] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n" +
			"        - name: app\n          image: shop/cart:1\n          resources: {limits: {memory: 512Mi}}\n"
	}
	url := shopHistory(t, onset, files)
	inc := incident.Incident{ID: "0123456789ab", Onset: onset, Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "cart"},
		Signals: []incident.Signal{{Name: "ContainerOOMKilled", Container: "app"}}}
	for name, c := range map[string]struct {
		live incident.Live
		file string
		why  string
	}{
		"no mark": {incident.Live{}, "", "is rendered by Kustomization flux-system/blue"},
		"a label": {incident.Live{Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "green", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}, "apps/green/cart.yaml", ""},
		"another": {incident.Live{Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "red", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}, "", "which the repository does not declare"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, p := plannedOn(t, url, nil, inc, onset.Add(time.Minute), c.live)
			if c.why != "" && !strings.Contains(got.Advised, c.why) || c.file != "" && (len(p.Files) != 1 || p.Files[0].Path != c.file) {
				t.Errorf("%+v, %+v", got, p.Edits)
			}
		})
	}
}
