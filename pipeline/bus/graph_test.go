package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// snapshots stores records of the topology, and at each of some positions in them a snapshot, in this order.
func snapshots(t *testing.T, b *Bus, j *Join, records int, positions ...uint64) {
	t.Helper()
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+folds)
	if err != nil {
		t.Fatal(err)
	}
	for n := int(s.CachedInfo().State.LastSeq); n < records; n++ {
		if err := b.PublishTopology(t.Context(), []incident.GraphChange{node(fmt.Sprintf("pod-%d", n))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range positions {
		at := time.Now().Add(-time.Hour + time.Duration(p)*time.Minute)
		if err := j.SaveGraph(t.Context(), GraphSnapshot{Position: p, At: at, Body: []byte(fmt.Sprint(p))}); err != nil {
			t.Fatal(err)
		}
	}
}

func positions(t *testing.T, b *Bus) (list []uint64) {
	t.Helper()
	_, kept, err := b.graphs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		list = append(list, k.Position)
	}
	return list
}

func TestTheGraphIsKept(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	if g, err := joining(t, b).LoadGraph(t.Context()); err != nil || g != nil {
		t.Fatalf("%v, %v, and none was kept", g, err)
	}
	j := joining(t, b)
	snapshots(t, b, j, 60, 10, 20, 40, 50)
	if got := positions(t, b); !slices.Equal(got, []uint64{20, 40, 50}) {
		t.Errorf("kept are %v", got)
	}
	snapshots(t, b, j, 60, 60, 60) // younger than what may not be sealed
	if got := positions(t, b); !slices.Equal(got, []uint64{40, 50, 60}) {
		t.Errorf("kept are %v", got)
	}
	g, err := joining(t, b).LoadGraph(t.Context())
	if err != nil || g == nil || g.Position != 50 || string(g.Body) != "50" {
		t.Errorf("%+v, %v, want the newest that is older than what was not sealed", g, err)
	}
}

// Whoever was replaced keeps no graph, and where it was too late to refuse it, an older one is not the newest for that.
func TestAStaleGraphIsNotTheNewest(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	stale := joining(t, b)
	snapshots(t, b, stale, 60, 10)
	now := joining(t, b)
	snapshots(t, b, now, 60, 40)
	if err := stale.SaveGraph(t.Context(), GraphSnapshot{Position: 20, At: time.Now(), Body: []byte("stale")}); !errors.Is(err, ErrLost) {
		t.Errorf("the stale owner got %v, want ErrLost", err)
	}
	now.epoch, stale.epoch = stale.epoch, now.epoch // the one that comes late does not know yet
	snapshots(t, b, stale, 60, 20)
	if g, err := b.Graph(t.Context()); err != nil || g == nil || g.Position != 40 {
		t.Errorf("the newest is %+v, %v", g, err)
	}
	if got := positions(t, b); !slices.Equal(got, []uint64{10, 20, 40}) {
		t.Errorf("kept are %v", got)
	}
}

// The graph of before FOLDS was lost is a good one to begin with, and none of the records that come now is in it.
func TestTheGraphOutlivesItsStream(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	b.still()
	snapshots(t, b, joining(t, b), 60, 40, 50)
	lose(t, b, folds)
	if err := b.mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	j := joining(t, b)
	snapshots(t, b, j, 6)
	for _, load := range []func(context.Context) (*GraphSnapshot, error){j.LoadGraph, b.Graph} {
		if g, err := load(t.Context()); err != nil || g == nil || g.Position != 0 || string(g.Body) != "50" {
			t.Errorf("%+v, %v, want the newest, with nothing of the stream in it", g, err)
		}
	}
	snapshots(t, b, j, 6, 3)
	if g, err := b.Graph(t.Context()); err != nil || g == nil || g.Position != 3 {
		t.Errorf("%+v, %v, want the one of the stream that is there now", g, err)
	}
}

// A capture begins with the newest graph that holds nothing of the time that is asked for.
func TestTheGraphOfBefore(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Folds = 64 << 10
	b, _ := open(t, limits)
	j := joining(t, b)
	at := func(position uint64) time.Time {
		t.Helper()
		s, err := b.js.Stream(t.Context(), b.prefix+"-"+folds)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), position)
		if err != nil {
			t.Fatal(err)
		}
		return m.Time
	}
	snapshots(t, b, j, 60, 20, 40, 50)
	for since, want := range map[time.Time]string{at(21): "20 false", at(40): "20 false", at(41): "40 false", at(51): "50 false", at(60).Add(time.Hour): "50 false",
		at(20): "none", at(1): "none"} {
		g, later, err := b.GraphBefore(t.Context(), since)
		got := "none"
		if g != nil {
			got = fmt.Sprint(string(g.Body), " ", later)
		}
		if err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	began := at(20)
	const many = 1000 // more than fit
	snapshots(t, b, j, many, many-60, many-50, many-40)
	if g, later, err := b.GraphBefore(t.Context(), began); err != nil || g == nil || string(g.Body) != fmt.Sprint(many-60) || !later {
		t.Errorf("%+v, %v, %v, want the oldest", g, later, err)
	}
}
