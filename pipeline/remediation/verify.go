package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.temporal.io/sdk/activity"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var verdicts = promauto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_verdicts_total",
	Help: "Verdicts of verifications: pass, fail, no-data."}, []string{"result"})

// Metrics looks once: state is what the look before returned, nil at first; a verdict ends the watch.
type Metrics interface {
	Look(ctx context.Context, state json.RawMessage, window time.Duration, checks []incident.Check) (json.RawMessage, *incident.Verdict, error)
}

// Watcher is the activity of VERIFYING.
type Watcher struct {
	Book    Book
	Metrics Metrics
	Every   time.Duration
	// Strangers may confound what the metrics say. Nil: nobody looks.
	Strangers *Strangers
}

// VerifyInput is what Verify is asked.
type VerifyInput struct {
	Key      incident.Key `json:"key"`
	Proposal string       `json:"proposal"`
	Round    int          `json:"round,omitempty"` // from 1; a person may ask for one more
	// Applied is the revision of each object as our own apply left it.
	Applied map[string]string `json:"applied,omitempty"`
}

// Verify watches until the verdict falls. Its state travels in the heartbeats, so that a restart goes on where it was.
func (w *Watcher) Verify(ctx context.Context, in VerifyInput) (incident.Verdict, error) {
	proposal, err := get[incident.Proposal](ctx, w.Book, in.Proposal)
	if err != nil {
		return incident.Verdict{}, err
	}
	step := "verdict"
	if in.Round > 1 {
		step = fmt.Sprintf("verdict-%d", in.Round)
	}
	var state watched
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &state); err != nil {
			state = watched{} // an older form: begin again
		}
	}
	if state.Objects == nil && w.Strangers != nil {
		state.Objects = w.Strangers.begin(ctx, proposal, in)
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	var looked time.Time
	for {
		next, verdict, err := w.Metrics.Look(ctx, state.Metrics, proposal.Playbook.Window, proposal.Playbook.Checks)
		if err != nil {
			return incident.Verdict{}, err
		}
		state.Metrics = next
		if w.Strangers != nil && (verdict != nil || time.Since(looked) >= strangersEvery) {
			looked = time.Now()
			stranger, err := w.Strangers.seen(ctx, state.Objects)
			if err != nil {
				return incident.Verdict{}, err
			}
			if stranger != nil {
				verdict = confounded(*stranger, verdict)
			}
		}
		if verdict != nil {
			return settle(ctx, w.Book, in.Key, incident.Verifying, step, actor, *verdict, verdicts.WithLabelValues(verdict.Result))
		}
		activity.RecordHeartbeat(ctx, state)
		select {
		case <-ctx.Done():
			return incident.Verdict{}, ctx.Err()
		case <-tick.C:
		}
	}
}
