package remediation

import (
	"cmp"
	"context"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	mostRivals  = 30  // open pull requests that are looked into: those that something happened to last
	mostPatches = 300 // files of one of them
)

// Rivals looks for open pull requests of others that change what a proposal changes. Whoever opened one decides there. Nil: nobody looks.
type Rivals struct {
	Forge interface {
		Into(ctx context.Context, base string, most int) ([]forge.Pull, error)
		Patches(ctx context.Context, number, most int) ([]forge.Patched, error)
	}
	Base string // the branch that is deployed
	Bot  string // our own login
}

// find is the one that something happened to last, or nil.
func (r *Rivals) find(ctx context.Context, p incident.Proposal) (*incident.Rival, error) {
	if r == nil {
		return nil, nil
	}
	pulls, err := r.Forge.Into(ctx, r.Base, mostRivals)
	if err != nil {
		return nil, classify(err)
	}
	for _, pull := range pulls {
		if strings.EqualFold(pull.Author, r.Bot) {
			continue
		}
		patches, err := r.Forge.Patches(ctx, pull.Number, mostPatches)
		if err != nil {
			return nil, classify(err)
		}
		for _, f := range p.Files {
			for _, patch := range patches {
				if cmp.Or(patch.Was, patch.Path) != f.Path {
					continue
				}
				if line, touches := patch.Touches(f.Before, f.After); touches {
					return &incident.Rival{Number: pull.Number, URL: pull.URL, By: pull.Author, File: f.Path, Line: line}, nil
				}
			}
		}
	}
	return nil, nil
}

// refuse is the error of a merge that one stands against.
func (r *Rivals) refuse(ctx context.Context, key incident.Key, p incident.Proposal) error {
	rival, err := r.find(ctx, p)
	if err != nil || rival == nil {
		return err
	}
	return temporal.NewNonRetryableApplicationError(yields(key, *rival), typeRival, nil, *rival)
}

// standBack is the plan where there is one.
func (p *Planner) standBack(ctx context.Context, in PlanInput, proposal incident.Proposal) (Planned, error) {
	rival, err := p.Rivals.find(ctx, proposal)
	if err != nil || rival == nil {
		return Planned{}, err
	}
	out := Planned{Advised: yields(in.Start.Key, *rival), Rival: *rival, Suspects: proposal.Suspects}
	return out, note(ctx, p.Book, in.Start.Key, incident.Planning, in.step(), incident.Event, actor, map[string]any{"advised": out.Advised, "rival": rival})
}

func yields(key incident.Key, r incident.Rival) string {
	return r.String() + ": it goes first; once it is merged or closed, say " + key.Retry()
}
