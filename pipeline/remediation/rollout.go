package remediation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Rollout is how waiting for the objects ended.
type Rollout struct {
	Stuck     string            `json:"stuck,omitempty"`     // why it will not become ready
	Revisions map[string]string `json:"revisions,omitempty"` // of the objects, where a tool applied them
}

// Wait waits until the objects are rolled out.
func (a *Applier) Wait(ctx context.Context, in ApplyInput) (Rollout, error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return Rollout{}, err
	}
	progress := func(s string) { activity.GetLogger(ctx).Debug("rollout", "status", s) }
	var stuck *delivery.Stuck
	objects := refs(proposal.Objects)
	if a.Tool != nil {
		objects = changed(proposal)
		_, step := in.approved(proposal)
		err = a.Tool.Follow(ctx, objects, in.Merge, delivery.Watch{Progress: progress, Write: func(object string, act func() error) error {
			return write(ctx, a.Book, in.Key, in.phase(), step+"-"+object, func() (any, error) {
				return map[string]any{"commit": in.Merge, "asked": []string{object}}, act()
			})
		}})
	}
	if in.Revert && (err == nil || errors.As(err, &stuck)) { // what was there before may well have been unhealthy
		return a.back(ctx, in, proposal)
	}
	var left map[string]string
	if err == nil && a.Tool != nil {
		left = revisions(ctx, a.Rollouts, objects)
	}
	if err == nil {
		err = a.Cluster.Wait(ctx, objects, progress)
	}
	if errors.As(err, &stuck) {
		return Rollout{Stuck: stuck.Error()}, nil
	}
	return Rollout{Revisions: left}, classify(err)
}

// ReadyInput is what Ready is asked.
type ReadyInput struct {
	Key      incident.Key `json:"key"`
	Proposal string       `json:"proposal"`
}

// readyWithin is how long the API server has to say that the objects are rolled out.
const readyWithin = 5 * time.Second

// Ready tells whether the objects that the proposal would change are rolled out as they are.
func (a *Applier) Ready(ctx context.Context, in ReadyInput) (bool, error) {
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return false, err
	}
	soon, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err = a.Cluster.Wait(soon, refs(proposal.Objects), func(string) {})
	var stuck *delivery.Stuck
	if errors.As(err, &stuck) || err != nil && soon.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, classify(err)
}

// back verifies a revert: what is live must be what git said before our change.
func (a *Applier) back(ctx context.Context, in ApplyInput, p incident.Proposal) (Rollout, error) {
	for _, o := range p.Before {
		seen, err := a.Cluster.DryRun(ctx, o.JSON)
		if err != nil {
			return Rollout{}, classify(err)
		}
		if !seen.InSync {
			return Rollout{Stuck: fmt.Sprintf("%s still differs from what git said before: %v", o.Resource, seen.Fields)}, nil
		}
	}
	return Rollout{}, note(ctx, a.Book, in.Key, in.phase(), "revert-verified", incident.Event, actor, map[string]string{"commit": in.Merge})
}
