package verify

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// patience is for how long one observation speaks: what comes later than that was not watched.
const patience = time.Minute

// Window is how far a verification is. It is plain data, to be kept by whoever must go on after a crash; the next Step
// takes it up. A new one is Window{Length: …}; it opens with its first Step.
type Window struct {
	Length time.Duration    `json:"length"`
	Opened time.Time        `json:"opened,omitzero"`
	Last   time.Time        `json:"last,omitzero"` // the latest Step
	Checks map[string]Track `json:"checks,omitempty"`
}

// Track is how one check stands.
type Track struct {
	Since  time.Time `json:"since,omitzero"` // its condition holds since then; zero where it does not
	Broke  bool      `json:"broke"`          // when it last did not hold, it was broken, rather than without data
	Result string    `json:"result"`         // of the last observation: pass, fail or no-data
	Value  string    `json:"value"`          // of the last observation, or why there is none
}

// Ends is when the verdict falls at the latest, as things stand; zero before the first Step.
func (w Window) Ends() time.Time {
	if w.Opened.IsZero() {
		return time.Time{}
	}
	return w.Opened.Add(w.Length)
}

// Step takes what was observed at now and returns the state after it, and the verdict once there is one.
//
// A check is content when its condition has held at every observation for its For. All content at once: pass, before
// the window's end. At the end: fail where a condition is broken, or broke and has held for too short a time since; else
// no-data where it is missing, or was missing and has held for too short a time since. For several series the condition must hold for each of them; NaN is no data, and so is -Inf.
//
// Time that nobody watched counts for nothing: where Steps lie further apart than a minute, the rest moves the
// window's end and every Since.
func Step(w Window, checks []incident.Check, observations []Observation, now time.Time) (Window, *incident.Verdict) {
	w = w.advance(now)
	content, over := len(checks) > 0, !w.Last.Before(w.Ends())
	for _, c := range checks {
		t := w.Checks[c.Name]
		t.Result, t.Value = judge(c, observations)
		switch {
		case t.Result != incident.Pass:
			t.Since, t.Broke = time.Time{}, t.Result == incident.Fail
		case t.Since.IsZero():
			t.Since = w.Last
		}
		if t.held(w.Last) < c.For || t.Result != incident.Pass {
			content = false
		}
		w.Checks[c.Name] = t
	}
	if !content && !over {
		return w, nil
	}
	return w, w.verdict(checks)
}

// advance opens the window or moves it on to now, leaving the caller's state alone.
func (w Window) advance(now time.Time) Window {
	tracks := make(map[string]Track, len(w.Checks))
	var unwatched time.Duration
	switch {
	case w.Opened.IsZero():
		w.Opened = now
	case now.Before(w.Last): // a clock set back: time stands still until it has caught up
		now = w.Last
	default:
		unwatched = max(0, now.Sub(w.Last)-patience)
		w.Opened = w.Opened.Add(unwatched)
	}
	for name, t := range w.Checks {
		if !t.Since.IsZero() {
			t.Since = t.Since.Add(unwatched)
		}
		tracks[name] = t
	}
	w.Last, w.Checks = now, tracks
	return w
}

func (t Track) held(now time.Time) time.Duration {
	if t.Since.IsZero() {
		return 0
	}
	return now.Sub(t.Since)
}

// verdict is what the window says when it closes.
func (w Window) verdict(checks []incident.Check) *incident.Verdict {
	v := &incident.Verdict{Result: incident.Pass, At: w.Last}
	for _, c := range checks {
		t := w.Checks[c.Name]
		r := incident.CheckResult{Name: c.Name, Result: t.Result, Value: t.Value, Must: c.Must}
		if held := t.held(w.Last); t.Result == incident.Pass && held < c.For {
			r.Result, r.Value = incident.NoData, fmt.Sprintf("%s, seen for only %s of %s", t.Value, short(held), short(c.For))
			if t.Broke {
				r.Result, r.Value = incident.Fail, fmt.Sprintf("%s, but held for only %s of %s", t.Value, short(held), short(c.For))
			}
		}
		if r.Result == incident.Fail || r.Result == incident.NoData && v.Result == incident.Pass {
			v.Result = r.Result
		}
		v.Checks = append(v.Checks, r)
	}
	if len(checks) == 0 {
		v.Result = incident.NoData
	}
	return v
}

// Explain says in one line per check how it stands, for whoever watches.
func (w Window) Explain(checks []incident.Check) []string {
	var lines []string
	for _, c := range checks {
		t, ok := w.Checks[c.Name]
		switch {
		case !ok:
			lines = append(lines, c.Name+": not asked yet")
		case t.Result == incident.Pass:
			lines = append(lines, fmt.Sprintf("%s: %s holds (%s) for %s of %s", c.Name, c.Must, t.Value, short(min(t.held(w.Last), c.For)), short(c.For)))
		case t.Result == incident.Fail:
			lines = append(lines, fmt.Sprintf("%s: %s does not hold (%s)", c.Name, c.Must, t.Value))
		default:
			lines = append(lines, fmt.Sprintf("%s: no data (%s)", c.Name, t.Value))
		}
	}
	return lines
}

func short(d time.Duration) string { return d.Round(time.Second).String() }

// judge holds the check's observation against its condition: pass, fail or no-data, and the value that decided it.
func judge(c incident.Check, observations []Observation) (result, value string) {
	compare, err := condition(c.Must)
	if err != nil {
		return incident.NoData, err.Error()
	}
	for _, o := range observations {
		if o.Check != c.Name {
			continue
		}
		if len(o.Values) == 0 {
			return incident.NoData, o.NoData
		}
		result, value = incident.Pass, o.Values[0]
		for _, s := range o.Values {
			switch x, err := strconv.ParseFloat(s, 64); {
			case err != nil || math.IsNaN(x) || math.IsInf(x, -1): // nothing that is measured is that small, and it would be below any bound
				result, value = incident.NoData, s
			case !compare(x):
				return incident.Fail, s // one series that breaks it is enough, whatever the others say
			}
		}
		return result, value
	}
	return incident.NoData, "the query was not asked"
}

// condition reads a comparison and a number, such as <= 0.3.
func condition(must string) (func(float64) bool, error) {
	at := strings.IndexFunc(must, func(r rune) bool { return !strings.ContainsRune("=!<>", r) })
	op, number := must[:max(at, 0)], must[max(at, 0):]
	bound, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err == nil && !math.IsNaN(bound) {
		switch op {
		case "==":
			return func(v float64) bool { return v == bound }, nil
		case "!=":
			return func(v float64) bool { return v != bound }, nil
		case "<":
			return func(v float64) bool { return v < bound }, nil
		case "<=":
			return func(v float64) bool { return v <= bound }, nil
		case ">":
			return func(v float64) bool { return v > bound }, nil
		case ">=":
			return func(v float64) bool { return v >= bound }, nil
		}
	}
	return nil, fmt.Errorf("the condition %q is not a comparison and a number", must)
}
