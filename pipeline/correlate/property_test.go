package correlate

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// names of apps over two namespaces and two clusters.
var names = []string{"web", "api", "data/db", "eu/data/db", "eu/shop/cart"}

// outbreak draws some signals over half a minute, or over many with heals in between, a graph between the workloads, and what was rolled out.
func outbreak(t *rapid.T) ([]incident.Signal, *chart) {
	g := line("x", "y")
	for _, from := range names {
		for _, to := range names {
			if from != to && rapid.IntRange(0, 5).Draw(t, "edge") == 0 {
				g.and(from, to)
			}
		}
		if rapid.IntRange(0, 2).Draw(t, "rollout") == 0 {
			g.changed(from, rapid.SampledFrom([]string{"9f3c1d2", "77e0b41"}).Draw(t, "revision"), -60)
		}
	}
	named := map[string]string{}
	for _, name := range names {
		named["Slow"+name] = rapid.SampledFrom([]string{"", "", "t1", "t2"}).Draw(t, "trace")
	}
	var list []incident.Signal
	scale := rapid.SampledFrom([]float64{10, 1, .25}).Draw(t, "scale")
	for range rapid.IntRange(1, 25).Draw(t, "signals") {
		accepted := float64(rapid.IntRange(0, 300).Draw(t, "accepted")) / scale
		starts := accepted - float64(rapid.IntRange(0, 40).Draw(t, "before"))/10
		s := on(rapid.SampledFrom([]string{"Oom", "Slow"}).Draw(t, "alert"), rapid.SampledFrom(names).Draw(t, "on"), float64(int(starts)), accepted)
		if trace := named[s.Fingerprint]; trace != "" {
			s.Labels = map[string]string{"trace_id": trace}
		}
		if rapid.IntRange(0, 3).Draw(t, "resolved") == 0 {
			s = end(s, float64(int(accepted)), accepted)
		}
		list = append(list, s)
	}
	return list, g
}

// late permutes: each may come up to Lateness later than its time.
func late[T any](t *rapid.T, list []T, at func(T) time.Time, j *Joiner) []T {
	type late struct {
		one   T
		comes time.Time
	}
	var all []late
	for _, one := range list {
		all = append(all, late{one, at(one).Add(time.Duration(rapid.IntRange(0, int(j.Lateness.Milliseconds())-1).Draw(t, "late")) * time.Millisecond)})
	}
	slices.SortStableFunc(all, func(a, b late) int { return a.comes.Compare(b.comes) })
	out := make([]T, len(all))
	for i, l := range all {
		out[i] = l.one
	}
	return out
}

func acceptance(s incident.Signal) time.Time { return s.AcceptedAt }

// reference is what comes of them in their order.
func reference(list []incident.Signal, g *chart) string { return ref(items(list), g) }

func same(t *rapid.T, list []incident.Signal, got, want string) {
	t.Helper()
	sameItems(t, items(list), got, want)
}

// storage is the last revision of each incident that was stored.
type storage map[string]incident.Incident

func (st storage) store(t *rapid.T, list []Revision) {
	for _, r := range list {
		if old, ok := st[r.ID]; ok && r.Revision != old.Revision+1 {
			t.Fatalf("revision %d of %s follows %d", r.Revision, r.ID, old.Revision)
		}
		st[r.ID] = r.Incident
	}
}

func (st storage) final() string {
	var all []Revision
	for _, i := range st {
		all = append(all, Revision{Incident: i})
	}
	return final(all)
}

// anew reports whether a firing that is told again at a time would be no duplicate: it has been resolved for long.
func anew(list []incident.Signal, again incident.Signal, at time.Time) bool {
	return again.Status == incident.Firing && slices.ContainsFunc(list, func(s incident.Signal) bool {
		return s.Status == incident.Resolved && s.Fingerprint == again.Fingerprint && at.Sub(s.AcceptedAt) > overtaking/2
	})
}

func TestOrderAndDuplicatesDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := outbreak(t)
		want := reference(list, g)
		j := joiner(g)
		var out []Revision
		seen := t0
		for _, s := range late(t, list, acceptance, j) {
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				j.Add(s)
			}
			if again := list[rapid.IntRange(0, len(list)-1).Draw(t, "again")]; again.AcceptedAt.Before(s.AcceptedAt) && !anew(list, again, s.AcceptedAt) {
				again.AcceptedAt = s.AcceptedAt.Add(time.Millisecond) // told again by its source
				j.Add(again)
			}
			seen = later(seen, s.AcceptedAt)
			if rapid.Bool().Draw(t, "advance") {
				out = append(out, j.Advance(seen)...)
			}
		}
		same(t, list, final(append(out, j.Finish()...)), want)
	})
}

// TestReplicasDoNotMatter splits the signals over partitions, each of which is read at its own speed, by a stage of its own
// that may be restarted.
func TestReplicasDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := outbreak(t)
		want := reference(list, g)
		j := joiner(g)
		parts := make([][]incident.Signal, rapid.IntRange(1, 8).Draw(t, "replicas"))
		for _, s := range late(t, list, acceptance, j) {
			p := rapid.IntRange(0, len(parts)-1).Draw(t, "partition")
			parts[p] = append(parts[p], s)
		}
		stages, seen := make([]*Dedupe, len(parts)), make([]time.Time, len(parts))
		for p := range parts {
			stages[p] = NewDedupe()
		}
		var out []Revision
		for {
			var left []int
			for p := range parts {
				if len(parts[p]) > 0 {
					left = append(left, p)
				}
			}
			if len(left) == 0 {
				break
			}
			p := rapid.SampledFrom(left).Draw(t, "next")
			s := parts[p][0]
			parts[p] = parts[p][1:]
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				stages[p] = NewDedupe()
			}
			if stages[p].New(s) {
				j.Add(s)
			}
			if stages[p].New(s) {
				t.Fatal("the same word went on twice")
			}
			seen[p] = later(seen[p], s.AcceptedAt)
			behind := slices.MinFunc(left, func(a, b int) int { return seen[a].Compare(seen[b]) })
			out = append(out, j.Advance(seen[behind])...)
		}
		same(t, list, final(append(out, j.Finish()...)), want)
	})
}

// TestRestartsDoNotMatter kills the joiner: the next one knows what was told, and reads all again.
func TestRestartsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list, g := outbreak(t)
		want := reference(list, g)
		j := joiner(g)
		stored := storage{}
		arriving := late(t, list, acceptance, j)
		seen := t0
		for n, s := range arriving {
			j.Add(s)
			seen = later(seen, s.AcceptedAt)
			out := j.Advance(seen)
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				stored.store(t, out[:rapid.IntRange(0, len(out)).Draw(t, "stored")]) // the rest was not published
				j = joiner(g)
				j.Restore(slices.Collect(maps.Values(stored)))
				for _, s := range arriving[:n+1] {
					j.Add(s)
				}
				out = j.Advance(seen)
			}
			stored.store(t, out)
		}
		stored.store(t, j.Finish())
		same(t, list, stored.final(), want)
	})
}
