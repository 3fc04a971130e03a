package main

import (
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

// planned runs the activity of PLANNING as the product wires it, on a real repository.
func planned(t *testing.T, url string, overlays []string, inc incident.Incident, began time.Time) (remediation.Planned, incident.Proposal) {
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
	p := &remediation.Planner{Book: book, Claims: loose{}, History: never, Repo: mirror, Base: "main", Make: planning{&plan.Planner{Playbooks: books, Overlays: overlays}},
		Advise: func(context.Context, incident.Incident) incident.Advisory {
			return incident.Advisory{By: "heuristics", Cause: "errors"}
		}}
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
	got, p := planned(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
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
	got, p := planned(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
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
	got, _ := planned(t, url, []string{"prod"}, inc, onset.Add(time.Minute))
	if !strings.Contains(got.Advised, "no playbook fits") || len(got.Suspects) != 2 || got.Suspects[0].Subject != "step 3 <b> @team" {
		t.Fatalf("%+v", got)
	}
	_, blocks := writeup.Writer{}.SlackEnded(incident.Key{}, "Deployment shop/cart", incident.Change{}, incident.Outcome{Phase: incident.Advised, Reason: got.Advised}, got.Suspects)
	if said := string(blocks); !strings.Contains(said, "What changed before") || !strings.Contains(said, "5m before it began, `"+got.Suspects[0].Short()+"` by dana") || strings.Contains(said, "@team") {
		t.Errorf("%s", said)
	}
}
