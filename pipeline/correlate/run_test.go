package correlate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// bus holds unacknowledged batches and the incidents that were stored.
type bus struct {
	mu      sync.Mutex
	stored  []incident.Incident
	err     error
	batches chan []incident.Signal
	acked   chan error
}

func newBus() *bus { return &bus{batches: make(chan []incident.Signal), acked: make(chan error)} }

func (b *bus) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bus) LastIncidents(context.Context) ([]incident.Incident, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := map[string]incident.Incident{}
	for _, i := range b.stored {
		last[i.ID] = i
	}
	var list []incident.Incident
	for _, i := range last {
		list = append(list, i)
	}
	return list, b.err
}

func (b *bus) ConsumeSignals(ctx context.Context, handle func(context.Context, []incident.Signal) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case batch := <-b.batches:
			b.acked <- handle(ctx, batch)
		}
	}
}

func (b *bus) PublishIncident(_ context.Context, i incident.Incident) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.stored = append(b.stored, i)
	}
	return b.err
}

func (b *bus) states() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.stored {
		list = append(list, fmt.Sprintf("%s %s r%d", i.Root.Name, i.State, i.Revision))
	}
	return list
}

var errAway = errors.New("no servers")

func TestASignalIsLetGoAfterItsIncidentIsStored(t *testing.T) {
	t.Parallel()
	b := newBus()
	now := at(0)
	d := newDriver(engine(), b, RunOptions{Now: func() time.Time { return now }})
	batch := []incident.Signal{fire("Oom", "checkout-1", 0, 0)}
	b.fail(errAway)
	for range 3 {
		if err := d.handle(t.Context(), slices.Clone(batch)); !errors.Is(err, errAway) {
			t.Fatalf("acknowledged with %v although nothing was stored", err)
		}
		now = now.Add(time.Minute)
		d.tick(t.Context()) // fails too, and makes no further revision meanwhile
	}
	b.fail(nil)
	if err := d.handle(t.Context(), slices.Clone(batch)); err != nil {
		t.Fatal(err)
	}
	if got := b.states(); len(got) != 1 || got[0] != "checkout provisional r1" {
		t.Fatalf("stored %v", got)
	}
	now = now.Add(time.Minute)
	d.tick(t.Context())
	if got := b.states(); len(got) != 2 || got[1] != "checkout sealed r2" {
		t.Errorf("stored %v", got)
	}
}

func TestABacklogIsCutAsItWasAccepted(t *testing.T) {
	t.Parallel()
	b := newBus()
	now := at(3600)
	reg := prometheus.NewRegistry()
	d := newDriver(engine(), b, RunOptions{Now: func() time.Time { return now }, Metrics: NewMetrics(reg)})
	a := fire("Oom", "checkout-1", 0, 1)
	if err := d.handle(t.Context(), []incident.Signal{a}); err != nil {
		t.Fatal(err)
	}
	d.tick(t.Context()) // the window is long over by the clock, but the rest of the backlog has not been read
	for _, s := range [][]incident.Signal{
		{end(a, 25, 26), fire("Slow", "checkout-2", 0, 5), fire("Errors", "cart-1", 0, 12)}, // out of order, over two windows
		{fire("Oom", "checkout-1", 30, 31)},
	} {
		if err := d.handle(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	d.tick(t.Context())
	want := []string{
		"checkout provisional r1", // the first batch
		"checkout sealed r2",      // at 12 s: Slow is in, being accepted before
		"cart sealed r1",          // at 26 s: it was never seen provisional
		"checkout sealed r3",      // one alert resolved
		"checkout sealed r4",      // and fires again, while the incident is open
	}
	if got := b.states(); !slices.Equal(got, want) {
		t.Errorf("stored\n%v, want\n%v", got, want)
	}
	last, _ := b.LastIncidents(t.Context())
	for _, i := range last {
		if i.Root.Name == "checkout" && (len(i.Signals) != 2 || !i.SealedAt.Equal(at(11)) || !i.Onset.Equal(at(0))) {
			t.Errorf("got %+v", i)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			counted[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{"cortexops_incidents_total sealed": 2, "cortexops_incidents_total provisional": 1,
		"cortexops_correlation_latency_seconds": 2, "cortexops_signals_correlated_total opened": 2} {
		if counted[name] != want {
			t.Errorf("%s is %v, want %v", name, counted[name], want)
		}
	}
}

func TestRunTakesUpWhereItWas(t *testing.T) {
	t.Parallel()
	b := newBus()
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		e := New(Options{Settle: time.Millisecond, Owner: owner, Blast: func(incident.Resource) incident.BlastRadius { return incident.BlastRadius{} }})
		go func() { done <- Run(ctx, e, b, RunOptions{}) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	send := func(s incident.Signal) {
		b.batches <- []incident.Signal{s}
		if err := <-b.acked; err != nil {
			t.Fatal(err)
		}
	}
	until := func(want string) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.After(30 * time.Second); ; {
			if got := b.states(); len(got) > 0 && got[len(got)-1] == want {
				return
			}
			select {
			case <-deadline:
				t.Fatalf("stored %v, want at last %s", b.states(), want)
			case <-tick.C:
			}
		}
	}
	stop := run()
	a := fire("Oom", "checkout-1", 0, 1)
	send(a)
	until("checkout sealed r2")
	stop()
	stop = run()
	send(a) // redelivered
	send(end(a, 5, 20))
	until("checkout resolved r3")
	stop()
	if got := b.states(); len(got) != 3 {
		t.Errorf("stored %v", got)
	}
	b.fail(errAway) // a bus that hangs while we start is waited for, and nothing is correlated without the incidents
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ended, engine(), b, RunOptions{}); !errors.Is(err, errAway) {
		t.Errorf("started without the incidents: %v", err)
	}
	stop = run()
	b.fail(nil)
	send(a)
	stop()
}
