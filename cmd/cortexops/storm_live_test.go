package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

const liveSettle = 2500 * time.Millisecond

var stormLimits = bus.Limits{Signals: 64 << 20, Actions: 1 << 20, Incidents: 64 << 20, Folds: 64 << 20, Graph: 4 << 20}

// replica correlates like `cortexops work`, without a cluster to look at.
type replica struct {
	events *bus.Bus
	log    *bytes.Buffer
	stop   func()
}

func newReplica(t *testing.T, prefix string) *replica { return settling(t, prefix, liveSettle) }

func settling(t *testing.T, prefix string, settle time.Duration) *replica {
	t.Helper()
	r := &replica{log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	r.events, err = bus.Connect(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix, Log: log, Limits: stormLimits})
	if err != nil {
		t.Fatal(err)
	}
	join := &joining{settle: settle, metrics: correlate.NewMetrics(prometheus.NewRegistry()), log: log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- r.events.Own(ctx, bus.Shares{Join: join.run, Fold: func(ctx context.Context, p *bus.Partition) error { return correlate.Fold(ctx, p, join.metrics) }})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.events.Close()
	})
	t.Cleanup(r.stop)
	return r
}

// dies without a word: what it holds is another's when it has been silent for a while.
func (r *replica) dies() { r.events.Close() }

// cleared takes the streams away when the test is over.
func cleared(t *testing.T, prefix string) {
	t.Cleanup(func() {
		nc, err := nats.Connect(started(t).NATS.URL)
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Error(err)
			return
		}
		for name := range js.StreamNames(context.Background()).Name() {
			if strings.Contains(name, prefix) {
				_ = js.DeleteStream(context.Background(), name)
			}
		}
	})
}

// told is what INCIDENTS has of them.
type toldIncidents struct {
	mu   sync.Mutex
	last map[string]incident.Incident
	bad  []string
}

func (l *toldIncidents) take(_ context.Context, i incident.Incident) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.last[i.ID]; i.Revision != old.Revision+1 {
		l.bad = append(l.bad, fmt.Sprintf("revision %d of %s follows %d", i.Revision, i.ID, old.Revision))
	}
	l.last[i.ID] = i
	return nil
}

// sealed as text, one a line, and how many signals they hold.
func (l *toldIncidents) sealed() (text string, signals int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, signals = described(slices.Collect(maps.Values(l.last)))
	return text, signals
}

func described(list []incident.Incident) (string, int) {
	var lines []string
	signals := 0
	for _, i := range list {
		if i.State == incident.Provisional {
			continue
		}
		held := 0
		for _, m := range i.Members {
			held += m.Signals
		}
		signals += held
		lines = append(lines, fmt.Sprintf("%s %s %s: %d members, %d signals, graph %s", i.ID, i.State, i.Root, len(i.Members), held, i.Graph))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), signals
}

// byReplay is what replay makes of the same storm.
func byReplay(s storm, settle time.Duration) string {
	r := newReplayed(settle)
	for _, l := range s.lines() {
		rec := record{at: l.At}
		if l.Type == "signal" {
			x := *l.Signal
			x.AcceptedAt = l.At
			rec.signals = []incident.Signal{x}
		} else {
			rec.change = &incident.GraphChange{At: l.At, Upsert: l.Upsert}
		}
		r.take(rec)
	}
	r.keep(r.joiner.Finish())
	text, _ := described(slices.Collect(maps.Values(r.last)))
	return text
}

// send the storm as it comes, through a connection of its own.
func (s storm) send(t *testing.T, events *bus.Bus, halfway func()) {
	t.Helper()
	all := s.arrivals()
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && to-from < 500 && !all[to].comes.After(time.Now()) {
			to++
		}
		time.Sleep(time.Until(all[to-1].comes))
		var batch []incident.Signal
		for _, a := range all[from:to] {
			x := *a.Signal
			x.AcceptedAt = a.At
			batch = append(batch, x)
		}
		if _, err := events.PublishSignals(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if half := len(all) / 2; from < half && to >= half {
			halfway()
		}
		from = to
	}
}

// TestAStormLiveIsThreeIncidents is the storm through JetStream, the partitions and the joiner: the incidents are those that
// replay makes of it, to the ID and the graph.
func TestAStormLiveIsThreeIncidents(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first, halfway func(t *testing.T, prefix string) []*replica
		kill           bool
	}{
		"one process": {first: func(t *testing.T, prefix string) []*replica { return []*replica{newReplica(t, prefix)} }},
		"one of two dies, and another joins": {first: func(t *testing.T, prefix string) []*replica {
			return []*replica{newReplica(t, prefix), newReplica(t, prefix)}
		}, kill: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storm{signals: 20_000, pods: 100, seed: 2, faster: 4}
			s.live(t, liveSettle, tc.first, func(t *testing.T, prefix string, replicas []*replica) []*replica {
				if tc.kill {
					replicas[0].dies()
					replicas = append(replicas, newReplica(t, prefix))
				}
				return replicas
			})
		})
	}
}

// TestAHundredThousandSignalsLive are three incidents too, at the pace of a real storm. It runs before those that run at once.
func TestAHundredThousandSignalsLive(t *testing.T) {
	const settle = 10 * time.Second
	s := storm{signals: 100_000, pods: 200, seed: 1}
	s.live(t, settle, func(t *testing.T, prefix string) []*replica { return []*replica{settling(t, prefix, settle)} },
		func(_ *testing.T, _ string, replicas []*replica) []*replica { return replicas })
}

// live sends the storm to the replicas, and compares what they tell with what replay makes of it.
func (s storm) live(t *testing.T, settle time.Duration, first func(t *testing.T, prefix string) []*replica,
	halfway func(t *testing.T, prefix string, replicas []*replica) []*replica) {
	t.Helper()
	prefix := "storm-" + incident.Digest(t.Name(), time.Now().String())[:12]
	started(t) // or not run
	cleared(t, prefix)
	replicas := first(t, prefix)
	sender, err := bus.Connect(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix, Limits: stormLimits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	told := &toldIncidents{last: map[string]incident.Incident{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = sender.ConsumeIncidents(ctx, told.take) }()
	s.began = time.Now().Add(4 * time.Second).Truncate(time.Millisecond)
	var changes []incident.GraphChange
	for _, l := range s.topology() {
		changes = append(changes, incident.GraphChange{At: l.At, Upsert: l.Upsert})
	}
	if err := sender.PublishTopology(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	s.send(t, sender, func() { replicas = halfway(t, prefix, replicas) })
	want := byReplay(s, settle)
	if n := strings.Count(want, "\n") + 1; n != 3 {
		t.Fatalf("replay makes %d incidents of it:\n%s", n, want)
	}
	told.until(t, want, replicas)
	for _, r := range replicas {
		r.stop()
	}
	if got, _ := told.sealed(); got != want || len(told.bad) > 0 {
		t.Errorf("got\n%s\nwant\n%s\n%v", got, want, told.bad)
	}
}

func (l *toldIncidents) until(t *testing.T, want string, replicas []*replica) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		if got, _ := l.sealed(); got == want {
			return
		}
		select {
		case <-deadline:
			got, _ := l.sealed()
			for n, r := range replicas {
				t.Logf("replica %d\n%s", n, r.log.String())
			}
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		case <-tick.C:
		}
	}
}
