package remediation

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Metrics looks once: state is what the look before returned, nil at first; a verdict ends the watch.
type Metrics interface {
	Look(ctx context.Context, state json.RawMessage, window time.Duration, checks []incident.Check) (json.RawMessage, *incident.Verdict, error)
}

// Watcher is the activity of VERIFYING.
type Watcher struct {
	Book    Book
	Metrics Metrics
	Every   time.Duration
}

// VerifyInput is what Verify is asked.
type VerifyInput struct {
	Key      incident.Key `json:"key"`
	Proposal string       `json:"proposal"`
}

// Verify watches until the verdict falls. Its state travels in the heartbeats, so that a restart goes on where it was.
func (w *Watcher) Verify(ctx context.Context, in VerifyInput) (incident.Verdict, error) {
	proposal, err := get[incident.Proposal](ctx, w.Book, in.Proposal)
	if err != nil {
		return incident.Verdict{}, err
	}
	var state json.RawMessage
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &state); err != nil {
			state = nil // an older form: begin again
		}
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		next, verdict, err := w.Metrics.Look(ctx, state, proposal.Playbook.Window, proposal.Playbook.Checks)
		if err != nil {
			return incident.Verdict{}, err
		}
		state = next
		if verdict != nil {
			return *verdict, note(ctx, w.Book, in.Key, incident.Verifying, "verdict", incident.Event, actor, verdict)
		}
		activity.RecordHeartbeat(ctx, state)
		select {
		case <-ctx.Done():
			return incident.Verdict{}, ctx.Err()
		case <-tick.C:
		}
	}
}
