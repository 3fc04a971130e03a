package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Rollouts tells apart what of an object is rolled out; empty: there is no such object.
type Rollouts interface {
	Revision(ctx context.Context, r delivery.Ref) (string, error)
}

// Strangers are the rollouts that are not the remediation's own. What the metrics say while there are some is not about its change.
type Strangers struct {
	Rollouts Rollouts
	// Near are the direct dependencies of the incident's root, as far as the topology knows them.
	Near func(ctx context.Context, root incident.Resource) []incident.Resource
	// Ours reports whether another remediation is at work on the object.
	Ours func(ctx context.Context, r incident.Resource) (bool, error)
}

const (
	strangersEvery = 5 * time.Second // while no verdict falls
	mostNear       = 20
	// strangersWithin is how long a look may take: less than a heartbeat leaves beside the metrics.
	strangersWithin = 4 * time.Second
)

// watched is what travels in the heartbeats of a verification.
type watched struct {
	Metrics json.RawMessage `json:"metrics,omitempty"`
	Objects []standing      `json:"objects,omitempty"`
}

// standing is what was rolled out of an object when the window opened.
type standing struct {
	Resource incident.Resource `json:"resource"`
	Revision string            `json:"revision"`
	Known    bool              `json:"known"`
	Target   bool              `json:"target,omitempty"`
}

// begin lists what must stay as it is. applied is what our own apply has left, which a person who asks to wait lets go.
func (s *Strangers) begin(ctx context.Context, p incident.Proposal, in VerifyInput) (list []standing) {
	for _, r := range changed(p) {
		was, known := in.Applied[r.String()]
		list = append(list, standing{Resource: resource(r), Revision: was, Known: known && in.Round <= 1, Target: true})
	}
	if s.Near == nil {
		return list
	}
	near := s.Near(ctx, p.Incident.Root)
	for _, r := range near[:min(mostNear, len(near))] {
		list = append(list, standing{Resource: r})
	}
	return list
}

// seen is the first object that somebody else has rolled out, or nil. What cannot be read now is looked at the next time.
func (s *Strangers) seen(ctx context.Context, list []standing) (*incident.Resource, error) {
	soon, cancel := context.WithTimeout(ctx, strangersWithin)
	defer cancel()
	for i := range list {
		o := &list[i]
		now, err := s.Rollouts.Revision(soon, ref(o.Resource))
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			slog.DebugContext(ctx, "a rollout cannot be seen", "object", o.Resource.String(), "error", err)
			continue
		}
		if o.Known && o.Revision != now {
			ours, err := s.ours(ctx, *o)
			if err != nil {
				return nil, err
			}
			if !ours {
				return &o.Resource, nil
			}
		}
		o.Revision, o.Known = now, true
	}
	return nil, nil
}

func (s *Strangers) ours(ctx context.Context, o standing) (bool, error) {
	if o.Target || s.Ours == nil {
		return false, nil
	}
	return s.Ours(ctx, o.Resource)
}

// confounded is the verdict where somebody rolled r out inside the window.
func confounded(r incident.Resource, so *incident.Verdict) *incident.Verdict {
	v := &incident.Verdict{Result: incident.NoData, Reason: incident.Confounded, At: time.Now()}
	if so != nil {
		v.Checks = so.Checks
	}
	v.Checks = append(v.Checks, incident.CheckResult{Name: "rollouts", Result: incident.NoData, Must: "ours alone",
		Value: fmt.Sprintf("%s was rolled out by somebody else inside the window", r)})
	return v
}

// revisions are what is rolled out of the objects. It is empty where that cannot be seen: the window then begins with what it finds.
func revisions(ctx context.Context, in Rollouts, objects []delivery.Ref) map[string]string {
	out := map[string]string{}
	for _, r := range objects {
		if in == nil {
			break
		}
		now, err := in.Revision(ctx, r)
		if err != nil {
			slog.WarnContext(ctx, "what was applied cannot be told from what others apply", "object", r.String(), "error", err)
			continue
		}
		out[r.String()] = now
	}
	return out
}

func ref(r incident.Resource) delivery.Ref {
	return delivery.Ref{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func resource(r delivery.Ref) incident.Resource {
	return incident.Resource{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}
