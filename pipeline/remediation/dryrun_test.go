package remediation

import (
	"context"
	"slices"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/policies"
)

// previewer is a cluster that remembers what it was shown.
type previewer struct {
	Cluster
	before, after string
}

func (p *previewer) Preview(_ context.Context, before, after []byte) (delivery.Change, error) {
	p.before, p.after = string(before), string(after)
	memory, size := delivery.Field{Path: "memory", From: "1", To: "2"}, delivery.Field{Path: "size", To: "2"}
	return delivery.Change{User: "worker", Fields: []delivery.Field{memory, size}, Server: []delivery.Field{size},
		Drift: []delivery.Field{{Path: "paused", From: "true"}, {Path: "memory", From: "0", To: "1"}}}, nil
}

// The dry-run tells the edit, what the API server adds and the drift apart; policy counts all that no edit asked for.
func TestDryRunTellsTheEditApart(t *testing.T) {
	t.Parallel()
	r := incident.Resource{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	p := incident.Proposal{Edits: []incident.Edit{{Resource: r, Field: "memory"}}, Before: []incident.RenderedObject{incident.Rendered(r, []byte("b"))},
		Objects: []incident.RenderedObject{incident.Rendered(r, []byte("a"))}}
	book, cluster := &pages{}, &previewer{}
	digest, err := put(t.Context(), book, p)
	if err != nil {
		t.Fatal(err)
	}
	d := &DryRunner{Book: book, Cluster: cluster}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(d.DryRun)
	answer, err := env.ExecuteActivity(d.DryRun, DryRunInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest})
	if err != nil || cluster.before != "b" || cluster.after != "a" {
		t.Fatalf("%v, %+v", err, cluster)
	}
	if err := answer.Get(&digest); err != nil {
		t.Fatal(err)
	}
	seen, err := get[incident.DryRun](t.Context(), book, digest)
	if err != nil || len(seen.Objects) != 1 || seen.Objects[0].Fields[0].Server || !seen.Objects[0].Fields[1].Server || len(seen.Objects[0].Drift) != 2 {
		t.Fatalf("%+v, %v", seen, err)
	}
	asked := dryRunInput(p, seen)
	want := []policies.Field{{Object: object(r), Field: "memory", From: "0", To: "2"}, {Object: object(r), Field: "size", To: "2"}, {Object: object(r), Field: "paused", From: "true"}}
	if asked.FieldsOutsideEdit != 2 || !slices.Equal(asked.Fields, want) {
		t.Errorf("policy is asked about %+v", asked)
	}
}

func TestLongDiffsGoOnInComments(t *testing.T) {
	t.Parallel()
	book, outside := &pages{}, &oneForge{Pull: forge.Pull{Number: 7}}
	proposal, err := put(t.Context(), book, incident.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	dry, err := put(t.Context(), book, incident.DryRun{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Proposer{Book: book, Repo: gitless{}, Forge: outside, Writer: words{}}
	for in, want := range map[string]int{dry: 2, "": 0} {
		outside.wrote = nil
		if _, err := p.Announce(t.Context(), AnnounceInput{Proposal: proposal, DryRun: in, Change: incident.Change{Number: 7}}); err != nil {
			t.Fatal(err)
		}
		comments := 0
		for _, what := range outside.wrote {
			if what == "comment" {
				comments++
			}
		}
		if comments != want {
			t.Errorf("%d comments, want %d", comments, want)
		}
	}
}
