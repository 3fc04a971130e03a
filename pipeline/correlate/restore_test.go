package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// last revision of each incident, as the next joiner finds it.
func last(list []Revision) []incident.Incident {
	stored := map[string]incident.Incident{}
	for _, r := range list {
		stored[r.ID] = r.Incident
	}
	var out []incident.Incident
	for _, i := range stored {
		out = append(out, i)
	}
	return out
}

// large is an incident of which a revision has no room for all alerts, and only those that it lists are over.
func large(t *testing.T) (all []incident.Signal, told []Revision) {
	t.Helper()
	j := joiner(line("web", "db"))
	for n := range 3000 {
		s := on("Oom", "db", 0, 1)
		s.Fingerprint += fmt.Sprint(n)
		s.ID = s.Fingerprint
		s.Annotations = map[string]string{"text": strings.Repeat("x", 1000)}
		all = append(all, s)
		j.Add(s)
	}
	told = j.Advance(at(20))
	listed := slices.Clone(told[len(told)-1].Signals)
	if n := len(listed); n == 0 || n > 1000 {
		t.Fatalf("%d are listed", n)
	}
	for _, s := range listed {
		j.Add(end(s, 30, 31))
	}
	told = append(told, j.Advance(at(60))...)
	if i := told[len(told)-1]; i.State != incident.Sealed || i.Members[0].Firing != 3000-len(listed) {
		t.Fatalf("%s, %d fire", i.State, i.Members[0].Firing)
	}
	return all, told
}

func TestWhatIsOnlyCountedStillFiresAfterARestart(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]int{"all is too old to be read again": 0, "some is read again": 1500, "all is read again": 3000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, told := large(t)
			j := joiner(line("web", "db"))
			j.Restore(last(told))
			over := map[string]bool{}
			for _, s := range told[len(told)-1].Signals {
				over[s.Fingerprint] = s.Status == incident.Resolved
			}
			for _, s := range all[:again] {
				j.Add(s)
				if over[s.Fingerprint] {
					j.Add(end(s, 30, 31))
				}
			}
			if out := j.Advance(at(300)); len(out) > 0 && out[len(out)-1].State == incident.Healed {
				t.Fatalf("healed with %d that fire", 3000-len(over))
			}
			out := []Revision{}
			for _, s := range all {
				if !over[s.Fingerprint] {
					j.Add(s) // told again by its source, while it fires
					j.Add(end(s, 400, 401))
					out = append(out, j.Advance(at(402))...)
				}
			}
			if out = append(out, j.Advance(at(405))...); len(out) > 0 && out[len(out)-1].State == incident.Healed {
				t.Fatal("healed before it has held")
			}
			if out = append(out, j.Finish()...); len(out) == 0 || out[len(out)-1].State != incident.Healed || out[len(out)-1].Members[0].Firing != 0 {
				t.Fatalf("not healed: %+v", out)
			}
		})
	}
}

func TestAHealIsToldHoweverLateItIsRead(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	j := joiner(line("web", "db"))
	j.Add(a)
	told := j.Advance(at(20))
	j = joiner(line("web", "db"))
	j.Restore(last(told))
	j.Add(a)
	j.Add(end(a, 29, 30))
	out := j.Advance(at(10_000))
	if len(out) != 1 || out[0].State != incident.Healed || out[0].Revision != told[len(told)-1].Revision+1 {
		t.Errorf("got %+v", out)
	}
	if out = j.Advance(at(10_010)); len(out) != 0 || len(j.told) != 0 {
		t.Errorf("still holds %v, told %+v", j.told, out)
	}
}

// An alert that was in an incident which healed, and is now in another that began before that one, is the other's.
func TestAnAlertOfTwoIncidentsIsTheOpenOnes(t *testing.T) {
	t.Parallel()
	g := line("db", "web")
	first := on("Oom", "db", 10, 10)
	web, again := on("Slow", "web", 5, 30), on("Oom", "db", 700, 700)
	all := []incident.Signal{first, end(first, 11, 12), web, again}
	j := joiner(g)
	var told []Revision
	for _, s := range all {
		j.Add(s)
		told = append(told, j.Advance(s.AcceptedAt)...)
	}
	told = append(told, j.Advance(at(720))...)
	if got := said(told); got != "db resolved: shop/db(1); web sealed: shop/web(1) shop/db(1)" {
		t.Fatalf("got %s", got)
	}
	for name, read := range map[string][]incident.Signal{"all is read again": all, "all is too old to be read again": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := joiner(g)
			j.Restore(last(told))
			for _, s := range append(slices.Clone(read), end(again, 799, 800), end(web, 800, 801)) {
				j.Add(s)
			}
			if got := said(j.Finish()); got != "web resolved: shop/web(1) shop/db(1)" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Nobody worked for longer than a horizon: what was announced before is sealed under the next number all the same.
func TestWhatWasAnnouncedLongAgoIsSealedUnderTheNextNumber(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	j := announcing(line("web", "db"))
	j.Add(a)
	told := j.announced()
	j = announcing(line("web", "db"))
	j.Restore(last(told))
	j.Add(a)
	out := append(j.announced(), j.Advance(at(10_000))...)
	if len(told) != 1 || len(out) != 1 || out[0].State != incident.Sealed || out[0].Revision != told[0].Revision+1 {
		t.Errorf("told %+v and then %+v", told, out)
	}
}

// Of what is only counted nobody knows after a restart when it came: it may have been last.
func TestWhatIsOnlyCountedKeepsAnIncidentAlive(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		j := joiner(line("web", "db"))
		var all []incident.Signal
		for n := range 1000 {
			s := on("Oom", "db", 0, 1)
			if n == 999 {
				s = on("Oom", "db", 3000, 3000)
			}
			s.Fingerprint += fmt.Sprint(n)
			s.ID = s.Fingerprint + s.StartsAt.String()
			s.Annotations = map[string]string{"text": strings.Repeat("x", 1000)}
			all = append(all, s)
			j.Add(s)
		}
		told := j.Advance(at(3010))
		if restarted {
			j = joiner(line("web", "db"))
			j.Restore(last(told))
		}
		again := all[0]
		again.StartsAt, again.AcceptedAt, again.ID = at(5000), at(5000), again.Fingerprint+"again"
		j.Add(again)
		if got := said(append(told, j.Finish()...)); got != "db sealed: shop/db(1000)" {
			t.Errorf("restarted %v: got %s", restarted, got)
		}
	}
}

// forgetful is a graph that does not know the pods any more which are gone.
type forgetful struct{ *chart }

func (forgetful) Owner(incident.Resource) (incident.Resource, bool) {
	return incident.Resource{}, false
}

// What is over is so whoever owned the pod: after a restart nobody may know.
func TestAnIncidentHealsThoughItsPodsAreForgotten(t *testing.T) {
	t.Parallel()
	g := line("web", "db")
	all := []incident.Signal{on("Oom", "db", 0, 1), on("Slow", "web", 1, 2), on("Errors", "web", 1, 2.5)}
	j := joiner(g)
	for _, s := range all {
		j.Add(s)
	}
	j.Add(end(all[2], 19, 20))
	told := j.Advance(at(30))
	if got := said(told); got != "db sealed: shop/db(1) shop/web(2)" {
		t.Fatalf("got %s", got)
	}
	j = joiner(forgetful{g})
	j.Restore(last(told))
	for n, s := range all[:2] {
		j.Add(end(s, 39, 40+float64(n)))
	}
	out := j.Finish()
	if got := said(out); got != "db resolved: shop/db(1) shop/web(2)" {
		t.Fatalf("got %s", got)
	}
	for _, m := range out[len(out)-1].Members {
		if m.Firing != 0 {
			t.Errorf("%d of %s fire", m.Firing, m.Resource)
		}
	}
}

func TestWhatFiresIsListedBeforeWhatIsOver(t *testing.T) {
	t.Parallel()
	g := line("x", "db")
	j := joiner(g)
	for n := range 1500 {
		name := fmt.Sprintf("app%d", n)
		g.and(name, "db")
		s := on("Slow", name, 0, 1)
		j.Add(s)
		if n < 1400 {
			j.Add(end(s, 30, 31))
		}
	}
	j.Add(on("Oom", "db", 0, 0.5))
	out := j.Finish()
	i := out[len(out)-1]
	firing := 0
	for _, m := range i.Members {
		firing += m.Firing
	}
	if i.Unlisted == 0 || len(i.Members)+i.Unlisted != 1501 || firing != 101 || i.Members[0].Resource.Name != "db" {
		t.Errorf("%d members and %d more, %d fire", len(i.Members), i.Unlisted, firing)
	}
}

// moving is a graph by which everything is another's once it was changed.
type moving struct {
	*chart
	changed bool
}

func (m *moving) Owner(r incident.Resource) (incident.Resource, bool) {
	if m.changed {
		return deployment("another"), true
	}
	return m.chart.Owner(r)
}

// What was announced is not remembered for ever where it turned out to be another's.
func TestWhatWasAnnouncedIsForgotten(t *testing.T) {
	t.Parallel()
	m := &moving{chart: line("web", "db")}
	j := NewJoiner(JoinerOptions{Graph: m, Settle: settle, Announce: true, Apply: func(incident.GraphChange) error { m.changed = true; return nil }})
	j.Add(on("Slow", "cart", 0, 2))
	j.Change(incident.GraphChange{At: at(1.9)}) // before it is worked off
	if out := j.Advance(at(30)); len(j.hinted) > 0 || said(out) != "another sealed: shop/another(1)" {
		t.Errorf("holds %v, told %s", j.hinted, said(out))
	}
}
