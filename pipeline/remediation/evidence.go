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
}

// due tells whether this revision is to be handed on now. One that comes too soon comes again when the minute is over: the first of
// them is handed on then, as the newest that there is, and the others say nothing new.
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
	default:
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
// Where none runs, nobody is told; without own the former is known not to.
func (s *Starter) hand(ctx context.Context, inc incident.Incident, own bool) error {
	now := time.Now()
	if due, err := s.told.due(inc, now); !due {
		return err
	}
	keys, err := s.about(ctx, inc, own)
	if err != nil || len(keys) == 0 {
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

// about are the remediations that an incident's news may be for: those of its own, if one of them may run, and the one that has its target.
func (s *Starter) about(ctx context.Context, inc incident.Incident, own bool) (keys []incident.Key, err error) {
	for n := max(1, 1+inc.Reopened-mostRetries); own && n <= 1+inc.Reopened+mostRetries; n++ {
		keys = append(keys, incident.Key{Incident: inc.ID, Attempt: n})
	}
	if s.Holder == nil {
		return keys, nil
	}
	holder, err := s.Holder(ctx, inc.Root.Key())
	if err == nil && holder.Incident != "" && !holder.IsRestoring() {
		keys = append(keys, holder)
	}
	return keys, err
}
