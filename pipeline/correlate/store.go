package correlate

import (
	"context"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	waitingMost = 64  // batches of revisions, after which the joiner waits for them
	batchWeight = 150 // signals and members of one batch, at least: the first word about another incident waits for one batch
)

// teller stores revisions, in order.
type teller struct {
	queue  chan []Revision
	failed chan struct{}
	ended  chan struct{}
	err    error // the first, after which nothing more is stored
}

func (d *driver) tell(ctx context.Context) *teller {
	t := &teller{queue: make(chan []Revision, waitingMost), failed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		for list := range t.queue {
			if t.err != nil {
				continue
			}
			if t.err = d.store(ctx, list); t.err != nil {
				close(t.failed)
			}
		}
	}()
	return t
}

// add revisions behind those that wait.
func (t *teller) add(ctx context.Context, list []Revision) error {
	for from, weight := 0, 0; from < len(list); weight = 0 {
		to := from
		for ; to < len(list) && weight < batchWeight; to++ {
			weight += 1 + len(list[to].Signals) + len(list[to].Members)
		}
		select {
		case t.queue <- list[from:to]:
		case <-t.failed:
			return t.err
		case <-ctx.Done():
			return ctx.Err()
		}
		from = to
	}
	return nil
}

// end waits for what was added, and returns what failed.
func (t *teller) end() error {
	close(t.queue)
	<-t.ended
	return t.err
}

// store revisions, in order.
func (d *driver) store(ctx context.Context, list []Revision) error {
	if len(list) == 0 {
		return nil
	}
	incidents := make([]incident.Incident, len(list))
	for n, r := range list {
		incidents[n] = r.Incident
	}
	if err := d.records.PublishIncidents(ctx, incidents); err != nil {
		return err
	}
	for _, r := range list {
		if r.State == r.From {
			continue
		}
		d.Metrics.incidents.WithLabelValues(string(r.State)).Inc()
		switch {
		case r.From == incident.Healed: // it broke out again, by the signal of that moment
			d.Metrics.latency.Observe(time.Since(r.AsOf).Seconds())
		case r.From == incident.Provisional, r.From == "" && r.State != incident.Provisional:
			d.Metrics.latency.Observe(time.Since(first(r.Signals)).Seconds())
		}
		d.Log.InfoContext(ctx, "incident", "incident", r.ID, "state", r.State, "root", r.Root.String(), "alerts", r.Alerts(), "signals", len(r.Signals)+r.Folded)
	}
	return nil
}

func first(list []incident.Signal) time.Time {
	at := time.Now()
	for _, s := range list {
		if s.AcceptedAt.Before(at) {
			at = s.AcceptedAt
		}
	}
	return at
}
