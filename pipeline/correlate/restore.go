package correlate

import (
	"slices"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Restore takes up from the last revision of every incident, into an empty engine. A provisional incident may have been
// published under several IDs, since its onset moved: what is provisional on one root is one, and nothing if its signals
// are all in an incident that was sealed since.
func (e *Engine) Restore(list []incident.Incident) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b incident.Incident) int { return a.Onset.Compare(b.Onset) })
	for _, i := range list {
		if i.State != incident.Provisional {
			e.restore(i)
		}
	}
	for _, i := range list {
		if i.State == incident.Provisional && slices.ContainsFunc(i.Signals, e.unknown) {
			e.restore(i)
		}
	}
}

// unknown to every incident that was sealed.
func (e *Engine) unknown(s incident.Signal) bool {
	r := e.known[fingerprint(s)]
	return r == nil || r.state == incident.Provisional || s.StartsAt.After(r.members[fingerprint(s)].StartsAt)
}

func (e *Engine) restore(i incident.Incident) {
	key := i.Root.Key()
	r := e.open[key]
	if r == nil || r.state != incident.Provisional || i.State != incident.Provisional {
		r = &record{root: i.Root, key: key, state: i.State, onset: i.Onset, members: map[string]member{}, sealedAt: i.SealedAt}
		if old := e.past[key]; len(old) > 0 {
			r.after = old[len(old)-1].onset
		}
	}
	r.told, r.revision = i.State, max(r.revision, i.Revision)
	for _, s := range i.Signals {
		p := fingerprint(s)
		r.take(p, s)
		if r.first.IsZero() || s.AcceptedAt.Before(r.first) {
			r.first = s.AcceptedAt
		}
		if k := e.known[p]; k == nil || !k.members[p].StartsAt.After(s.StartsAt) {
			e.known[p] = r
		}
	}
	if i.State == incident.Healed {
		e.past[key] = append(e.past[key], r)
		return
	}
	e.open[key] = r
	e.expect(r)
}
