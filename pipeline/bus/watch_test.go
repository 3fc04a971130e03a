package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// lose takes streams away, as a restart of the server does with those in its memory, and a person with any.
func lose(t *testing.T, b *Bus, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := b.js.DeleteStream(t.Context(), b.prefix+"-"+name); err != nil {
			t.Fatal(err)
		}
	}
}

func allSignals() (names []string) {
	for p := range Partitions {
		names = append(names, part(p))
	}
	return names
}

// stored publishes until that succeeds.
func stored(t *testing.T, b *Bus, list []incident.Signal) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		_, err := b.PublishSignals(t.Context(), list)
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

// What the server has lost is named while it is gone, and declared again with its readers.
func TestLostStreamsAreDeclaredAgain(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	b.still() // the test looks for itself
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(allSignals(), folds, actions, incidents, workers, reached) {
		lose(t, b, name)
		if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), b.prefix+"-"+name) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := b.mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("with %s again: %v", name, err)
		}
	}
	if err := b.js.DeleteObjectStore(t.Context(), b.prefix+"-"+graphBucket); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), graphBucket) {
		t.Errorf("without the graph: %v", err)
	}
	if err := b.js.DeleteConsumer(t.Context(), b.prefix+"-"+folds, readFolds.durable); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the graph, and then the reader
		if err := b.mend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.backlog(t.Context()); err != nil || b.Check(t.Context()) != nil {
		t.Errorf("%v, %v", err, b.Check(t.Context()))
	}
}

// Whoever reads a stream goes on with the one that is there in its place, from its beginning, whatever was lost: the signals alone,
// as with a server that kept them in its memory and was restarted, or all.
func TestReadingGoesOnWhenStreamsAreLost(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string][]string{"signals": allSignals(), "folds": {folds}, "incidents": {incidents},
		"all": append(allSignals(), folds, actions, incidents, workers, reached)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := small
			limits.Memory = true
			b, _ := open(t, limits)
			got := make(chan incident.Signal, 1000)
			told := make(chan incident.Incident, 1000)
			background(t, func(ctx context.Context) error { return b.Own(ctx, passing(got)) })
			background(t, func(ctx context.Context) error {
				return b.ConsumeIncidents(ctx, func(_ context.Context, i incident.Incident) error { told <- i; return nil })
			})
			come := func(n int) {
				t.Helper()
				for s := next(t, got); s.ID != signal(n).ID; s = next(t, got) {
				}
				for i := next(t, told); i.ID != signal(n).ID[:12]; i = next(t, told) {
				}
			}
			const before = 20
			for n := range before { // a message each
				stored(t, b, some(n, n+1))
				come(n)
			}
			lose(t, b, gone...)
			if err := b.nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
			for n := before; n < before+3; n++ { // fewer than were read before
				stored(t, b, some(n, n+1))
				come(n)
			}
		})
	}
}

// passing hands over what is joined, and makes an incident of each signal.
func passing(got chan<- incident.Signal) Shares {
	return Shares{
		Fold: func(ctx context.Context, p *Partition) error {
			return p.Fold(ctx, func(list []incident.Signal) incident.Fold { return incident.Fold{Signals: list} })
		},
		Join: func(ctx context.Context, j *Join) error {
			from, err := j.Since(ctx, time.Hour)
			if err != nil {
				return err
			}
			return j.Follow(ctx, from, func(ctx context.Context, records []incident.JoinRecord) error {
				var list []incident.Incident
				for _, r := range records {
					if r.Fold == nil {
						continue
					}
					for _, s := range r.Fold.Signals {
						got <- s
						list = append(list, incident.Incident{ID: s.ID[:12], State: incident.Sealed, Revision: 1})
					}
				}
				return j.PublishIncidents(ctx, list)
			})
		},
	}
}

// The next owner of a partition reads a stream that was made anew from its beginning, although it is shorter than the one before was
// when it was read, or has caught up, and counts what was lost.
func TestAStreamThatWasMadeAnewIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int{"shorter": 2, "longer": 12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, reg := open(t, small)
			const each, lost = 5, 3
			take := func(p *Partition, from, to int) {
				t.Helper()
				batches := make(chan []incident.Signal, 100)
				stop := folded(t, p, batches)
				defer stop()
				for n := from; n < to; {
					for _, s := range next(t, batches) {
						if s.ID != signal(n).ID {
							t.Fatalf("got %v as number %d", s.StartsAt, n)
						}
						n++
					}
				}
			}
			for n := range each {
				stored(t, b, some(n, n+1))
			}
			take(owned(t, b, home), 0, each)
			stored(t, b, some(each, each+lost)) // which nobody reads
			lose(t, b, part(home))
			for n := range after {
				stored(t, b, some(each+lost+n, each+lost+n+1))
			}
			take(owned(t, b, home), each+lost, each+lost+after)
			if n := metric(t, reg, "cortexops_events_dropped_total"); n != lost {
				t.Errorf("%v were counted as dropped, want %d", n, lost)
			}
			take(owned(t, b, home), 0, 0) // and the one after goes on
		})
	}
}

// A partition whose fold was stored by a version that did not say which stream it had read.
func TestAStreamShorterThanWhatWasReadIsAnother(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	p := owned(t, b, home)
	p.read, p.of = 1000, time.Time{}
	foldOf(t, p, some(0, 1))
	if p := owned(t, b, home); p.read != 0 {
		t.Errorf("begins behind %d", p.read)
	}
}

// A stream is made anew while a reader waits, who knows its durable by the same name: what comes is not taken for what was read.
func TestAnotherStreamIsNotTakenForTheOneBefore(t *testing.T) {
	t.Parallel()
	for _, comes := range []int{0, 1} { // messages
		b, _ := open(t, small)
		b.still()
		for n := range 3 {
			stored(t, b, some(n, n+1))
		}
		f := &follower{bus: b, reader: readSignals(home), position: 3}
		c, err := f.rewind(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lose(t, b, part(home))
		if err := b.mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range comes {
			stored(t, b, some(3+n, 4+n))
		}
		_, failed, err := f.round(t.Context(), c, 1, func(context.Context, []jetstream.Msg, time.Time) error {
			t.Errorf("with %d messages: handled", comes)
			return nil
		})
		if failed != nil || !errors.Is(err, errOrder) {
			t.Errorf("with %d messages: %v, %v, want errOrder", comes, failed, err)
		}
	}
}
