package bus

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// follow waits until so many of these follow, and says which do.
func (r *roster) follow(t *testing.T, want int, names ...string) (who []string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		r.mu.Lock()
		who = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !r.runs[name][followShare] })
		r.mu.Unlock()
		if len(who) == want {
			return who
		}
		select {
		case <-deadline:
			t.Fatalf("%v follow of %v, want %d", who, names, want)
		case <-tick.C:
		}
	}
}

// TestEachClusterHasOneFollower among its own processes, whoever joins, and the next one where that has gone.
func TestEachClusterHasOneFollower(t *testing.T) {
	t.Parallel()
	b, reg := open(t, small)
	r := &roster{runs: map[string]map[int]bool{}}
	own := func(b *Bus, name, cluster string) (stop func()) {
		s := r.of(name)
		s.Cluster, s.Follow = cluster, func(ctx context.Context, _ *Following) error { return r.hold(ctx, name, followShare) }
		return background(t, func(ctx context.Context) error { return b.Own(ctx, s) })
	}
	c, _ := another(t, b, small)
	d, _ := another(t, b, small)
	own(b, "us", "us")
	stops := map[string]func(){"eu-1": own(c, "eu-1", "eu"), "eu-2": own(d, "eu-2", "eu")}
	all := func(n int) bool { return r.count("us")+r.count("eu-1")+r.count("eu-2") == n }
	for deadline := time.Now().Add(time.Minute); !all(Partitions) || r.joins("us", "eu-1", "eu-2") != 1 || r.count("us")*r.count("eu-1")*r.count("eu-2") == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the partitions are not shared: %v", r.runs)
		}
	}
	r.follow(t, 1, "us")
	one := r.follow(t, 1, "eu-1", "eu-2")[0]
	stops[one]()
	if next := r.follow(t, 1, "eu-1", "eu-2")[0]; next == one {
		t.Errorf("%s has gone and follows", one)
	}
	r.follow(t, 1, "us")
	if n := metric(t, reg, "cortexops_bus_follows"); n != 1 {
		t.Errorf("the gauge says %v", n)
	}
}

// TestWhoWasReplacedTellsNothing of the cluster that another process follows now; who follows another cluster goes on.
func TestWhoWasReplacedTellsNothing(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	claims := func(cluster string, lose func()) *Following {
		t.Helper()
		f, err := b.claimCluster(t.Context(), cluster, t.Name(), lose)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	lost := make(chan struct{}, 1)
	first, other := claims("eu", func() { lost <- struct{}{} }), claims("us", func() { t.Error("it is replaced, too") })
	if err := errors.Join(first.PublishTopology(t.Context(), []incident.GraphChange{node("a")}), other.PublishTopology(t.Context(), []incident.GraphChange{node("x")})); err != nil {
		t.Fatal(err)
	}
	second := claims("eu", func() { t.Error("it is replaced by who was replaced") })
	if err := first.PublishTopology(t.Context(), []incident.GraphChange{node("b")}); !errors.Is(err, ErrLost) {
		t.Errorf("who was replaced got %v, want ErrLost", err)
	}
	next(t, lost)
	if err := errors.Join(second.PublishTopology(t.Context(), []incident.GraphChange{node("c")}), other.PublishTopology(t.Context(), []incident.GraphChange{node("d")})); err != nil {
		t.Error(err)
	}
	known, err := second.TopologySince(t.Context(), 0)
	if err != nil || len(known) != 4 {
		t.Fatalf("%d records, %v", len(known), err)
	}
	for n, want := range []string{"a", "x", "c", "d"} {
		if got := known[n].Upsert.Node.Name; got != want {
			t.Errorf("%s as number %d, want %s", got, n, want)
		}
	}
}

// TestWhoTellsOfWhatIsKnownToTheNextJoiner, also of a cluster in which nothing changes: and the claim does not leave with its age.
func TestWhoTellsOfWhatIsKnownToTheNextJoiner(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	f, err := b.claimCluster(t.Context(), "eu", t.Name(), func() { t.Error("it is lost") })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.marked = time.Now().Add(-durably)
		if err := f.PublishTopology(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+folds)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), f.epoch); err != nil {
		t.Fatal(err)
	}
	if err := f.PublishTopology(t.Context(), []incident.GraphChange{node("a")}); err != nil {
		t.Errorf("without its claim, but with marks after it: %v", err)
	}
	j, got := joining(t, b), make(chan incident.JoinRecord, 10)
	joined(t, j, 1, got)
	if r := next(t, got); len(r.Changes) != 1 {
		t.Errorf("%+v", r)
	}
	if told, _ := j.Topology(); len(told) != 1 || time.Since(told["eu"]) > time.Minute {
		t.Errorf("told %v", told)
	}
}

// TestAClaimThatLeftTheStreamIsMadeAnew by whoever follows, who loses it first.
func TestAClaimThatLeftTheStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	lost := make(chan struct{}, 2)
	f, err := b.claimCluster(t.Context(), "eu", t.Name(), func() { lost <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+folds)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), f.epoch); err != nil {
		t.Fatal(err)
	}
	f.marked = time.Now().Add(-durably)
	if err := f.PublishTopology(t.Context(), nil); !errors.Is(err, ErrLost) {
		t.Errorf("%v, want ErrLost", err)
	}
	next(t, lost)
}
