package remediation

import (
	"context"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Cluster is the API server, asked under the worker's own identity.
type Cluster interface {
	DryRun(ctx context.Context, object []byte) (delivery.Change, error)
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
		change, err := d.Cluster.DryRun(ctx, o.JSON)
		if err != nil {
			return "", classify(err)
		}
		seen.By = change.User
		object := incident.ObjectChange{Resource: o.Resource, Diff: change.Diff}
		for _, f := range change.Fields {
			object.Fields = append(object.Fields, incident.FieldChange{Field: f.Path, From: f.From, To: f.To})
		}
		seen.Objects = append(seen.Objects, object)
	}
	digest, err := put(ctx, d.Book, seen)
	if err != nil {
		return "", err
	}
	return digest, note(ctx, d.Book, in.Key, incident.DryRunning, "dry-run", incident.Event, seen.By, map[string]string{"dryRun": digest})
}
