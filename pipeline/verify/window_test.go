package verify

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var begin = time.Date(2026, 11, 20, 10, 50, 0, 0, time.UTC)

func obs(check string, values ...string) Observation {
	if len(values) == 0 {
		return Observation{Check: check, NoData: "the query gives no series"}
	}
	return Observation{Check: check, Values: values}
}

// Each case is a run of samples, ten seconds apart unless it says otherwise, over a window of a minute; every step
// goes through JSON, as it does between two lives of a worker.
func TestStep(t *testing.T) {
	t.Parallel()
	one := []incident.Check{{Name: "a", Must: "== 0", For: 30 * time.Second}}
	two := append(one[:1:1], incident.Check{Name: "b", Must: "< 0.5", For: 20 * time.Second})
	n := func(count int, values ...string) [][]string { // count samples of check a
		var all [][]string
		for range count {
			all = append(all, values)
		}
		return all
	}
	join := func(runs ...[][]string) (all [][]string) {
		for _, r := range runs {
			all = append(all, r...)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		checks []incident.Check
		a, b   [][]string // the samples, by step; b may be left out
		after  []int      // seconds since the begin, by step; 0, 10, 20 … if left out
		result string
		at     int    // seconds after the begin at which the verdict falls
		value  string // part of a value of it
	}{
		{"passes early", one, n(9, "0"), nil, nil, incident.Pass, 30, "0"},
		{"passes once it has healed", one, join(n(2, "1"), n(9, "0")), nil, nil, incident.Pass, 50, "0"},
		{"a break starts again", one, join(n(3, "0"), n(1, "1"), n(9, "0")), nil, nil, incident.Fail, 60, "0, but held for only 20s of 30s"},
		{"fails at the end only", one, n(9, "3"), nil, nil, incident.Fail, 60, "3"},
		{"no data at all", one, n(9), nil, nil, incident.NoData, 60, "no series"},
		{"NaN is no data", one, n(9, "NaN"), nil, nil, incident.NoData, 60, "NaN"},
		{"-Inf is no data", []incident.Check{{Name: "a", Must: "<= 0.3", For: 30 * time.Second}}, n(9, "-Inf"), nil, nil, incident.NoData, 60, "-Inf"},
		{"+Inf is much", []incident.Check{{Name: "a", Must: "<= 0.3", For: 30 * time.Second}}, n(9, "+Inf"), nil, nil, incident.Fail, 60, "+Inf"},
		{"data goes away", one, join(n(2, "0"), n(9)), nil, nil, incident.NoData, 60, "no series"},
		{"data goes away after a break", one, join(n(3, "1"), n(9)), nil, nil, incident.NoData, 60, "no series"},
		{"data comes too late", one, join(n(5), n(9, "0")), nil, nil, incident.NoData, 60, "seen for only 10s of 30s"},
		{"broken, silent, holds: silence decides nothing", one, join(n(2, "1"), n(2), n(9, "0")), nil, nil, incident.NoData, 60, "seen for only 20s"},
		{"every series", one, n(9, "0", "0", "0"), nil, nil, incident.Pass, 30, "0"},
		{"one series breaks it", one, n(9, "0", "7", "0"), nil, nil, incident.Fail, 60, "7"},
		{"one series is NaN", one, n(9, "0", "NaN", "0"), nil, nil, incident.NoData, 60, "NaN"},
		{"one breaks it beside NaN", one, n(9, "NaN", "7"), nil, nil, incident.Fail, 60, "7"},
		{"infinite", one, n(9, "+Inf"), nil, nil, incident.Fail, 60, "+Inf"},
		{"both", two, n(9, "0"), n(9, "0.4"), nil, incident.Pass, 30, "0.4"},
		{"all at once", two, join(n(4, "0"), n(9, "1")), join(n(3, "0.7"), n(9, "0.4")), nil, incident.Fail, 60, "1"},
		{"fail outweighs no data", two, n(9), n(9, "0.7"), nil, incident.Fail, 60, "0.7"},
		{"no data outweighs pass", two, n(9, "0"), n(9), nil, incident.NoData, 60, "no series"},
		{"for as long as the window", []incident.Check{{Name: "a", Must: "== 0", For: time.Minute}}, n(9, "0"), nil, nil, incident.Pass, 60, "0"},
		{"nobody watched", one, n(9, "0"), nil, []int{0, 10, 300, 310}, incident.Pass, 300, "0"},
		{"nobody watched what is broken", one, n(9, "1"), nil, []int{0, 10, 300}, incident.Fail, 300, "1"},
		{"clock set back", one, n(9, "0"), nil, []int{0, 20, 5, 10, 30}, incident.Pass, 30, "0"},
		{"condition that is none", []incident.Check{{Name: "a", Must: "is 0", For: time.Second}}, n(9, "0"), nil, nil, incident.NoData, 60, "not a comparison"},
		{"nothing to check", nil, n(9, "0"), nil, nil, incident.NoData, 60, ""},
		{"not asked", []incident.Check{{Name: "c", Must: "== 0", For: time.Second}}, n(9, "0"), nil, nil, incident.NoData, 60, "was not asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := Window{Length: time.Minute}
			for i, a := range c.a {
				at := i * 10
				if c.after != nil {
					at = c.after[i]
				}
				sample := []Observation{obs("a", a...)}
				if c.b != nil {
					sample = append(sample, obs("b", c.b[i]...))
				}
				var v *incident.Verdict
				w, v = Step(reread(t, w), c.checks, sample, begin.Add(time.Duration(at)*time.Second))
				if v == nil {
					continue
				}
				if v.Result != c.result || !v.At.Equal(begin.Add(time.Duration(c.at)*time.Second)) {
					t.Errorf("%s after %s, want %s after %ds: %+v", v.Result, v.At.Sub(begin), c.result, c.at, v.Checks)
				}
				if len(v.Checks) != len(c.checks) {
					t.Errorf("%d results", len(v.Checks))
				}
				var values []string
				for _, r := range v.Checks {
					values = append(values, r.Value)
				}
				if !strings.Contains(strings.Join(values, "\n"), c.value) {
					t.Errorf("values %q, want %q", values, c.value)
				}
				return
			}
			t.Fatalf("no verdict; %+v", w)
		})
	}
}

// Twenty minutes without a step count for one, in the hold as in the window.
func TestStepUnwatched(t *testing.T) {
	t.Parallel()
	checks := []incident.Check{{Name: "a", Must: "== 0", For: 5 * time.Minute}}
	holds := []Observation{obs("a", "0")}
	w, _ := Step(Window{Length: 10 * time.Minute}, checks, holds, begin)
	now := begin.Add(20 * time.Minute)
	w, v := Step(w, checks, holds, now)
	if v != nil || w.Checks["a"].held(w.Last) != time.Minute || !w.Ends().Equal(now.Add(9*time.Minute)) {
		t.Fatalf("%+v %+v", w, v)
	}
	for range 4 {
		if v != nil {
			t.Fatalf("verdict before it held for 5m: %+v", v)
		}
		now = now.Add(time.Minute)
		w, v = Step(w, checks, holds, now)
	}
	if v == nil || v.Result != incident.Pass {
		t.Errorf("%+v %+v", w, v)
	}
}

func reread(t *testing.T, w Window) Window {
	t.Helper()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back Window
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// Step leaves the state that it was given alone: it may be taken again.
func TestStepIsPure(t *testing.T) {
	t.Parallel()
	checks := []incident.Check{{Name: "a", Must: "== 0", For: 30 * time.Second}}
	w, _ := Step(Window{Length: time.Minute}, checks, []Observation{obs("a", "0")}, begin)
	before := reread(t, w)
	first, _ := Step(w, checks, []Observation{obs("a", "1")}, begin.Add(3*time.Minute))
	second, _ := Step(w, checks, []Observation{obs("a", "1")}, begin.Add(3*time.Minute))
	if !reflect.DeepEqual(reread(t, w), before) || !reflect.DeepEqual(first, second) {
		t.Errorf("%+v became %+v", before, w)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	checks := []incident.Check{{Name: "a", Must: "== 0", For: time.Minute}, {Name: "b", Must: "< 1", For: time.Minute}, {Name: "c", Must: "< 1", For: time.Minute}}
	w := Window{Length: 10 * time.Minute}
	if got := strings.Join(w.Explain(checks), "\n"); !strings.Contains(got, "a: not asked yet") || !w.Ends().IsZero() {
		t.Error(got)
	}
	sample := []Observation{obs("a", "0"), obs("b", "2"), obs("c")}
	w, _ = Step(w, checks, sample, begin)
	w, _ = Step(w, checks, sample, begin.Add(20*time.Second))
	want := "a: == 0 holds (0) for 20s of 1m0s\nb: < 1 does not hold (2)\nc: no data (the query gives no series)"
	if got := strings.Join(w.Explain(checks), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !w.Ends().Equal(begin.Add(10 * time.Minute)) {
		t.Error(w.Ends())
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	for must, want := range map[string][3]bool{ // of 0, 0.5, 1
		"== 0.5": {false, true, false}, "!=0.5": {true, false, true}, "< 0.5": {true, false, false},
		"<= 0.5": {true, true, false}, "> 5e-1": {false, false, true}, ">= .5": {false, true, true}, "> -1": {true, true, true},
	} {
		holds, err := condition(must)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := [3]bool{holds(0), holds(0.5), holds(1)}; got != want {
			t.Errorf("%s: %v, want %v", must, got, want)
		}
	}
	for _, must := range []string{"", "0", "== ", "=== 0", "= 0", "=> 1", "== NaN", "== 0 for 5m"} {
		if _, err := condition(must); err == nil {
			t.Errorf("%q is taken for a condition", must)
		}
	}
}
