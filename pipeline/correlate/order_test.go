package correlate

import (
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// story is some signals, all accepted within one settle window.
type story []incident.Signal

func (s story) String() string {
	var b strings.Builder
	for _, x := range s {
		fmt.Fprintf(&b, "  %s %s starts %v ends %v accepted %v\n", x.Fingerprint, x.Status, x.StartsAt.Sub(t0), x.EndsAt.Sub(t0), x.AcceptedAt.Sub(t0))
	}
	return b.String()
}

// GoString keeps a failing quick.Check readable.
func (s story) GoString() string { return "the story above" }

func brief(m map[string]incident.Incident) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s %s %s onset %v sealed %v\n%v", id, m[id].State, m[id].Root, m[id].Onset.Sub(t0), m[id].SealedAt.Sub(t0), story(m[id].Signals))
	}
	return b.String()
}

func (story) Generate(r *rand.Rand, size int) reflect.Value {
	var s story
	for n := range 1 + r.Intn(size+1) {
		f := fire([]string{"Oom", "Slow"}[r.Intn(2)], fmt.Sprintf("%s-%d", []string{"checkout", "cart", "api"}[r.Intn(3)], r.Intn(3)),
			float64(r.Intn(4)), float64(n)*0.01)
		if r.Intn(3) == 0 {
			f = end(f, float64(4+r.Intn(3)), float64(n)*0.01)
		}
		s = append(s, f)
		if r.Intn(4) == 0 {
			again := f
			again.AcceptedAt = again.AcceptedAt.Add(time.Millisecond)
			s = append(s, again)
		}
	}
	return reflect.ValueOf(s)
}

// sealed is what comes of the signals in this order, with a look at the provisional incidents after each of `looks`.
func sealed(s story, looks func(int) bool) map[string]incident.Incident {
	e := engine()
	for i, x := range s {
		e.Add(x)
		if looks(i) {
			e.Due(x.AcceptedAt)
		}
	}
	out := map[string]incident.Incident{}
	for _, r := range e.Due(at(60)) {
		i := r.Incident
		i.Revision = 0
		out[i.ID] = i
	}
	return out
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	if err := quick.Check(func(s story, seed int64) bool {
		want := sealed(s, func(int) bool { return false })
		r := rand.New(rand.NewSource(seed))
		shuffled := slices.Clone(s)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		shuffled = append(shuffled, shuffled[r.Intn(len(shuffled))]) // and delivered again
		got := sealed(shuffled, func(int) bool { return r.Intn(3) == 0 })
		if !reflect.DeepEqual(got, want) {
			t.Logf("in order\n%v\nshuffled\n%v\ngot  %v\nwant %v", s, story(shuffled), brief(got), brief(want))
			return false
		}
		return true
	}, &quick.Config{MaxCount: 1000}); err != nil {
		t.Fatal(err)
	}
}

// firedFirst leaves out what resolves something that has not fired yet: a resolution that waits is not on the bus, so a
// restart forgets it.
func firedFirst(s story) story {
	fired := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(s), func(x incident.Signal) bool {
		fired[x.Fingerprint] = fired[x.Fingerprint] || x.Status == incident.Firing
		return !fired[x.Fingerprint]
	})
}

// TestRestartDoesNotMatter kills the engine before or after a publish: what was published is on the bus, and the signal,
// which was not acknowledged, comes again.
func TestRestartDoesNotMatter(t *testing.T) {
	t.Parallel()
	if err := quick.Check(func(s story, seed int64) bool {
		s = firedFirst(s)
		want := sealed(s, func(int) bool { return true })
		r := rand.New(rand.NewSource(seed))
		bus := map[string]incident.Incident{}
		publish := func(list []Revision) {
			for _, x := range list {
				bus[x.ID] = x.Incident
			}
		}
		restarted := func() *Engine {
			e := engine()
			e.Restore(slices.Collect(maps.Values(bus)))
			return e
		}
		e := engine()
		for _, x := range s {
			e.Add(x)
			if r.Intn(3) == 0 {
				e = restarted()
				e.Add(x)
			}
			publish(e.Due(x.AcceptedAt))
			if r.Intn(3) == 0 {
				e = restarted()
				e.Add(x)
			}
		}
		publish(e.Due(at(60)))
		got := map[string]incident.Incident{}
		for id, i := range bus {
			if i.Revision = 0; i.State != incident.Provisional {
				i.SealedAt = want[id].SealedAt // later, where the state that was accepted first had been replaced
				got[id] = i
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Logf("%v\ngot  %v\nwant %v", s, brief(got), brief(want))
			return false
		}
		return true
	}, &quick.Config{MaxCount: 1000}); err != nil {
		t.Fatal(err)
	}
}
