package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// roster of which worker runs which partition.
type roster struct {
	mu   sync.Mutex
	runs map[string]map[int]bool
}

func (r *roster) of(name string) Shares {
	return Shares{
		Fold: func(ctx context.Context, p *Partition) error { return r.hold(ctx, name, p.number) },
		Join: func(ctx context.Context, _ *Join) error { return r.hold(ctx, name, Partitions) },
	}
}

func (r *roster) hold(ctx context.Context, name string, number int) error {
	r.set(name, number, true)
	<-ctx.Done()
	r.set(name, number, false)
	return nil
}

// joins is how many of them join.
func (r *roster) joins(names ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if r.runs[name][Partitions] {
			n++
		}
	}
	return n
}

func (r *roster) set(name string, number int, runs bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[name] == nil {
		r.runs[name] = map[int]bool{}
	}
	r.runs[name][number] = runs
}

func (r *roster) count(name string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number, runs := range r.runs[name] {
		if runs && number < Partitions {
			n++
		}
	}
	return n
}

func (r *roster) until(t *testing.T, want map[string]int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		as := true
		for name, n := range want {
			as = as && r.count(name) == n
		}
		if as {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%v, want %v", r.runs, want)
		case <-tick.C:
		}
	}
}

// another process on the same streams.
func another(t *testing.T, b *Bus, limits Limits) (*Bus, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	c, err := Connect(t.Context(), Options{URL: server(t), Prefix: b.prefix, Limits: limits, Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, reg
}

func TestWorkersShareThePartitions(t *testing.T) {
	t.Parallel()
	b, reg := open(t, small)
	c, _ := another(t, b, small)
	r := &roster{runs: map[string]map[int]bool{}}
	background(t, func(ctx context.Context) error { return b.Own(ctx, r.of("first")) })
	r.until(t, map[string]int{"first": Partitions})
	if n := metric(t, reg, "cortexops_bus_partitions_owned"); n != Partitions {
		t.Errorf("the gauge says %v", n)
	}
	leave := background(t, func(ctx context.Context) error { return c.Own(ctx, r.of("second")) })
	r.until(t, map[string]int{"first": Partitions / 2, "second": Partitions / 2})
	if n := r.joins("first", "second"); n > 1 {
		t.Errorf("%d processes join", n)
	}
	leave()
	r.until(t, map[string]int{"first": Partitions, "second": 0})
	d, _ := another(t, b, small)
	background(t, func(ctx context.Context) error { return d.Own(ctx, r.of("third")) })
	r.until(t, map[string]int{"first": Partitions / 2, "third": Partitions / 2})
	d.nc.Close() // it dies without a word
	r.until(t, map[string]int{"first": Partitions})
	if n := metric(t, reg, "cortexops_bus_joins"); n != 1 {
		t.Errorf("the gauge of joins says %v", n)
	}
}

func TestAStaleJoinerStoresNothing(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	lost := make(chan struct{})
	first, err := b.claimJoin(t.Context(), "first", sync.OnceFunc(func() { close(lost) }))
	if err != nil {
		t.Fatal(err)
	}
	i := incident.Incident{ID: "0123456789ab", State: incident.Provisional, Revision: 1}
	if err := first.PublishIncidents(t.Context(), []incident.Incident{i}); err != nil {
		t.Fatal(err)
	}
	second := joining(t, b)
	list, err := second.LastIncidents(t.Context())
	if err != nil || len(list) != 1 || list[0].Revision != 1 {
		t.Fatalf("the next owner found %v, %v", list, err)
	}
	i.Revision = 2
	if err := first.PublishIncidents(t.Context(), []incident.Incident{i}); !errors.Is(err, ErrLost) {
		t.Errorf("the stale owner got %v, want ErrLost", err)
	}
	next(t, lost)
	if err := second.PublishIncidents(t.Context(), []incident.Incident{i}); err != nil {
		t.Error(err)
	}
	got := make(chan incident.Incident, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeIncidents(ctx, func(_ context.Context, i incident.Incident) error { got <- i; return nil })
	})
	for _, want := range []int{1, 2} { // and no claim is taken for an incident
		if i := next(t, got); i.Revision != want {
			t.Errorf("revision %d, want %d", i.Revision, want)
		}
	}
}

// A stale owner of a partition folds nothing, and the next one begins where the last fold ends, whatever has been acknowledged
// or is still under way to the stale one.
func TestThePartitionGoesOnWhereItsFoldsEnd(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	elsewhere := owned(t, b, home+1) // of no concern
	lost := make(chan struct{})
	first, err := b.claimPartition(t.Context(), home, "first", sync.OnceFunc(func() { close(lost) }))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(from, to int) {
		t.Helper()
		if _, err := b.PublishSignals(t.Context(), some(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	publish(0, 3)
	hung, wake := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		n := 0
		ended <- first.Fold(context.Background(), func(list []incident.Signal) incident.Fold {
			if n += len(list); n > 3 {
				hung <- struct{}{}
				<-wake
			}
			return incident.Fold{Signals: list}
		})
	}()
	records := make(chan incident.JoinRecord, 100)
	joined(t, joining(t, b), 1, records)
	signals := func() (list []incident.Signal) {
		for len(list) == 0 {
			if r := next(t, records); r.Fold != nil && r.Fold.Partition == home {
				list = r.Fold.Signals
			}
		}
		return list
	}
	for n := 0; n < 3; n += len(signals()) {
	}
	publish(3, 6)
	next(t, hung)
	second := owned(t, b, home)
	got := make(chan []incident.Signal, 100)
	folded(t, second, got)
	for n := 3; n < 6; {
		for _, s := range next(t, got) {
			if s.ID != signal(n).ID {
				t.Errorf("got %v as number %d", s.StartsAt, n)
			}
			n++
		}
	}
	close(wake)
	if err := next(t, ended); !errors.Is(err, ErrLost) {
		t.Errorf("the stale owner got %v, want ErrLost", err)
	}
	next(t, lost)
	publish(6, 9)
	seen := 3
	for seen < 9 {
		for _, s := range signals() {
			if s.ID != signal(seen).ID {
				t.Errorf("the joiner got %v as number %d", s.StartsAt, seen)
			}
			seen++
		}
	}
	foldOf(t, elsewhere, some(0, 1))
}

// A new owner lets no signal count as accepted long before what the owner before it has told, unless that was told of the future.
func TestTheNextOwnerKnowsWhatIsTold(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	seen := time.Now().UTC()
	for _, at := range []time.Time{seen, seen.Add(time.Hour)} {
		former := owned(t, b, home)
		if err := former.tell(t.Context(), nil, nil, at, func([]incident.Signal) incident.Fold { return incident.Fold{} }); err != nil {
			t.Fatal(err)
		}
	}
	p, taken := owned(t, b, home), 0
	if err := p.Former(t.Context(), seen.Add(-time.Minute), func(incident.Fold) { taken++ }); err != nil || taken != 2 || !p.seen.Equal(seen) {
		t.Errorf("%d folds, seen %s, want %s, %v", taken, p.seen, seen, err)
	}
}

func TestDroppedIsCountedOnceWhenOwnersChange(t *testing.T) {
	t.Parallel()
	limits := Limits{Signals: Partitions * 16 << 10, Actions: mib, Incidents: mib, Folds: 4 * mib, Graph: mib}
	b, first := open(t, limits)
	c, second := another(t, b, limits)
	received := 0
	take := func(p *Partition, until incident.Signal) {
		got := make(chan []incident.Signal, 1000)
		stop := folded(t, p, got)
		defer stop()
		for {
			list := next(t, got)
			if received += len(list); list[len(list)-1].ID == until.ID {
				return
			}
		}
	}
	const each = 1000 // more than fit
	for n, at := range []*Bus{b, c, b} {
		if _, err := b.PublishSignals(t.Context(), some(n*each, (n+1)*each)); err != nil {
			t.Fatal(err)
		}
		take(owned(t, at, home), signal((n+1)*each-1))
	}
	dropped := metric(t, first, "cortexops_events_dropped_total") + metric(t, second, "cortexops_events_dropped_total")
	if received == 3*each || received+int(dropped) != 3*each {
		t.Errorf("%d came and %v were counted as dropped of %d", received, dropped, 3*each)
	}
}

func TestANamespaceStaysInItsPartition(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for n := range 200 {
		ns := fmt.Sprintf("team-%d", n)
		pod := incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: ns, Name: "checkout-1"}
		owner := incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: ns, Name: "checkout"}
		if partition(pod) != partition(owner) {
			t.Errorf("%s and %s are apart", pod, owner)
		}
		used[partition(pod)] = true
	}
	if len(used) != Partitions {
		t.Errorf("200 namespaces use the partitions %v only", used)
	}
}

func TestStreamsWithoutPartitionsAreRefused(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	former := streams(b.prefix, small)[0]
	former.Name, former.Subjects = b.prefix+"-"+signals, []string{b.prefix + ".former"}
	if _, err := b.js.CreateStream(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.js.DeleteStream(context.Background(), former.Name); err != nil {
			t.Error(err)
		}
	})
	_, err := Connect(t.Context(), Options{URL: server(t), Prefix: b.prefix, Limits: small})
	var old *FormerError
	if !errors.As(err, &old) || old.Stream != former.Name {
		t.Errorf("got %v, want a refusal", err)
	}
}
