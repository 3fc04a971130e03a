package remediation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Adopts is a change of an earlier attempt that a person merged after that had ended, or that it had merged and could not apply.
type Adopts struct {
	Attempt int    `json:"attempt"`
	Number  int    `json:"number"`
	Merge   string `json:"merge"`        // SHA
	By      string `json:"by,omitempty"` // who merged it; empty: the attempt itself went on from it
}

// Adopter is the activity of an attempt that begins with a merge.
type Adopter struct {
	Book    Book
	Entries func(ctx context.Context, id string) ([]incident.Entry, error) // of an incident, in order
	Forge   interface {
		Get(ctx context.Context, number int) (forge.Pull, error)
	}
	Claims     Claims
	Repository Repository
	Tool       string // as the Planner's
}

// Adopted is what Adopt found.
type Adopted struct {
	Planned Planned         `json:"planned"`
	Change  incident.Change `json:"change"`
	By      []string        `json:"by,omitempty"` // who had approved what the attempt itself went on from
}

// Adopt finds the proposal that was merged. One that is not of the commit that we proposed is nobody's to apply.
func (a *Adopter) Adopt(ctx context.Context, in Start) (out Adopted, err error) {
	defer beat(ctx)()
	holder, err := a.Claims.Take(ctx, in.Target, in.Key, time.Now())
	if err != nil {
		return out, err
	}
	if holder != in.Key {
		out.Planned.Holder = &holder
		return out, nil
	}
	pull, err := a.Forge.Get(ctx, in.Adopts.Number)
	if err != nil {
		return out, classify(err)
	}
	out.Change = incident.Change{Repository: a.Repository.Name, Branch: pull.HeadRef, Base: a.Repository.Base, HeadSHA: pull.HeadSHA,
		Number: pull.Number, URL: pull.URL, OpenedAt: pull.CreatedAt}
	if pull.BaseRef != a.Repository.Base {
		return out, temporal.NewNonRetryableApplicationError(fmt.Sprintf("pull request %d was merged into %s, and %s is what is deployed", pull.Number, pull.BaseRef, a.Repository.Base), "Invalid", nil)
	}
	if !pull.Merged || pull.MergeSHA != in.Adopts.Merge {
		return out, temporal.NewNonRetryableApplicationError(fmt.Sprintf("pull request %d is not merged as %s", pull.Number, short(in.Adopts.Merge)), "Invalid", nil)
	}
	rows, err := a.Entries(ctx, in.Key.Incident)
	if err != nil {
		return out, err
	}
	rows = slices.DeleteFunc(rows, func(e incident.Entry) bool { return e.Attempt != in.Adopts.Attempt })
	out.By = approvers(rows)
	digest, err := proposed(rows, incident.Key{Incident: in.Key.Incident, Attempt: in.Adopts.Attempt}, pull.HeadSHA)
	if err != nil {
		return out, err
	}
	proposal, err := get[incident.Proposal](ctx, a.Book, digest)
	if err != nil {
		return out, err
	}
	out.Planned = planned(proposal, digest, a.Tool)
	return out, note(ctx, a.Book, in.Key, incident.Planning, "adopt", incident.Event, cmp.Or(in.Adopts.By, actor), in.Adopts)
}

// approvers are who the attempt's merge rests on: who had approved, or a person who merged.
func approvers(rows []incident.Entry) []string {
	for _, e := range rows {
		ours, theirs := e.Step == "merge" && e.Kind == incident.Done, strings.HasPrefix(e.Step, "approval-merged")
		var said struct {
			By []string `json:"by"`
		}
		if (ours || theirs) && json.Unmarshal(e.Detail, &said) == nil {
			return said.By
		}
	}
	return nil
}

// proposed is the digest of the proposal whose commit this is, by what the ledger says of the attempt.
func proposed(rows []incident.Entry, key incident.Key, sha string) (string, error) {
	plan := ""
	for _, e := range rows {
		n, is := strings.CutPrefix(e.Step, "push-branch")
		var pushed struct {
			SHA      string `json:"sha"`
			Proposal string `json:"proposal"`
		}
		if is && e.Kind == incident.Done && json.Unmarshal(e.Detail, &pushed) == nil && pushed.SHA == sha {
			if pushed.Proposal != "" {
				return pushed.Proposal, nil
			}
			plan = "plan" + n // of before a push said so
		}
	}
	for _, e := range rows {
		var made struct {
			Proposal string `json:"proposal"`
		}
		if plan != "" && e.Step == plan && json.Unmarshal(e.Detail, &made) == nil && made.Proposal != "" {
			return made.Proposal, nil
		}
	}
	return "", temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is no commit that %s proposed: nobody but people can say what it should do", short(sha), key.Workflow()), "Invalid", nil)
}
