package deployer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

func TestOurs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		commit commit
		want   bool
	}{
		"a push":                      {commit{subject: "cart: 1.9.0"}, false},
		"a merge of a person":         {commit{subject: "Merge pull request #3 from acme/fix-cart", merge: true}, false},
		"our merge":                   {commit{subject: "fix(checkout)", head: "abc", merge: true}, true},
		"our squash":                  {commit{subject: "fix(checkout)", head: "abc"}, true},
		"a person merged ours":        {commit{subject: "Merge pull request #3 from acme/cortexops/0123456789ab-1", merge: true}, true},
		"only words, and not a merge": {commit{subject: "Revert what came from acme/cortexops/0123456789ab-1"}, false},
	} {
		if got := tc.commit.ours(); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// applied records what a deployer would write, as namespace/name=replicas.
type applied struct {
	objects []string
	err     error
}

func (a *applied) Apply(_ context.Context, objects []*unstructured.Unstructured) error {
	if a.err != nil {
		return a.err
	}
	for _, o := range objects {
		n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		a.objects = append(a.objects, fmt.Sprintf("%s/%s=%d", o.GetNamespace(), o.GetName(), n))
	}
	return nil
}

// take returns what was applied since the last call.
func (a *applied) take() string {
	defer func() { a.objects = nil }()
	return strings.Join(a.objects, " ")
}

type world struct {
	*testing.T
	stack   *stack.Stack
	person  *git.Client
	applied *applied
	d       *deployer
	reloads int
}

// newWorld is a repository over which a person pushes and the deployer watches, by real git.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, applied: &applied{}}
	prometheus := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/-/reload" {
			w.reloads++
		}
	}))
	t.Cleanup(prometheus.Close)
	w.stack = &stack.Stack{
		Dir: dir, Forge: stack.Forge{URL: "file://" + dir, Owner: "acme", Repo: "shop"},
		Prometheus: stack.Prometheus{URL: prometheus.URL, Rules: filepath.Join(dir, "rules")},
	}
	w.person = git.As(w.stack, "dana", filepath.Join(dir, "person"))
	for _, sub := range []string{"person", "acme/shop.git"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.git("init", "--quiet", "--bare", filepath.Join(dir, "acme/shop.git"))
	w.git("init", "--quiet")
	w.write("base/kustomization.yaml", "resources: [app.yaml]\n")
	w.replicas(1)
	for env, ns := range map[string]string{"staging": "stage", "production": "prod"} {
		w.write("overlays/"+env+"/kustomization.yaml", "namespace: "+ns+"\nresources: [../../base]\n")
	}
	w.write("monitoring/alerts.yaml", "groups: []\n")
	w.push("first")
	var err error
	if w.d, err = newDeployer(t.Context(), w.stack, w.applied, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) git(args ...string) string {
	w.Helper()
	out, err := w.person.Line(w.Context(), args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) write(name, text string) {
	w.Helper()
	path := filepath.Join(w.person.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *world) replicas(n int) {
	w.Helper()
	w.write("base/app.yaml", fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: %d}\n", n))
}

func (w *world) push(message string) {
	w.Helper()
	w.git("add", "--all")
	w.git("commit", "--quiet", "--allow-empty", "--message", message)
	w.git("push", "--quiet", "--force", git.URL(w.stack), "HEAD:refs/heads/main")
}

func (w *world) sync() {
	w.Helper()
	if err := w.d.sync(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(what, want string) {
	w.Helper()
	if got := w.applied.take(); got != want {
		w.Errorf("%s: applied %q, want %q", what, got, want)
	}
}

func TestDeploysWhatPeoplePush(t *testing.T) {
	w := newWorld(t)
	w.sync()
	w.want("at first", "stage/app=1 prod/app=1")
	w.sync()
	w.want("nothing new", "")

	w.replicas(2)
	w.push("more")
	w.replicas(3)
	w.push("even more")
	w.sync()
	w.want("two pushes", "stage/app=2 prod/app=2 stage/app=3 prod/app=3")

	w.replicas(4)
	w.push("fix(app): more\n\nApproved-by: sam\nCortexops-Head: 1234\n")
	w.sync()
	w.want("CortexOps's merge", "")

	w.push("a person, later")
	w.sync()
	w.want("a person's push after it", "stage/app=4 prod/app=4")
}

func TestMergeCommitOfOurBranchIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.sync()
	w.applied.take()
	w.git("checkout", "--quiet", "-b", "topic")
	w.replicas(5)
	w.git("commit", "--quiet", "--all", "--message", "on a branch")
	w.git("checkout", "--quiet", "main")
	w.git("merge", "--quiet", "--no-ff", "topic", "--message", "Merge pull request #1 from acme/cortexops/0123456789ab-1")
	w.git("push", "--quiet", git.URL(w.stack), "main")
	w.sync()
	w.want("merged by a person", "")
}

func TestTriesAgainFromTheHead(t *testing.T) {
	w := newWorld(t)
	w.sync()
	w.applied.take()
	w.applied.err = errors.New("the API server is away")
	w.replicas(2)
	w.push("not applied")
	if err := w.d.sync(t.Context()); !errors.Is(err, w.applied.err) {
		t.Fatalf("%v, want that the failure is told", err)
	}
	w.replicas(3)
	w.push("ours\n\nCortexops-Head: 1234\n")
	w.applied.err = nil
	w.sync()
	w.want("the head, not the older commit", "stage/app=3 prod/app=3")
	w.sync()
	w.want("done", "")
}

func TestRewrittenHistory(t *testing.T) {
	w := newWorld(t)
	w.push("second")
	w.sync()
	w.applied.take()
	w.git("reset", "--quiet", "--hard", "HEAD~1")
	w.replicas(7)
	w.push("another second")
	w.sync()
	w.want("the new head", "stage/app=7 prod/app=7")
}

func TestRulesReachPrometheus(t *testing.T) {
	w := newWorld(t)
	w.sync()
	w.write("monitoring/more.yaml", "groups: []\n")
	w.push("more rules")
	w.sync()
	w.sync()
	if w.reloads != 2 {
		t.Errorf("%d reloads, want one for each change", w.reloads)
	}
	w.git("rm", "--quiet", "monitoring/alerts.yaml")
	w.push("fewer rules")
	w.sync()
	have, err := filepath.Glob(filepath.Join(w.stack.Prometheus.Rules, "*"))
	if err != nil || !slices.Equal(have, []string{filepath.Join(w.stack.Prometheus.Rules, "more.yaml")}) {
		t.Errorf("rules %v (%v), want more.yaml alone", have, err)
	}
}

func TestBrokenManifestIsTold(t *testing.T) {
	w := newWorld(t)
	w.write("base/app.yaml", "kind: [\n")
	w.push("broken")
	if err := w.d.sync(t.Context()); err == nil || !strings.Contains(err.Error(), "app.yaml") {
		t.Fatalf("%v, want the file's name", err)
	}
}
