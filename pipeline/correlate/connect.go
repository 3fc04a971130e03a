package correlate

import (
	"slices"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// hold a fingerprint's first state.
func (j *Joiner) hold(t *trouble, p identity, s *incident.Signal) {
	if a := j.alerts[p]; a != nil && a.trouble == t { // before t's group was reopened
		a.set(s)
		return
	}
	a := &alert{print: p, trouble: t}
	limit := whole
	if j.kept >= plenty {
		limit = scarce
	}
	if len(t.texts) < limit || !slices.Contains(t.names, s.Name) {
		j.kept++
		a.signal = s // set takes a copy
		t.texts = append(t.texts, a)
	}
	t.alerts, j.alerts[p] = append(t.alerts, a), a
	a.set(s)
	if t.unknown > 0 && s.StartsAt.Before(t.group.asOf) && !s.AcceptedAt.Before(t.group.asOf) { // it is one of those
		before := t.alight()
		t.unknown--
		t.tally(before)
	}
}

// openTrouble begins to fold the signals of a workload, and links it to the others that are in trouble.
func (j *Joiner) openTrouble(owner incident.Resource, s *incident.Signal) *trouble {
	t := &trouble{owner: owner, first: j.now, rollout: j.Graph.Rollout(owner)}
	if t.rollout.Revision == "" && s.Source == "flux" && incident.IsRevision(s.Labels["revision"]) {
		t.rollout = incident.Rollout{Revision: s.Labels["revision"], At: s.StartsAt}
	}
	t.began(s.StartsAt)
	j.queue = append(j.queue, t)
	j.connect(t)
	return t
}

// connect t with the others that are in trouble.
func (j *Joiner) connect(t *trouble) {
	for _, n := range j.Graph.Near(t.owner) {
		other := j.active[whoIs(n.Resource)]
		if other == nil || other == t {
			continue
		}
		l := &link{cause: other, effect: t, directed: true, hops: n.Hops}
		if !n.Upstream {
			l.cause, l.effect = t, other
		}
		tie(l)
	}
	j.active[whoIs(t.owner)] = t
	if r := short(t.rollout.Revision); r != "" {
		j.name(t, rolledOut+r)
	}
	for _, a := range t.texts {
		j.trace(t, a.signal)
	}
}

func tie(l *link) {
	for _, t := range []*trouble{l.cause, l.effect} {
		t.links = append(t.links, l)
		t.judged = false
	}
}
