package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var t0 = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// server is the address of a real NATS server.
func server(t *testing.T) string {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct{ NATS struct{ URL string } }
	if err := json.Unmarshal(raw, &stack); err != nil || stack.NATS.URL == "" {
		t.Fatalf("no nats.url in %s: %v", file, err)
	}
	return stack.NATS.URL
}

// small limits: the server reserves them, for every test at once.
var small = Limits{Signals: 4 * mib, Actions: mib, Incidents: 4 * mib, Folds: 4 * mib, Graph: mib}

// open a bus of the test's own, whose streams go with it.
func open(t *testing.T, limits Limits) (*Bus, *prometheus.Registry) {
	t.Helper()
	prefix := "test-" + incident.Digest(t.Name(), time.Now().String())[:12]
	reg := prometheus.NewRegistry()
	b, err := Connect(t.Context(), Options{URL: server(t), Prefix: prefix, Limits: limits, Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.still() // else they are declared again
		for _, s := range streams(prefix, limits) {
			if err := b.js.DeleteStream(context.Background(), s.Name); err != nil {
				t.Error(err)
			}
		}
		b.Close()
	})
	return b, reg
}

// owned is a partition in the hands of the test.
func owned(t *testing.T, b *Bus, number int) *Partition {
	t.Helper()
	p, err := b.claimPartition(t.Context(), number, t.Name(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// joining is the join in the hands of the test.
func joining(t *testing.T, b *Bus) *Join {
	t.Helper()
	j, err := b.claimJoin(t.Context(), t.Name(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// folded reads a partition and folds nothing away.
func folded(t *testing.T, p *Partition, got chan<- []incident.Signal) (stop func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error {
		return p.Fold(ctx, func(list []incident.Signal) incident.Fold {
			if len(list) > 0 {
				got <- slices.Clone(list) // it is used again
			}
			return incident.Fold{Signals: list}
		})
	})
}

// joined reads what was folded, from a position on.
func joined(t *testing.T, j *Join, from uint64, got chan<- incident.JoinRecord) (stop func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error {
		return j.Follow(ctx, from, func(_ context.Context, list []incident.JoinRecord) error {
			for _, r := range list {
				got <- r
			}
			return nil
		})
	})
}

// home is the partition of signal.
var home = partition(incident.Resource{})

func signal(n int) incident.Signal {
	starts := t0.Add(time.Duration(n) * time.Millisecond)
	return incident.Signal{ID: incident.SignalID("alertmanager", "f", incident.Firing, starts, time.Time{}), Source: "alertmanager",
		Name: "Oom", Status: incident.Firing, Fingerprint: "f", StartsAt: starts, AcceptedAt: t0.Add(time.Hour)}
}

func some(from, to int) (list []incident.Signal) {
	for n := from; n < to; n++ {
		list = append(list, signal(n))
	}
	return list
}

// in the background until the test ends.
func background(t *testing.T, run func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// next waits for one thing from a channel.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestSignalsInOrderAndOnce(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	p := owned(t, b, home)
	if d, err := b.PublishSignals(t.Context(), some(0, 1200)); err != nil || d != 0 {
		t.Fatalf("%d duplicates, %v", d, err)
	}
	if d, err := b.PublishSignals(t.Context(), some(0, 1200)); err != nil || d != 1200 {
		t.Fatalf("%d duplicates, %v, want all", d, err)
	}
	if d, err := b.PublishSignals(t.Context(), some(1200, 1300)); err != nil || d != 0 {
		t.Fatalf("%d duplicates, %v", d, err)
	}
	batches := make(chan []incident.Signal, 100)
	stop := folded(t, p, batches)
	for n := 0; n < 1300; {
		batch := next(t, batches)
		if n := len(encode(t, batch)); n > bulk+2*parcelBody {
			t.Fatalf("a batch of %d bytes", n)
		}
		for _, s := range batch {
			if want := signal(n); s.ID != want.ID || !s.AcceptedAt.Equal(want.AcceptedAt) {
				t.Fatalf("got %+v as number %d", s, n)
			}
			n++
		}
	}
	stop()
	if len(batches) != 0 {
		t.Errorf("and %v", <-batches)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	a := incident.Action{Delivery: "d-1", Kind: incident.Approve, Actor: "sam", Number: 12, AcceptedAt: t0}
	for want, again := range []bool{false, true} {
		if d, err := b.PublishAction(t.Context(), a); err != nil || d != again {
			t.Fatalf("publish %d: duplicate %v, %v", want, d, err)
		}
	}
	if _, err := b.PublishAction(t.Context(), incident.Action{Kind: incident.Merge}); !errors.Is(err, errNoID) {
		t.Errorf("published without a delivery: %v", err)
	}
	got := make(chan incident.Action, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeActions(ctx, func(_ context.Context, a incident.Action) error { got <- a; return nil })
	})
	if x := next(t, got); x != a {
		t.Errorf("got %+v, want %+v", x, a)
	}
}

func TestAMessageOfAnotherFormIsGivenUp(t *testing.T) {
	t.Parallel()
	b, reg := open(t, small)
	if _, err := b.js.Publish(t.Context(), b.prefix+".actions", []byte("not an action")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PublishAction(t.Context(), incident.Action{Delivery: "after"}); err != nil {
		t.Fatal(err)
	}
	got := make(chan incident.Action, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeActions(ctx, func(_ context.Context, a incident.Action) error { got <- a; return nil })
	})
	if a := next(t, got); a.Delivery != "after" {
		t.Errorf("got %+v", a)
	}
	if n := metric(t, reg, "cortexops_bus_terminated_total"); n != 1 {
		t.Errorf("counted %v messages given up, want 1", n)
	}
}

func TestLastIncidents(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	if list, err := j.LastIncidents(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("got %v, %v from an empty stream", list, err)
	}
	const many = 620
	var all []incident.Incident
	for n := range many {
		i := incident.Incident{ID: incident.Digest(fmt.Sprint(n))[:12], State: incident.Sealed}
		for i.Revision = 1; i.Revision <= 1+n%2; i.Revision++ {
			all = append(all, i)
		}
	}
	if err := j.PublishIncidents(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	former := incident.Incident{ID: "0123456789ab", State: incident.Sealed, Revision: 7} // of a partition's own joiner, as there were
	if _, err := b.publish(t.Context(), incidents, b.prefix+".incidents.3."+former.ID, "former", former); err != nil {
		t.Fatal(err)
	}
	list, err := j.LastIncidents(t.Context())
	if err != nil || len(list) != many+1 {
		t.Fatalf("got %d incidents, %v, want %d", len(list), err, many+1)
	}
	revisions := map[string]int{}
	for _, i := range list {
		revisions[i.ID] = i.Revision
	}
	for n := range many {
		if got := revisions[incident.Digest(fmt.Sprint(n))[:12]]; got != 1+n%2 {
			t.Errorf("incident %d has revision %d, want %d", n, got, 1+n%2)
		}
	}
}

func TestAnIncidentIsSentOnceAndItsOldRevisionsGo(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	i := incident.Incident{ID: "0123456789ab", State: incident.Sealed}
	for i.Revision = 1; i.Revision <= revisionsKept+5; i.Revision++ {
		for range 2 {
			if err := j.PublishIncidents(t.Context(), []incident.Incident{i}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := make(chan int, 100)
	background(t, func(ctx context.Context) error {
		return b.ConsumeIncidents(ctx, func(_ context.Context, i incident.Incident) error { got <- i.Revision; return nil })
	})
	for want := 6; want <= revisionsKept+5; want++ {
		if r := next(t, got); r != want {
			t.Fatalf("got revision %d, want %d", r, want)
		}
	}
}

// TestAPostponedRevisionComesAgain when it is wanted, and counts as no failure; the newest can be asked for.
func TestAPostponedRevisionComesAgain(t *testing.T) {
	t.Parallel()
	b, reg := open(t, small)
	j := joining(t, b)
	i := incident.Incident{ID: "0123456789ab", State: incident.Sealed, Revision: 1}
	if now, err := b.Incident(t.Context(), i.ID); err != nil || now.Revision != 0 {
		t.Errorf("one that nobody told of: %+v, %v", now, err)
	}
	for ; i.Revision <= 2; i.Revision++ {
		if err := j.PublishIncidents(t.Context(), []incident.Incident{i}); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := b.Incident(t.Context(), i.ID); err != nil || now.Revision != 2 {
		t.Errorf("%+v, %v", now, err)
	}
	got, asked := make(chan int, 10), map[int]bool{}
	background(t, func(ctx context.Context) error {
		return b.ConsumeIncidents(ctx, func(_ context.Context, i incident.Incident) error {
			if i.Revision == 1 && !asked[1] {
				asked[1] = true
				return &incident.Postponed{For: time.Second}
			}
			got <- i.Revision
			return nil
		})
	})
	if first, then := next(t, got), next(t, got); first != 2 || then != 1 {
		t.Errorf("revisions %d and %d", first, then)
	}
	if now := time.Now(); b.later.count(incidents, now) > 1 || b.later.count(incidents, now.Add(time.Second)) != 0 {
		t.Errorf("%v are put off", b.later.at)
	}
	if n := metric(t, reg, "cortexops_bus_retried_total"); n != 0 {
		t.Errorf("%v failures are counted", n)
	}
}

// TestAWrongURLIsNotQuoted needs no server: a password with a % in it is what makes it wrong.
func TestAWrongURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"nats://user:hunter%2@127.0.0.1:1", "user:hunter%2@127.0.0.1:1", "nats://127.0.0.1:1,nats://user:hunter%2@127.0.0.1:1",
		"nats://user:hunter2@127.0.0.1:1", "127.0.0.1:1"} {
		_, err := Connect(t.Context(), Options{URL: at})
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v", err)
		}
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// foldOf stores a fold of signals.
func foldOf(t *testing.T, p *Partition, list []incident.Signal) {
	t.Helper()
	var raw [][]byte
	for _, s := range list {
		raw = append(raw, encode(t, s))
	}
	if err := p.tell(t.Context(), list, raw, time.Time{}, func(list []incident.Signal) incident.Fold { return incident.Fold{Signals: list} }); err != nil {
		t.Fatal(err)
	}
}
