package correlate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// item is a signal or a change of the graph.
type item struct {
	s *incident.Signal
	c *incident.GraphChange
}

func (i item) at() time.Time {
	if i.c != nil {
		return i.c.At
	}
	return i.s.AcceptedAt
}

func (i item) put(j *Joiner) {
	if i.c != nil {
		j.Change(*i.c)
	} else {
		j.Add(*i.s)
	}
}

func items(list []incident.Signal) (out []item) {
	for _, s := range list {
		out = append(out, item{s: &s})
	}
	return out
}

func applying(g *chart) *Joiner {
	return NewJoiner(JoinerOptions{Graph: g, Settle: settle, Apply: func(incident.GraphChange) error { return nil }})
}

// drawItems is an outbreak, some of whose signals the cluster has told, with objects of it that are deleted; it takes minutes or hours.
func drawItems(t *rapid.T) ([]item, *chart) {
	list, g := outbreak(t)
	scale := rapid.SampledFrom([]float64{1, 1, 1, 20, 200}).Draw(t, "longer")
	var out []item
	for i := range list {
		s := &list[i]
		if k := rapid.IntRange(0, 3).Draw(t, "source"); k == 0 {
			s.Source, s.Fingerprint = "kubernetes", incident.Digest("kubernetes", s.Subject.Key(), s.Name, s.Container)[:16]
		}
		d := s.AcceptedAt.Sub(s.StartsAt)
		s.AcceptedAt = t0.Add(time.Duration(float64(s.AcceptedAt.Sub(t0)) * scale))
		s.StartsAt = s.AcceptedAt.Add(-d).Truncate(time.Second)
		if s.Status == incident.Resolved {
			s.EndsAt = s.AcceptedAt.Truncate(time.Second)
		}
		s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
		out = append(out, item{s: s})
	}
	for range rapid.IntRange(0, 4).Draw(t, "deletions") {
		s := list[rapid.IntRange(0, len(list)-1).Draw(t, "of")]
		at := s.AcceptedAt.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "after")) * time.Second)
		out = append(out, item{c: &incident.GraphChange{At: at, Delete: &incident.GraphItem{Node: &incident.Node{Resource: s.Subject}}}})
	}
	return out, g
}

// ref is what comes of them in their order.
func ref(list []item, g *chart) string {
	j := applying(g)
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b item) int { return a.at().Compare(b.at()) })
	var out []Revision
	for _, i := range list {
		i.put(j)
		out = append(out, j.Advance(i.at())...)
	}
	return final(append(out, j.Finish()...))
}

func sameItems(t *rapid.T, list []item, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	var b strings.Builder
	for _, i := range list {
		if i.c != nil {
			fmt.Fprintf(&b, "  deleted %s at %v\n", i.c.Delete.Node.Resource, i.c.At.Sub(t0))
			continue
		}
		s := i.s
		fmt.Fprintf(&b, "  %s %s %s on %s %s starts %v accepted %v\n", s.Source, s.Name, s.Status, s.Subject.Cluster, s.Subject, s.StartsAt.Sub(t0), s.AcceptedAt.Sub(t0))
	}
	t.Fatalf("signals\n%sgot\n%s\nwant\n%s", b.String(), got, want)
}

// TestDeletionsComeInAnyOrder, and twice: the incidents are the same.
func TestDeletionsComeInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := drawItems(t)
		want := ref(list, g)
		j := applying(g)
		var out []Revision
		seen := t0
		for _, i := range late(t, list, item.at, j) {
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				i.put(j)
			}
			seen = later(seen, i.at())
			if rapid.Bool().Draw(t, "advance") {
				out = append(out, j.Advance(seen)...)
			}
		}
		sameItems(t, list, final(append(out, j.Finish()...)), want)
	})
}

// TestEachWorkloadIsAMemberOnce, and one signal is one outbreak at most.
func TestEachWorkloadIsAMemberOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := drawItems(t)
		j := applying(g)
		slices.SortStableFunc(list, func(a, b item) int { return a.at().Compare(b.at()) })
		again := map[string]int{}
		for _, i := range list {
			i.put(j)
			for _, r := range j.Advance(i.at().Add(j.Lateness + 1)) {
				seen := map[string]bool{}
				for _, m := range r.Members {
					if k := m.Resource.Key(); seen[k] {
						t.Fatalf("%s twice in %s", m.Resource, final([]Revision{r}))
					}
					seen[m.Resource.Key()] = true
				}
				if r.State != incident.Provisional {
					if r.Reopened > again[r.ID]+1 {
						t.Fatalf("%s reopened from %d to %d by one signal", r.Root, again[r.ID], r.Reopened)
					}
					again[r.ID] = r.Reopened
				}
			}
		}
	})
}

// TestDeletionsAndRestarts at any point, with what is stored by then: the incidents are the same.
func TestDeletionsAndRestarts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := drawItems(t)
		want := ref(list, g)
		j := applying(g)
		stored := storage{}
		arriving := late(t, list, item.at, j)
		seen := t0
		for n, i := range arriving {
			if i.at().Sub(seen) > 30*time.Second { // time does not jump
				stored.store(t, j.Advance(i.at().Add(-2*time.Second)))
				seen = i.at().Add(-2 * time.Second)
			}
			i.put(j)
			seen = later(seen, i.at())
			out := j.Advance(seen)
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				stored.store(t, out[:rapid.IntRange(0, len(out)).Draw(t, "stored")])
				j = applying(g)
				j.Restore(slices.Collect(maps.Values(stored)))
				for _, i := range arriving[:n+1] {
					if seen.Sub(i.at()) <= horizon+time.Minute {
						i.put(j)
					}
				}
				out = j.Advance(seen)
			}
			stored.store(t, out)
		}
		stored.store(t, j.Finish())
		sameItems(t, list, stored.final(), want)
	})
}
