package correlate

import (
	"context"
	"sync"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	waitingMost = 64 // batches of revisions, after which the joiner waits for them
	batchWeight = 60 // signals and members of one batch, at least: the first word about another incident waits for one batch
)

// teller stores revisions. First words go a way of their own, so that they wait for no revision of another incident; what comes
// later of the same incident waits for them.
type teller struct {
	first  chan batch
	queue  chan batch
	last   <-chan struct{} // closed when the last first words are stored
	failed chan struct{}
	once   sync.Once
	err    error // the first, after which nothing more is stored
	both   sync.WaitGroup
}

// batch is revisions that are stored after others, and says so then.
type batch struct {
	list  []Revision
	after <-chan struct{}
	done  chan<- struct{}
}

func (d *driver) tell(ctx context.Context) *teller {
	none := make(chan struct{})
	close(none)
	t := &teller{first: make(chan batch, waitingMost), queue: make(chan batch, waitingMost), last: none, failed: make(chan struct{})}
	t.both.Go(func() {
		for b := range t.first {
			all := []batch{b}
			for waiting := true; waiting; { // one answer of the server is waited for, not many
				select {
				case b, waiting = <-t.first:
					if waiting {
						all = append(all, b)
					}
				default:
					waiting = false
				}
			}
			var list []Revision
			for _, b := range all {
				list = append(list, b.list...)
			}
			t.store(ctx, d, list)
			for _, b := range all {
				close(b.done)
			}
		}
	})
	t.both.Go(func() {
		for b := range t.queue {
			<-b.after
			t.store(ctx, d, b.list)
		}
	})
	return t
}

func (t *teller) store(ctx context.Context, d *driver, list []Revision) {
	select {
	case <-t.failed:
	default:
		if err := d.store(ctx, list); err != nil {
			t.once.Do(func() { t.err = err; close(t.failed) })
		}
	}
}

// announce first words.
func (t *teller) announce(ctx context.Context, list []Revision) error {
	if len(list) == 0 {
		return nil
	}
	done := make(chan struct{})
	t.last = done
	return t.put(ctx, t.first, batch{list: list, done: done})
}

// add revisions behind those that wait.
func (t *teller) add(ctx context.Context, list []Revision) error {
	for from, weight := 0, 0; from < len(list); weight = 0 {
		to := from
		for ; to < len(list) && weight < batchWeight; to++ {
			weight += 1 + len(list[to].Signals) + len(list[to].Members)
		}
		if err := t.put(ctx, t.queue, batch{list: list[from:to], after: t.last}); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (t *teller) put(ctx context.Context, in chan<- batch, b batch) error {
	select {
	case <-t.failed:
		return t.err
	default:
	}
	select {
	case in <- b:
		return nil
	case <-t.failed:
		return t.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end waits for what was added, and returns what failed.
func (t *teller) end() error {
	close(t.first)
	close(t.queue)
	t.both.Wait()
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
