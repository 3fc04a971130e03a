package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// pages is a ledger in memory.
type pages struct {
	rows  []incident.Entry
	blobs map[string][]byte
}

func (p *pages) Append(_ context.Context, e incident.Entry) (bool, error) {
	if slices.ContainsFunc(p.rows, func(o incident.Entry) bool { return o.Step == e.Step && o.Kind == e.Kind }) {
		return false, nil
	}
	p.rows = append(p.rows, e)
	return true, nil
}

func (p *pages) Entries(context.Context, string) ([]incident.Entry, error) { return p.rows, nil }

func (p *pages) PutBlob(_ context.Context, data []byte) (string, error) {
	if p.blobs == nil {
		p.blobs = map[string][]byte{}
	}
	digest := incident.Digest(string(data))
	p.blobs[digest] = data
	return digest, nil
}

func (p *pages) Blob(_ context.Context, digest string) ([]byte, error) {
	if data, ok := p.blobs[digest]; ok {
		return data, nil
	}
	return nil, errors.New("no such blob")
}

func (p *pages) has(step string, kind incident.EntryKind) bool {
	return slices.ContainsFunc(p.rows, func(e incident.Entry) bool { return e.Step == step && e.Kind == kind })
}

// line is a mirror whose snapshots are told apart by their commit alone.
type line struct {
	Mirror
	head  string
	asked *string
}

func (l line) Fetch(context.Context) error { return nil }
func (l line) Head(string) (string, error) { return l.head, nil }
func (l line) Snapshot(sha string) (*repo.Snapshot, error) {
	*l.asked = sha
	return nil, nil
}

// server is a cluster that remembers what was applied to it.
type server struct {
	Cluster
	inSync  bool
	applied []string
}

func (s *server) DryRun(context.Context, []byte) (delivery.Change, error) {
	return delivery.Change{InSync: s.inSync}, nil
}

func (s *server) Apply(_ context.Context, object []byte) error {
	s.applied = append(s.applied, string(object))
	return nil
}

// TestApplyThatComesLate must not undo what was merged after it: both the merge and the head have to render what was approved.
func TestApplyThatComesLate(t *testing.T) {
	t.Parallel()
	const approved, other = `{"memory":"96Mi"}`, `{"memory":"128Mi"}`
	r := incident.Resource{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	for name, c := range map[string]struct {
		merge, head string // what they render
		inSync      bool
		applied     bool
		kind        string // of the error
	}{
		"in time":                     {approved, approved, false, true, ""},
		"applied before a crash":      {approved, approved, true, false, ""},
		"a newer merge went over it":  {approved, other, false, false, "Mismatch"},
		"the merge is something else": {other, other, false, false, "Mismatch"},
		"it is not rendered at all":   {"", "", false, false, "Mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book, cluster, asked := &pages{}, &server{inSync: c.inSync}, ""
			digest, err := put(t.Context(), book, incident.Proposal{Objects: []incident.RenderedObject{incident.Rendered(r, []byte(approved))}})
			if err != nil {
				t.Fatal(err)
			}
			a := &Applier{Book: book, Repo: line{head: "head", asked: &asked}, Base: "main", Cluster: cluster,
				Render: func(context.Context, locate.Files, string) ([]locate.Object, error) {
					json := map[string]string{"merge": c.merge, "head": c.head}[asked]
					if json == "" {
						return nil, nil
					}
					return []locate.Object{{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, JSON: []byte(json)}}, nil
				}}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a.Apply)
			_, err = env.ExecuteActivity(a.Apply, ApplyInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Merge: "merge"})
			var app *temporal.ApplicationError
			if kind := ""; errors.As(err, &app) {
				if kind = app.Type(); kind != c.kind || !app.NonRetryable() {
					t.Errorf("%v, want %q", err, c.kind)
				}
			} else if err != nil || c.kind != "" {
				t.Errorf("%v, want %q", err, c.kind)
			}
			if (len(cluster.applied) == 1 && cluster.applied[0] == approved) != c.applied || len(cluster.applied) > 1 {
				t.Errorf("applied %q", cluster.applied)
			}
			if done := book.has("apply-0", incident.Done); done != (c.kind == "") {
				t.Errorf("the ledger's done row is there: %v", done)
			}
		})
	}
}

// TestABaseThatMovesUnderAnApproval is told before the merge; one that moves elsewhere is no matter.
func TestABaseThatMovesUnderAnApproval(t *testing.T) {
	t.Parallel()
	r := incident.Resource{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	p := incident.Proposal{Overlay: "prod", Objects: []incident.RenderedObject{incident.Rendered(r, []byte("after and base"))},
		Files: []incident.File{{Path: "prod/patch.yaml", Before: []byte("before"), After: []byte("after")}, {Path: "prod/new.yaml", After: []byte("new")}}}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"elsewhere":          {map[string]string{"prod/patch.yaml": "before", "base.yaml": "base", "other.yaml": "x"}, ""},
		"in the same file":   {map[string]string{"prod/patch.yaml": "theirs", "base.yaml": "base"}, "prod/patch.yaml is not at 0123456789ab as it was"},
		"it is gone":         {map[string]string{"base.yaml": "base"}, "prod/patch.yaml is not at"},
		"the new one exists": {map[string]string{"prod/patch.yaml": "before", "prod/new.yaml": "theirs", "base.yaml": "base"}, "prod/new.yaml is not at"},
		"in its base":        {map[string]string{"prod/patch.yaml": "before", "base.yaml": "another base"}, "would not render what was approved"},
	} {
		files := fstest.MapFS{}
		for path, text := range c.files {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		a := &Applier{Base: "main", Render: func(_ context.Context, files locate.Files, _ string) ([]locate.Object, error) {
			patch, err := files.ReadFile("prod/patch.yaml")
			if err != nil {
				return nil, err
			}
			base, err := files.ReadFile("base.yaml")
			return []locate.Object{{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, JSON: []byte(string(patch) + " and " + string(base))}}, err
		}}
		err := a.still(t.Context(), locate.FromFS(files), "0123456789abcdef", p)
		var app *temporal.ApplicationError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &app) || app.Type() != typeMoved || !app.NonRetryable() || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// halfClosed refuses one of two objects.
type halfClosed struct {
	server
	applied int
}

func (h *halfClosed) DryRun(_ context.Context, object []byte) (delivery.Change, error) {
	if string(object) == `{"n":2}` {
		return delivery.Change{}, &delivery.Forbidden{Rule: "a rule"}
	}
	return delivery.Change{}, nil
}

func (h *halfClosed) Apply(context.Context, []byte) error {
	h.applied++
	return nil
}

// TestNothingIsHalfApplied: what is refused of the second object is known before the first is applied.
func TestNothingIsHalfApplied(t *testing.T) {
	t.Parallel()
	var wanted []incident.RenderedObject
	var rendered []locate.Object
	for name, text := range []string{`{"n":1}`, `{"n":2}`} {
		name := fmt.Sprint(name)
		wanted = append(wanted, incident.Rendered(incident.Resource{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: name}, []byte(text)))
		rendered = append(rendered, locate.Object{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: name, JSON: []byte(text)})
	}
	book, cluster, asked := &pages{}, &halfClosed{}, ""
	digest, err := put(t.Context(), book, incident.Proposal{Objects: wanted})
	if err != nil {
		t.Fatal(err)
	}
	a := &Applier{Book: book, Repo: line{head: "merge", asked: &asked}, Base: "main", Cluster: cluster,
		Render: func(context.Context, locate.Files, string) ([]locate.Object, error) { return rendered, nil }}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.Apply)
	_, err = env.ExecuteActivity(a.Apply, ApplyInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Merge: "merge"})
	if err == nil || cluster.applied != 0 || len(book.rows) != 0 {
		t.Errorf("%v, %d applied, %v", err, cluster.applied, book.rows)
	}
}
