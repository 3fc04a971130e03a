package correlate

import (
	"cmp"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Restore takes up, into an empty joiner, from the last revision of every incident that the joiner before us has told. Then
// add again every signal since a horizon ago: what is pending is not restored but made anew, and what was told already is
// not told again.
func (j *Joiner) Restore(list []incident.Incident) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b incident.Incident) int { // what is open last: an alert that was in a healed one may be in it now
		return cmp.Or(compare(b.State == incident.Healed, a.State == incident.Healed), a.HealedAt.Compare(b.HealedAt), a.Onset.Compare(b.Onset))
	})
	for _, i := range list {
		m := memo{revision: i.Revision, state: i.State, at: i.AsOf, content: content(i)}
		for _, s := range i.Signals { // one that was announced before anything was in order is of no time
			m.at = later(m.at, s.AcceptedAt)
		}
		j.told[i.ID] = m
		if i.State != incident.Provisional {
			j.restore(i)
		}
	}
	slices.SortStableFunc(j.healed, func(a, b *group) int { return a.healedAt.Compare(b.healedAt) })
	slices.SortStableFunc(j.quiet, func(a, b hush) int { return a.due.Compare(b.due) })
}

func (j *Joiner) restore(i incident.Incident) {
	g := &group{id: i.ID, state: i.State, onset: i.Onset, sealedAt: i.SealedAt, healedAt: i.HealedAt, reopened: i.Reopened, linked: slices.Clone(i.Linked),
		window: i.Window, graph: i.Graph, blast: i.Blast, asked: true, asOf: i.AsOf}
	members := i.Members
	if len(members) == 0 {
		members = []incident.Member{{Resource: i.Root, Onset: i.Onset, Score: 1}}
	}
	of := map[who]*trouble{}
	for _, m := range members {
		t := &trouble{owner: m.Resource, onset: m.Onset, names: slices.Clone(m.Alerts), container: m.Container, rollout: j.Graph.Rollout(m.Resource), group: g, former: &m,
			unknown: m.Firing}
		if t.alight() {
			g.troubled++
		}
		of[whoIs(m.Resource)] = t
		g.troubles = append(g.troubles, t)
	}
	g.root = g.troubles[0]
	var others []incident.Signal
	for _, s := range i.Signals {
		if t := of[whoIs(j.subject(&s))]; t != nil && slices.Contains(t.names, s.Name) {
			j.hold(t, fingerprint(&s), &s)
		} else {
			others = append(others, s)
		}
	}
	for _, s := range others {
		j.hold(g.lacking(&s), fingerprint(&s), &s)
	}
	if i.Folded > 0 { // of these nobody knows when they came
		g.root.last = later(g.root.last, i.AsOf)
	}
	if root := whoIs(i.Root); !i.Onset.Before(j.onsets[root].at) {
		j.onsets[root] = onset{at: i.Onset}
	}
	if i.State == incident.Healed {
		if g.healedAt.IsZero() { // of a version that did not say when
			g.healedAt = g.troubles[0].last
		}
		for _, t := range g.troubles {
			t.over = true
			j.past[whoIs(t.owner)] = append(j.past[whoIs(t.owner)], g)
		}
		j.healed = append(j.healed, g)
		return
	}
	for _, t := range g.troubles {
		j.connect(t)
	}
	if g.troubled == 0 {
		since := i.AsOf
		if i.Folded == 0 { // every resolution is there
			since = time.Time{}
			for _, t := range g.troubles {
				since = later(since, t.last)
			}
		}
		j.quiet = append(j.quiet, hush{due: since.Add(j.Settle), since: since, group: g, told: true})
	}
}

// lacking is the member whose s is by what was told of them, where the graph does not say it any more: a pod that is gone is in no
// snapshot. Else who lacks it would fire for ever.
func (g *group) lacking(s *incident.Signal) *trouble {
	for _, t := range g.troubles {
		if len(t.alerts) < t.before() && (s.Status != incident.Firing || t.firing < t.former.Firing) && slices.Contains(t.names, s.Name) {
			return t
		}
	}
	return g.root
}
