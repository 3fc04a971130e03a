package remediation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// mostRetries of one incident by people, and as many outbreaks, are looked through for the attempt that runs.
const mostRetries = 5

// told is what running remediations were told of their incidents: at most once a minute, other than of a change of state.
type told struct {
	mu   sync.Mutex
	last map[string]word
}

type word struct {
	healed   bool
	revision int
	at       time.Time
	later    bool // a newer revision comes again when the minute is over
}

// due tells whether this revision is to be handed on now. One that comes too soon comes again: the newest that there is then is
// handed on, so that the others of that minute need not.
func (t *told) due(inc incident.Incident, now time.Time) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok := t.last[inc.ID]
	switch wait := last.at.Add(amendEvery).Sub(now); {
	case !ok || last.healed != (inc.State == incident.Healed):
		return true, nil
	case inc.Revision <= last.revision:
		return false, nil
	case wait <= 0:
		return true, nil
	case last.later:
		return false, nil
	default:
		last.later = true
		t.last[inc.ID] = last
		return false, &incident.Postponed{For: wait}
	}
}

func (t *told) set(inc incident.Incident, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]word{}
	}
	for id, w := range t.last { // what nobody speaks of any more
		if now.Sub(w.at) > fresh {
			delete(t.last, id)
		}
	}
	t.last[inc.ID] = word{healed: inc.State == incident.Healed, revision: inc.Revision, at: now}
}

// hand tells the remediation that runs for this incident that it has changed, or the one that it has joined: which has its target.
// Where none runs, nobody is told.
func (s *Starter) hand(ctx context.Context, inc incident.Incident) error {
	now := time.Now()
	if due, err := s.told.due(inc, now); !due {
		return err
	}
	digest, err := put(ctx, s.Book, inc)
	if err != nil {
		return err
	}
	news := Evidence{ID: inc.ID, Incident: digest, Outbreak: inc.Reopened, AsOf: inc.AsOf}
	if inc.State == incident.Healed {
		news.Healed = inc.HealedAt
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var keys []incident.Key
	for n := max(1, 1+inc.Reopened-mostRetries); n <= 1+inc.Reopened+mostRetries; n++ {
		keys = append(keys, incident.Key{Incident: inc.ID, Attempt: n})
	}
	if s.Holder != nil {
		holder, err := s.Holder(ctx, inc.Root.Key())
		if err != nil {
			return err
		}
		if holder.Incident != "" && !holder.IsRestoring() {
			keys = append(keys, holder)
		}
	}
	for _, key := range keys {
		err := s.Temporal.SignalWorkflow(ctx, key.Workflow(), "", EvidenceSignal, news)
		var gone *serviceerror.NotFound
		if err == nil {
			break
		}
		if !errors.As(err, &gone) {
			return fmt.Errorf("signal %s: %w", key.Workflow(), err)
		}
	}
	s.told.set(inc, now)
	return nil
}
