package remediation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Cluster is the API server, asked under the worker's own identity.
type Cluster interface {
	DryRun(ctx context.Context, object []byte) (delivery.Change, error)
	Preview(ctx context.Context, before, after []byte) (delivery.Change, error)
	Apply(ctx context.Context, object []byte) error
	Wait(ctx context.Context, refs []delivery.Ref, progress func(string)) error
}

// DryRunner is the activity of DRY_RUNNING.
type DryRunner struct {
	Book    Book
	Cluster Cluster
}

// DryRunInput is what DryRun is asked.
type DryRunInput struct {
	Key      incident.Key `json:"key"`
	Proposal string       `json:"proposal"`
	Step     string       `json:"step,omitempty"` // names the row in the ledger; empty, of an older workflow: dry-run
}

// rehearsed is its row.
type rehearsed struct {
	DryRun   string `json:"dryRun"` // digest
	Proposal string `json:"proposal"`
}

// DryRun asks the API server what it would store, and returns the digest of the answer's blob.
func (d *DryRunner) DryRun(ctx context.Context, in DryRunInput) (string, error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, d.Book, in.Proposal)
	if err != nil {
		return "", err
	}
	var seen incident.DryRun
	for _, o := range proposal.Objects {
		i := slices.IndexFunc(proposal.Before, func(b incident.RenderedObject) bool { return b.Resource.Key() == o.Resource.Key() })
		if i < 0 {
			return "", fmt.Errorf("the proposal does not say what %s was before", o.Resource)
		}
		change, err := d.Cluster.Preview(ctx, proposal.Before[i].JSON, o.JSON)
		if err != nil {
			return "", classify(err)
		}
		seen.By = change.User
		seen.Objects = append(seen.Objects, incident.ObjectChange{Resource: o.Resource, Diff: change.Diff, DriftDiff: change.DriftDiff,
			Fields: fields(change.Fields, change.Server), Drift: fields(change.Drift, nil)})
	}
	digest, err := put(ctx, d.Book, seen)
	if err != nil {
		return "", err
	}
	row, err := settle(ctx, d.Book, in.Key, incident.DryRunning, cmp.Or(in.Step, "dry-run"), seen.By, rehearsed{digest, in.Proposal}, nil)
	if row.Proposal != in.Proposal { // of something else, before each had a row of its own
		return digest, err
	}
	return row.DryRun, err
}

// fields are the fields; those that are in server too are the server's.
func fields(list, server []delivery.Field) []incident.FieldChange {
	var out []incident.FieldChange
	for _, f := range list {
		out = append(out, incident.FieldChange{Field: f.Path, From: f.From, To: f.To, Server: slices.Contains(server, f)})
	}
	return out
}
