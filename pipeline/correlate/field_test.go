package correlate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// heard feeds the signals, each as soon as it is accepted, and says what the joiner has said a day after the last.
func heard(j *Joiner, list ...incident.Signal) []Revision {
	d, out := NewDedupe(), []Revision(nil)
	for _, s := range list {
		if d.New(s) {
			j.Add(s)
		}
		out = append(out, j.Advance(s.AcceptedAt.Add(2*time.Second))...)
	}
	return append(out, j.Advance(list[len(list)-1].AcceptedAt.Add(24*time.Hour))...)
}

func incidents(list []Revision) map[string]Revision {
	last := map[string]Revision{}
	for _, r := range list {
		if r.State != incident.Provisional {
			last[r.ID] = r
		}
	}
	return last
}

// TestTheSameAlertOfTwoClusters, with one fingerprint, is two incidents.
func TestTheSameAlertOfTwoClusters(t *testing.T) {
	t.Parallel()
	a, b := on("ReplicasMismatch", "eu/shop/db", 0, 1), on("ReplicasMismatch", "us/shop/db", 20, 21)
	b.Fingerprint = a.Fingerprint
	var of []string
	for _, i := range incidents(heard(joiner(line("x", "y")), a, b, end(a, 60, 61))) {
		of = append(of, fmt.Sprint(i.Root.Cluster, " ", i.State))
	}
	if slices.Sort(of); !slices.Equal(of, []string{"eu resolved", "us sealed"}) {
		t.Errorf("%q", of)
	}
}

// TestAFailureOfFluxThatIsSentAgain after the recovery, which came first since the failure was not taken at once, is over.
func TestAFailureOfFluxThatIsSentAgain(t *testing.T) {
	t.Parallel()
	flux := func(status incident.Status, said, accepted float64) incident.Signal {
		s := incident.Signal{Source: "flux", Name: "ReconciliationFailed", Status: status, Fingerprint: "f", StartsAt: at(said), AcceptedAt: at(accepted),
			Subject: incident.Resource{Cluster: "prod", Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}}
		if status == incident.Resolved {
			s.EndsAt = s.StartsAt
		}
		s.ID = incident.SignalID("flux", "f", status, s.StartsAt, s.EndsAt)
		return s
	}
	for name, list := range map[string][]incident.Signal{
		"nothing was known":    {flux(incident.Resolved, 15, 15), flux(incident.Firing, 0, 30)},
		"a failure before was": {flux(incident.Firing, -60, -60), flux(incident.Resolved, 15, 15), flux(incident.Firing, 0, 30)},
	} {
		for _, i := range incidents(heard(joiner(line("x", "y")), list...)) {
			if i.State != incident.Healed || i.Reopened > 0 {
				t.Errorf("%s: %s, reopened %d", name, i.State, i.Reopened)
			}
		}
	}
}

// TestAMaintenanceEnds: what breaks out again after it is nobody's work; within it, it still is.
func TestAMaintenanceEnds(t *testing.T) {
	t.Parallel()
	for until, want := range map[float64]string{100: "", 400: "upgrade of the database"} {
		j := NewJoiner(JoinerOptions{Graph: line("x", "y"), Settle: settle, Windows: []Window{{From: at(-60), To: at(until), Reason: "upgrade of the database"}}})
		a := on("Oom", "db", 0, 1)
		out := heard(j, a, end(a, 50, 51), on("Oom", "db", 300, 301))
		if l := out[len(out)-1]; l.State != incident.Sealed || l.Reopened != 1 || l.Window != want {
			t.Errorf("until %v: %s, reopened %d, window %q", until, l.State, l.Reopened, l.Window)
		}
	}
	// and what goes on after it, with something else
	j := NewJoiner(JoinerOptions{Graph: line("x", "y"), Settle: settle, Windows: []Window{{From: at(-60), To: at(100), Reason: "upgrade of the database"}}})
	out := heard(j, on("NotReady", "db", 0, 1), on("Slow", "db", 90, 91), on("Oom", "db", 300, 301))
	if l := out[len(out)-1]; l.State != incident.Sealed || l.Reopened != 1 || l.Window != "" {
		t.Errorf("it went on: %s, reopened %d, window %q", l.State, l.Reopened, l.Window)
	}
}

// TestStrangersStayApart: what only looks like something in common ties nobody.
func TestStrangersStayApart(t *testing.T) {
	t.Parallel()
	a, b := on("Oom", "web", 0, 1), on("Slow", "billing/report", 30, 31)
	with := func(s incident.Signal, label, value string) incident.Signal {
		s.Labels = map[string]string{label: value}
		return s
	}
	flux := func(s incident.Signal) incident.Signal { s.Source = "flux"; return s }
	for name, tc := range map[string]struct {
		graph *chart
		list  []incident.Signal
	}{
		"the trace that OpenTelemetry calls none": {line("x", "y"), []incident.Signal{with(a, "trace_id", strings.Repeat("0", 32)), with(b, "trace_id", strings.Repeat("0", 32))}},
		"the version of a chart":                  {line("x", "y"), []incident.Signal{flux(with(a, "revision", "1.2.0")), flux(with(b, "revision", "1.2.0"))}},
		"a label that happens to be a revision":   {line("x", "y"), []incident.Signal{with(a, "revision", "default"), with(b, "revision", "default")}},
		"ReplicaSets with long names": {line("x", "y").changed("web", "acme-retail-checkout-service-production-7c9d8f6b5c", -1500).
			changed("billing/report", "acme-retail-inventory-worker-production-5f6d7c8b9d", -120), []incident.Signal{a, b}},
	} {
		if got := incidents(heard(joiner(tc.graph), tc.list...)); len(got) != 2 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAVictimAlone is an incident of its own: its former cause, which does not fire, is not tried again.
func TestAVictimAlone(t *testing.T) {
	t.Parallel()
	a, b := on("ContainerOOMKilled", "db", 0, 1), on("HighErrorRate", "web", 3, 4)
	got := incidents(heard(joiner(line("web", "db")), a, b, end(a, 300, 301), end(b, 302, 303), on("CertificateExpired", "web", 700, 701)))
	var of []string
	for _, i := range got {
		of = append(of, fmt.Sprint(i.Root.Name, " ", i.State, " ", i.Reopened))
	}
	if slices.Sort(of); !slices.Equal(of, []string{"db resolved 0", "web sealed 0"}) {
		t.Errorf("%q", of)
	}
}

// TestAVictimIsToldFirst when both break out again: what had been told of it then is of the same incident, which is reopened once, and
// has each workload once.
func TestAVictimIsToldFirst(t *testing.T) {
	t.Parallel()
	a, v := on("Oom", "db", 0, 1), on("Slow", "web", 2, 3)
	for _, gap := range []float64{2, 8, 30} {
		got := incidents(heard(joiner(line("web", "db")), a, v, end(a, 60, 61), end(v, 62, 63), on("Slow", "web", 300, 301), on("Oom", "db", 300+gap, 301+gap)))
		for _, i := range got {
			if len(i.Members) != 2 || i.Reopened != 1 || i.Root.Name != "db" {
				t.Errorf("after %v s: root %s, reopened %d, %d members", gap, i.Root.Name, i.Reopened, len(i.Members))
			}
		}
		if len(got) != 1 {
			t.Errorf("after %v s: %d incidents", gap, len(got))
		}
	}
	// with something else, long after its own end, though the victim's was a moment ago
	out := heard(joiner(line("web", "db")), a, v, end(a, 60, 61), end(v, 5400, 5401), on("DiskFull", "db", 5600, 5601))
	if l := out[len(out)-1]; l.Reopened != 1 {
		t.Errorf("reopened %d", l.Reopened)
	}
}

// TestAlertsThatNameNoWorkload have one incident between them: what is told when that is sealed is another outbreak.
func TestAlertsThatNameNoWorkload(t *testing.T) {
	t.Parallel()
	nameless := func(name string, starts float64) incident.Signal {
		s := on(name, "x", starts, starts+1)
		s.Subject = incident.Resource{}
		return s
	}
	out := heard(joiner(line("x", "y")), nameless("Watchdog", 0), nameless("CertificateExpires", 3), nameless("BackupFailed", 60))
	if l := out[len(out)-1]; len(incidents(out)) != 1 || l.Reopened != 1 {
		t.Errorf("%d incidents, reopened %d", len(incidents(out)), l.Reopened)
	}
}

// TestWhatBreaksOutLongAfter in the incident of an alert that has fired for weeks is another outbreak: the attempt of then has ended. What
// follows within the hour is not, nor what had been told.
func TestWhatBreaksOutLongAfter(t *testing.T) {
	t.Parallel()
	const weeks = 21 * 86400
	for name, tc := range map[string]struct {
		next incident.Signal
		want int
	}{
		"weeks later":     {on("ContainerOOMKilled", "web", weeks, weeks+1), 1},
		"minutes later":   {on("ContainerOOMKilled", "web", 600, 601), 0},
		"told late":       {on("ContainerOOMKilled", "web", 600, weeks), 0},
		"of another pod":  {on("CPUThrottlingHigh", "web", weeks, weeks+1), 0},
		"and then a twin": {on("ContainerOOMKilled", "web", weeks, weeks+1), 1},
	} {
		if name == "of another pod" {
			tc.next.Fingerprint, tc.next.Source = "another", "kubernetes" // Alertmanager's would be an episode of its own
			tc.next.ID = "another"
		}
		list := []incident.Signal{on("CPUThrottlingHigh", "web", 0, 1), tc.next}
		if name == "and then a twin" {
			list = append(list, on("PodNotReady", "web", weeks+60, weeks+61))
		}
		out := heard(joiner(line("web", "db")), list...)
		if l := out[len(out)-1]; len(incidents(out)) != 1 || l.Reopened != tc.want {
			t.Errorf("%s: reopened %d, want %d", name, l.Reopened, tc.want)
		}
	}
}

// gone is a joiner with a graph of its own, in which these are.
func gone(t *testing.T, list ...incident.Resource) *Joiner {
	t.Helper()
	g := topology.NewGraph()
	j := NewJoiner(JoinerOptions{Graph: g, Apply: g.Apply, Settle: settle})
	for _, r := range list {
		j.Change(incident.GraphChange{At: at(-100), Upsert: &incident.GraphItem{Node: &incident.Node{Resource: r}}})
		if r.Kind == "Pod" {
			j.Change(incident.GraphChange{At: at(-99), Upsert: &incident.GraphItem{Edge: &incident.Edge{From: r, To: app("web"), Kind: incident.OwnedBy}}})
		}
	}
	return j
}

func removed(r incident.Resource) incident.GraphChange {
	return incident.GraphChange{At: at(100), Delete: &incident.GraphItem{Node: &incident.Node{Resource: r}}}
}

// TestWhatIsDeletedFailsNoMore: Flux tells no end of an object that somebody deletes, and who follows the cluster anew knows of no more
// than the hundred signals that a revision holds.
func TestWhatIsDeletedFailsNoMore(t *testing.T) {
	t.Parallel()
	ks := incident.Resource{Cluster: "prod", Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}
	j := gone(t, ks)
	j.Add(incident.Signal{ID: "ks", Source: "flux", Name: "ReconciliationFailed", Status: incident.Firing, Fingerprint: incident.Digest("flux", ks.Key())[:16], Subject: ks, StartsAt: at(0), AcceptedAt: at(1)})
	j.Advance(at(60))
	j.Change(removed(ks))
	if out := j.Advance(at(86400)); len(out) == 0 || out[len(out)-1].State != incident.Healed {
		t.Errorf("the Kustomization: %v", out)
	}

	var pods []incident.Resource
	for n := range 150 {
		pods = append(pods, pod(fmt.Sprintf("web-%d", n)))
	}
	j = gone(t, pods...)
	for n, p := range pods {
		s := incident.Signal{Source: "kubernetes", Name: "CrashLoopBackOff", Status: incident.Firing, Subject: p, Container: "app", StartsAt: at(0), AcceptedAt: at(1),
			Fingerprint: incident.Digest("kubernetes", p.Key(), "CrashLoopBackOff", "app")[:16]}
		s.ID = fmt.Sprint(n)
		j.Add(s)
	}
	out := j.Advance(at(60))
	if l := out[len(out)-1]; l.Members[0].Firing != len(pods) || len(l.Signals) == len(pods) {
		t.Fatalf("%d fire, %d told", l.Members[0].Firing, len(l.Signals))
	}
	for _, p := range pods {
		j.Change(removed(p))
	}
	if out := j.Advance(at(86400)); len(out) == 0 || out[len(out)-1].State != incident.Healed {
		t.Errorf("the pods: %v", out)
	}
}

// TestWhatFinishedFailsOn: the object of a finished pod lies about, and its source tells the end.
func TestWhatFinishedFailsOn(t *testing.T) {
	t.Parallel()
	p := pod("web-1")
	j := gone(t, p)
	j.Add(incident.Signal{ID: "1", Source: "kubernetes", Name: "OOMKilled", Status: incident.Firing, Subject: p, Container: "app", StartsAt: at(0), AcceptedAt: at(1),
		Fingerprint: incident.Digest("kubernetes", p.Key(), "OOMKilled", "app")[:16]})
	out := j.Advance(at(60))
	finished := removed(p)
	finished.Delete.Node.ChangedAt = at(100)
	j.Change(finished)
	if out = append(out, j.Advance(at(1000))...); out[len(out)-1].State != incident.Sealed {
		t.Errorf("it is %s", out[len(out)-1].State)
	}
}

// TestADeletionAndARestart: an object is deleted, comes back and fires again; the joiner that reads the hour again, before or after the heal
// was told, says the same.
func TestADeletionAndARestart(t *testing.T) {
	t.Parallel()
	p := pod("web-0")
	fires := func(id string, starts, accepted float64) incident.Signal {
		return incident.Signal{ID: id, Source: "kubernetes", Name: "CrashLoopBackOff", Status: incident.Firing, Subject: p, Container: "app", StartsAt: at(starts), AcceptedAt: at(accepted),
			Fingerprint: incident.Digest("kubernetes", p.Key(), "CrashLoopBackOff", "app")[:16]}
	}
	for name, second := range map[string]incident.Signal{"at once": fires("2", 103, 105), "after the heal": fires("2", 200, 201)} {
		run := func(restart bool) string {
			j := gone(t, p)
			j.Add(fires("1", 0, 1))
			all := j.Advance(at(60))
			j.Change(removed(p))
			if name == "at once" {
				j.Add(second)
			}
			all = append(all, j.Advance(at(102))...)
			if restart {
				last := map[string]incident.Incident{}
				for _, r := range all {
					last[r.ID] = r.Incident
				}
				j = gone(t, p)
				j.until(at(-50)) // the graph that was kept
				j.Restore(slices.Collect(maps.Values(last)))
				j.Add(fires("1", 0, 1))
				j.Change(removed(p))
			}
			if restart || name != "at once" {
				j.Add(second)
			}
			return final(append(all, j.Advance(at(3000))...))
		}
		if got, want := run(true), run(false); got != want {
			t.Errorf("%s: with a restart\n%s\nwithout\n%s", name, got, want)
		}
	}
}

// TestAHealthCheckFails since the workload does: that is the root, whichever is told first.
func TestAHealthCheckFails(t *testing.T) {
	t.Parallel()
	ks := incident.Resource{Cluster: "prod", Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}
	for _, accepted := range []float64{1, 65} { // of the alert
		g := topology.NewGraph()
		for _, i := range []incident.GraphItem{{Node: &incident.Node{Resource: app("web")}}, {Node: &incident.Node{Resource: ks}}, {Edge: &incident.Edge{From: ks, To: app("web"), Kind: incident.Applies}}} {
			if err := g.Apply(incident.GraphChange{At: t0, Upsert: &i}); err != nil {
				t.Fatal(err)
			}
		}
		j := NewJoiner(JoinerOptions{Graph: g, Settle: 2 * time.Minute})
		a := on("ContainerOOMKilled", "web", 0, accepted)
		a.Subject = app("web")
		b := incident.Signal{ID: "ks", Source: "flux", Name: "HealthCheckFailed", Status: incident.Firing, Fingerprint: "ks", Subject: ks, StartsAt: at(60), AcceptedAt: at(61)}
		j.Add(a)
		j.Add(b)
		out := j.Finish()
		if l := out[len(out)-1]; len(incidents(out)) != 1 || l.Root != app("web") || len(l.Members) != 2 {
			t.Errorf("the alert accepted at %v: root %s, %d members", accepted, l.Root, len(l.Members))
		}
	}
}
