package correlate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var t0 = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

const settle = 10 * time.Second

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// owner of pod checkout-1 is the Deployment checkout.
func owner(r incident.Resource) (incident.Resource, bool) {
	name, _, found := strings.Cut(r.Name, "-")
	if r.Kind != "Pod" || !found {
		return incident.Resource{}, false
	}
	return deployment(name), true
}

func deployment(name string) incident.Resource {
	return incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: name}
}

func pod(name string) incident.Resource {
	return incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: "shop", Name: name}
}

func engine() *Engine {
	return New(Options{Settle: settle, Owner: owner, Blast: func(r incident.Resource) incident.BlastRadius {
		return incident.BlastRadius{Pods: len(r.Name)}
	}})
}

// fire is an alert on a pod that began at starts and was accepted at accepted, in seconds.
func fire(alert, on string, starts, accepted float64) incident.Signal {
	s := incident.Signal{Source: "alertmanager", Name: alert, Status: incident.Firing, Fingerprint: alert + on,
		Subject: pod(on), StartsAt: at(starts), AcceptedAt: at(accepted)}
	if on == "" {
		s.Subject = incident.Resource{}
	}
	s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	return s
}

// end resolves s.
func end(s incident.Signal, ends, accepted float64) incident.Signal {
	s.Status, s.EndsAt, s.AcceptedAt = incident.Resolved, at(ends), at(accepted)
	s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	return s
}

// told is how a revision reads: state, root, members with * for those that fire.
func told(list []Revision) string {
	var lines []string
	for _, r := range list {
		var members []string
		for _, s := range r.Signals {
			mark := ""
			if s.Status == incident.Firing {
				mark = "*"
			}
			members = append(members, s.Fingerprint+mark)
		}
		lines = append(lines, fmt.Sprintf("%s %s r%d [%s]", r.Root.Name, r.State, r.Revision, strings.Join(members, " ")))
	}
	return strings.Join(lines, ", ")
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	a, b, c := fire("Oom", "checkout-1", 0, 1), fire("Oom", "checkout-2", 2, 3), fire("Errors", "cart-1", 1, 2)
	type step struct {
		add  []incident.Signal
		due  float64
		want string
	}
	for name, steps := range map[string][]step{
		"provisional, sealed, healed": {
			{[]incident.Signal{a, c}, 2, "cart provisional r1 [Errorscart-1*], checkout provisional r1 [Oomcheckout-1*]"},
			{[]incident.Signal{b}, 3, "checkout provisional r2 [Oomcheckout-1* Oomcheckout-2*]"},
			{nil, 10.9, ""},
			{nil, 11, "checkout sealed r3 [Oomcheckout-1* Oomcheckout-2*]"},
			{nil, 12, "cart sealed r2 [Errorscart-1*]"},
			{[]incident.Signal{end(a, 20, 21)}, 21, "checkout sealed r4 [Oomcheckout-1 Oomcheckout-2*]"},
			{[]incident.Signal{end(b, 22, 23)}, 23, "checkout resolved r5 [Oomcheckout-1 Oomcheckout-2]"},
		},
		"later kin is attached": {
			{[]incident.Signal{a}, 11, "checkout sealed r1 [Oomcheckout-1*]"},
			{[]incident.Signal{b, fire("Slow", "checkout-1", -60, 30)}, 30, "checkout sealed r2 [Slowcheckout-1* Oomcheckout-1* Oomcheckout-2*]"},
		},
		"healed before it was sealed": {
			{[]incident.Signal{a, end(a, 5, 6)}, 6, "checkout provisional r1 [Oomcheckout-1]"},
			{nil, 11, "checkout resolved r2 [Oomcheckout-1]"},
		},
		"a new outbreak is a new incident": {
			{[]incident.Signal{a, end(a, 5, 6)}, 11, "checkout resolved r1 [Oomcheckout-1]"},
			{[]incident.Signal{a, end(a, 5, 6)}, 20, ""}, // told again
			{[]incident.Signal{fire("Oom", "checkout-1", 30, 31)}, 31, "checkout provisional r1 [Oomcheckout-1*]"},
			{[]incident.Signal{a}, 32, ""}, // told again, and no word on the new one
			{nil, 41, "checkout sealed r2 [Oomcheckout-1*]"},
		},
		"a resolution that overtook its firing": {
			{[]incident.Signal{end(a, 5, 1)}, 2, ""},
			{[]incident.Signal{a}, 3, "checkout provisional r1 [Oomcheckout-1]"},
		},
		"a resolution without a firing is forgotten": {
			{[]incident.Signal{end(a, 0.5, 1)}, 12, ""},
			{[]incident.Signal{fire("Oom", "checkout-1", 0, 13)}, 13, "checkout provisional r1 [Oomcheckout-1*]"},
		},
		"duplicates change nothing": {
			{[]incident.Signal{a, a, a}, 2, "checkout provisional r1 [Oomcheckout-1*]"},
			{[]incident.Signal{fire("Oom", "checkout-1", 0, 9)}, 9, ""},
			{nil, 11, "checkout sealed r2 [Oomcheckout-1*]"},
			{[]incident.Signal{a, fire("Oom", "checkout-1", 0, 30)}, 30, ""},
		},
		"an end that was never told": {
			{[]incident.Signal{a}, 11, "checkout sealed r1 [Oomcheckout-1*]"},
			{[]incident.Signal{fire("Oom", "checkout-1", 600, 601)}, 601, "checkout sealed r2 [Oomcheckout-1*]"}, // it comes and goes
			{[]incident.Signal{fire("Oom", "checkout-1", 9000, 9001)}, 9001, "checkout resolved r3 [Oomcheckout-1*], checkout provisional r1 [Oomcheckout-1*]"},
			{[]incident.Signal{fire("Oom", "checkout-1", 600, 9002), end(fire("Oom", "checkout-1", 600, 0), 5000, 9003)}, 9003, ""}, // late
			{nil, 9011, "checkout sealed r2 [Oomcheckout-1*]"},
		},
		"no workload is named": {
			{[]incident.Signal{fire("Watchdog", "", 0, 1), fire("Other", "", 1, 2)}, 20, " sealed r1 [Watchdog* Other*]"},
		},
		"no owner is known": {
			{[]incident.Signal{fire("Oom", "orphan", 0, 1)}, 20, "orphan sealed r1 [Oomorphan*]"},
		},
		"a recovery tells the time of its own": { // as Flux's do
			{[]incident.Signal{a, end(fire("Oom", "checkout-1", 8, 0), 8, 9)}, 11, "checkout resolved r1 [Oomcheckout-1]"},
			{[]incident.Signal{end(fire("Oom", "checkout-1", 60, 0), 60, 61)}, 61, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine()
			for i, s := range steps {
				for _, x := range s.add {
					e.Add(x)
				}
				if got := told(e.Due(at(s.due))); got != s.want {
					t.Fatalf("step %d: got %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	e := engine()
	a := fire("Oom", "checkout-1", 0, 1)
	for i, tc := range []struct {
		s    incident.Signal
		want Outcome
	}{
		{end(fire("X", "checkout-1", 0, 0), 1, 1), Waiting},
		{a, Opened}, {a, Duplicate}, {fire("Oom", "checkout-2", 1, 2), Attached},
		{end(a, 3, 4), Updated}, {end(a, 3, 5), Duplicate}, {a, Duplicate}, {fire("Oom", "checkout-1", 6, 7), Updated},
	} {
		if got := e.Add(tc.s); got != tc.want {
			t.Errorf("signal %d: got %s, want %s", i, got, tc.want)
		}
	}
}

func TestIncidentsOfOneRootNeverShareAnID(t *testing.T) {
	t.Parallel()
	e := engine()
	a := fire("Oom", "checkout-1", 0, 1)
	e.Add(a)
	e.Add(end(a, 2, 3))
	first := e.Due(at(11))[0]
	e.Add(fire("Slow", "checkout-2", 0, 40)) // began with the first, told after it was over
	second := e.Due(at(50))[0]
	if first.ID == second.ID || !second.Onset.After(first.Onset) {
		t.Errorf("%s at %v and %s at %v", first.ID, first.Onset, second.ID, second.Onset)
	}
}

func TestRestoreDropsWhatWasSealedSince(t *testing.T) {
	t.Parallel()
	e := engine()
	e.Add(fire("Oom", "checkout-1", 5, 6))
	early := e.Due(at(6))
	e.Add(fire("Oom", "checkout-2", 0, 7)) // the onset moves, and the ID with it
	late := e.Due(at(30))
	if early[0].ID == late[0].ID {
		t.Fatal("the ID did not move")
	}
	again := engine()
	again.Restore([]incident.Incident{early[0].Incident, late[0].Incident})
	if got := told(again.Due(at(100))); got != "" {
		t.Errorf("published %s", got)
	}
	again.Add(fire("Slow", "checkout-1", 90, 101))
	if got := again.Due(at(102)); len(got) != 1 || got[0].ID != late[0].ID || got[0].Revision != late[0].Revision+1 || got[0].From != incident.Sealed {
		t.Errorf("kin went to %s", told(got))
	}
}

func TestHealedIncidentsAreForgotten(t *testing.T) {
	t.Parallel()
	e := engine()
	for i := range 100 {
		f := fire("Oom", fmt.Sprintf("app%d-1", i), 0, 1)
		e.Add(f)
		e.Add(end(f, 2, 3))
	}
	e.Due(at(20))
	e.Due(at(3700))
	if len(e.open)+len(e.past)+len(e.known)+len(e.waiting)+len(e.changed) != 0 {
		t.Errorf("still holds %d open, %d past, %d known", len(e.open), len(e.past), len(e.known))
	}
}

func TestRevisionFitsAMessage(t *testing.T) {
	t.Parallel()
	e := engine()
	for i := range 3000 {
		f := fire("Oom", fmt.Sprintf("checkout-%d", i), float64(i), 1)
		f.Annotations = map[string]string{"text": strings.Repeat("<", 100)}
		e.Add(f)
	}
	i := e.Due(at(20))[0]
	total := 0
	for _, s := range i.Signals {
		total += size(s)
	}
	if total > budget || total < budget*9/10 || len(i.Signals)+i.Folded != 3000 {
		t.Errorf("carries %d signals in %d bytes and counts %d more", len(i.Signals), total, i.Folded)
	}
}

func BenchmarkSignals(b *testing.B) {
	signals := make([]incident.Signal, 100_000)
	for i := range signals {
		signals[i] = fire("Oom", fmt.Sprintf("app%d-%d", i%10_000, i/10_000), float64(i%7), float64(i)*0.0001)
	}
	b.ReportAllocs()
	e := engine()
	for i := 0; b.Loop(); i++ {
		if i%len(signals) == 0 {
			e = engine()
		}
		e.Add(signals[i%len(signals)])
		if i%500 == 499 {
			e.Due(at(1))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signals/s")
}
