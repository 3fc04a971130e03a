// Package correlate turns Signals into Incidents: one of all workloads whose troubles come from each other. It has two stages,
// both without a clock and without I/O. Dedupe, one for each partition, lets through what says something new. The one Joiner
// takes that of all partitions and the changes of the graph, works them off in the order of acceptance, whatever order they came
// in, and alone asks the graph and seals. rules.go says what belongs together. Fold and Join feed the two from the bus.
package correlate

import (
	"cmp"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// horizon is how long a healed incident is remembered, to tell a late word about it from a new outbreak.
const horizon = time.Hour

// overtaking is how long after a resolution the firing before it may come (again) and mean nothing: a sender repeats what it
// got no answer for.
const overtaking = 10 * time.Second

// budget of the signals in one published revision, in bytes of JSON: with the rest it fits a message of NATS's default
// size. An incident knows all of its signals; those beyond the budget are only counted when it is told.
const budget = 512 << 10

// Revision is an Incident with a change to be published.
type Revision struct {
	incident.Incident
	From incident.State // the state of the revision before, "" for the first
}

// preferred orders the states of one fingerprint: the later episode, within it the resolution, within that the later end, and
// of the same word twice the one that came first.
func preferred(a, b incident.Signal) bool {
	resolved := func(s incident.Signal) int {
		if s.Status == incident.Resolved {
			return 1
		}
		return 0
	}
	return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(resolved(a), resolved(b)), a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.ID, b.ID),
		b.AcceptedAt.Compare(a.AcceptedAt)) > 0
}

// identity is a fingerprint among those of all sources.
type identity struct{ source, cluster, fingerprint string }

// fingerprint of a signal. Alertmanager's is of the labels alone, which two clusters may share; the others' say of which it is.
func fingerprint(s *incident.Signal) identity {
	if s.Source != "alertmanager" {
		return identity{s.Source, "", s.Fingerprint}
	}
	return identity{s.Source, s.Subject.Cluster, s.Fingerprint}
}

// size in JSON, at most. It is asked of every signal that is kept, and marshalling each would take longer than all the rest.
func size(s incident.Signal) int {
	n := 500 // names of the fields, and times
	for _, t := range []string{s.ID, s.Source, s.Name, string(s.Status), s.Severity, s.Fingerprint, s.Container, s.GeneratorURL, s.Subject.Cluster, s.Subject.Group,
		s.Subject.Version, s.Subject.Kind, s.Subject.Namespace, s.Subject.Name} {
		n += escaped(t)
	}
	for _, texts := range []map[string]string{s.Labels, s.Annotations} {
		for k, v := range texts {
			n += escaped(k) + escaped(v) + 6
		}
	}
	return n
}

// sizeOf a member likewise.
func sizeOf(m incident.Member) int {
	r := m.Resource
	n := 400 + escaped(m.Cause) + escaped(m.Container)
	for _, t := range []string{r.Cluster, r.Group, r.Version, r.Kind, r.Namespace, r.Name} {
		n += escaped(t)
	}
	for _, name := range m.Alerts {
		n += escaped(name) + 3
	}
	for _, t := range m.Terms {
		n += escaped(t.Why) + 50
	}
	return n
}

// escaped is the length of a text in JSON, at most.
func escaped(s string) int {
	n := len(s)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '<' || c == '>' || c == '&' || c == '"' || c == '\\' {
			n += 5
		}
	}
	return n
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
