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

func accepted(s incident.Signal, seconds float64) incident.Signal {
	s.AcceptedAt = at(seconds)
	return s
}

func TestAnEndThatWasNeverTold(t *testing.T) {
	t.Parallel()
	j := joiner(line("web", "db"))
	var out []Revision
	for _, s := range []incident.Signal{on("Oom", "db", 0, 1), on("Oom", "db", 600, 601), // it comes and goes
		on("Oom", "db", 9000, 9001), on("Oom", "db", 600, 9002), end(on("Oom", "db", 600, 0), 5000, 9003)} { // and the last two are late words
		j.Add(s)
		out = append(out, j.Advance(s.AcceptedAt.Add(2*time.Second))...)
	}
	out = append(out, j.Finish()...)
	if got := said(out); got != "db resolved: shop/db(1); db sealed: shop/db(1)" {
		t.Errorf("got %s", got)
	}
}

func TestIncidentsOfOneRootNeverShareAnID(t *testing.T) {
	t.Parallel()
	j := joiner(line("web", "db"))
	a := on("Oom", "db", 0, 1)
	for _, s := range []incident.Signal{a, end(a, 2, 3), on("Slow", "db", 0, 1000)} { // the last began with the first, and is told long after that was over
		j.Add(s)
	}
	out := j.Finish()
	if first, second := out[0], out[len(out)-1]; first.ID == second.ID || !second.Onset.After(first.Onset) {
		t.Errorf("%s at %v and %s at %v", first.ID, first.Onset, second.ID, second.Onset)
	}
}

// An alert that its source lost sight of for hours fires again with the start that it had: that is another incident, also where the
// one before it is forgotten but for its revisions.
func TestAnIDIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	for name, restarted := range map[string]bool{"one joiner": false, "with a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := announcing(line("web", "db"))
			j.Add(a)
			j.Add(end(a, 2, 3))
			out := append(j.announced(), j.Advance(at(60))...)
			out = append(out, j.Advance(at(10_000))...)
			if restarted {
				j = announcing(line("web", "db"))
				j.Restore(last(out))
				out = append(out, j.Advance(at(10_000))...)
			}
			j.Add(accepted(a, 10_001))
			out = append(append(out, j.announced()...), j.Finish()...)
			if got := said(out); got != "db resolved: shop/db(1); db sealed: shop/db(1)" {
				t.Errorf("got %s", got)
			}
			revisions := map[string]int{}
			for _, r := range out {
				if revisions[r.ID]++; r.Revision != revisions[r.ID] {
					t.Errorf("revision %d of %s, %s, is told as its %dth", r.Revision, r.ID, r.State, revisions[r.ID])
				}
			}
		})
	}
}

func TestRevisionFitsAMessage(t *testing.T) {
	t.Parallel()
	g := line("x", "y")
	j := joiner(g)
	for i := range 3000 {
		name := fmt.Sprintf("app%d", i%30)
		if i < 30 && i > 0 {
			g.and(name, "app0")
		}
		f := on("Oom", name, 0, 1)
		f.Fingerprint += fmt.Sprint(i)
		f.ID = f.Fingerprint
		f.Annotations = map[string]string{"text": strings.Repeat("<", 100)}
		j.Add(f)
	}
	out := j.Finish()
	i := out[len(out)-1]
	total := 0
	for _, s := range i.Signals {
		total += size(s)
	}
	if total > budget || total < budget*9/10 || len(i.Signals)+i.Folded != 3000 {
		t.Errorf("carries %d signals in %d bytes and counts %d more", len(i.Signals), total, i.Folded)
	}
}
