package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func traced(trace string, s incident.Signal) incident.Signal {
	s.Labels = map[string]string{"trace_id": trace}
	return s
}

// What names several workloads ties those that are near in time, whichever of them came first, and goes on to when one has healed.
func TestANameTiesNeighbours(t *testing.T) {
	t.Parallel()
	g := line("x", "y")
	for _, name := range []string{"a", "b", "c"} {
		g.changed(name, "9f3c1d2", -60)
	}
	a := on("Oom", "a", 0, 1)
	for name, tc := range map[string]struct {
		signals []incident.Signal
		want    string
	}{
		"each to the one before it": {[]incident.Signal{a, on("Oom", "b", 540, 541), on("Oom", "c", 1080, 1081)}, "a sealed: shop/a(1) shop/b(1) shop/c(1)"},
		"whichever came first":      {[]incident.Signal{on("Oom", "c", 1080, 1), a, on("Oom", "b", 540, 2)}, "a sealed: shop/a(1) shop/b(1) shop/c(1)"},
		"an onset that moves":       {[]incident.Signal{a, on("Oom", "b", 1500, 2), on("Slow", "b", 500, 3)}, "a sealed: shop/a(1) shop/b(2)"},
		"around one that is over":   {[]incident.Signal{a, end(a, 2, 3), on("Oom", "b", 14, 15), on("Oom", "c", 15, 16)}, "a resolved: shop/a(1); b sealed: shop/b(1) shop/c(1)"},
		"over one that is over": {[]incident.Signal{on("Slow", "b", 300, 1), end(on("Slow", "b", 300, 1), 2, 3), on("Oom", "a", 0, 12), on("Slow", "c", 600, 13)},
			"a sealed: shop/a(1) shop/c(1); b resolved: shop/b(1)"},
		"a trace that a later alert tells": {[]incident.Signal{on("Oom", "m", 0, 1), traced("4bf92f", on("Slow", "m", 1, 2)), traced("4bf92f", on("Slow", "n", 2, 3))}, "m sealed: shop/m(2) shop/n(1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := joiner(g)
			var out []Revision
			for _, s := range tc.signals {
				j.Add(s)
				out = append(out, j.Advance(s.AcceptedAt)...)
			}
			last := tc.signals[len(tc.signals)-1].AcceptedAt
			if got := said(append(out, j.Advance(last.Add(20*time.Second))...)); got != tc.want {
				t.Errorf("got\n%s, want\n%s", got, tc.want)
			}
		})
	}
}

func TestANameOfManyTiesFew(t *testing.T) {
	t.Parallel()
	g := line("x", "y")
	j := joiner(g)
	const n = 2000
	for i := range n {
		name := fmt.Sprintf("app%d", i)
		g.changed(name, "9f3c1d2", -60)
		j.Add(on("Oom", name, float64(i%60), 1+float64(i)/n))
	}
	j.Advance(at(5))
	links := 0
	for _, t := range j.active {
		links += len(t.links)
	}
	if links > 6*n {
		t.Errorf("%d workloads of one revision have %d links", n, links)
	}
	if out := j.Finish(); len(last(out)) < 1 || len(slices.MaxFunc(last(out), func(a, b incident.Incident) int { return len(a.Members) + a.Unlisted - len(b.Members) - b.Unlisted }).Members) < 500 {
		t.Errorf("not one incident")
	}
}

// What becomes of a workload does not depend on how often we looked while its likeliest cause healed.
func TestWhatHealedIsNoCause(t *testing.T) {
	t.Parallel()
	for _, looked := range []bool{false, true} {
		j := joiner(line("web", "db").and("web", "api"))
		db := on("Oom", "db", 0, 1)
		var out []Revision
		for _, s := range []incident.Signal{db, end(db, 99, 100), on("Slow", "web", 104, 105), on("Errors", "api", 105, 106)} {
			j.Add(s)
			if looked {
				out = append(out, j.Advance(s.AcceptedAt.Add(1100*time.Millisecond))...)
			}
		}
		out = append(out, j.Advance(at(200))...)
		if got, want := said(out), "api sealed: shop/api(1) shop/web(1); db resolved: shop/db(1)"; got != want {
			t.Errorf("looked %v: got %s, want %s", looked, got, want)
		}
	}
}

func TestLateForAHealedWorkloadIsAnOutbreak(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	j := joiner(line("web", "db"))
	j.Add(a)
	j.Add(end(a, 20, 21))
	out := j.Advance(at(60))
	j.Add(on("Slow", "db", 15, 16)) // on its way for longer than others are waited for
	out = append(out, j.Advance(at(61))...)
	out = append(out, j.Finish()...)
	if got := said(out); got != "db sealed: shop/db(2)" || j.Late != 1 {
		t.Errorf("got %s, %d late", got, j.Late)
	}
}

func TestAClockThatIsAheadMakesNoNewIncident(t *testing.T) {
	t.Parallel()
	j := joiner(line("web", "db"))
	var out []Revision
	for n := range 3 { // its episodes begin two hours ahead
		s := on("Oom", "db", 7200+60*float64(n), 60*float64(n))
		j.Add(s)
		out = append(out, j.Advance(s.AcceptedAt)...)
	}
	if got := said(append(out, j.Finish()...)); got != "db sealed: shop/db(1)" {
		t.Errorf("got %s", got)
	}
}

func TestDedupeLetsAnAlertFireAgain(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	for name, tc := range map[string]struct {
		told []incident.Signal
		want string
	}{
		"the same word":                   {[]incident.Signal{a, accepted(a, 300)}, "firing"},
		"after its end":                   {[]incident.Signal{a, end(a, 20, 21), accepted(a, 300), accepted(a, 301)}, "firing resolved firing"},
		"ended when it was told":          {[]incident.Signal{a, end(a, 0, 1), accepted(a, 300), accepted(a, 301)}, "firing resolved firing"},
		"at once after its end":           {[]incident.Signal{a, end(a, 20, 21), accepted(a, 25), accepted(a, 300)}, "firing resolved firing"},
		"after its end was told twice":    {[]incident.Signal{a, end(a, 20, 21), end(a, 20, 30), accepted(a, 300)}, "firing resolved firing"},
		"twice":                           {[]incident.Signal{a, end(a, 20, 21), accepted(a, 300), end(a, 310, 311), accepted(a, 400)}, "firing resolved firing resolved firing"},
		"the end of another says nothing": {[]incident.Signal{a, end(on("Slow", "db", 0, 1), 20, 21), accepted(a, 300)}, "firing resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := NewDedupe()
			var got []string
			for _, s := range tc.told {
				if d.New(s) {
					got = append(got, string(s.Status))
				}
			}
			if fmt.Sprint(got) != "["+tc.want+"]" {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestDedupeHasABound(t *testing.T) {
	t.Parallel()
	d := NewDedupe()
	for i := range most + 1 {
		s := incident.Signal{ID: fmt.Sprint(i), Status: incident.Firing, AcceptedAt: at(1)}
		if !d.New(s) || d.New(s) {
			t.Fatalf("signal %d: not new, or twice", i)
		}
	}
	if len(d.accepted) > most {
		t.Errorf("keeps %d words", len(d.accepted))
	}
}
