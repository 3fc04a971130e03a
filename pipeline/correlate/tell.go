package correlate

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// membersBudget of one revision, in bytes of JSON: with budget, that of its signals, it fits a message of NATS's default size.
const membersBudget = 384 << 10

// memo is what was last told under an ID.
type memo struct {
	revision int
	state    incident.State
	at       time.Time
	content  string // digest, of what was told by the joiner before us
	weight   int    // signals and members that it carried
}

// heavy revisions are told less often: one of so many signals and members waits twice as long as a light one.
const heavy = 100

func (j *Joiner) soon(m memo) bool {
	return j.seen.Sub(m.at) < j.Tell*time.Duration(heavy+m.weight)/heavy
}

// tell returns a revision of every incident that changed, ordered by root and onset.
func (j *Joiner) tell() []Revision {
	out := j.out
	j.out = nil
	if p := &j.putOff; j.seen.Sub(p.looked) >= j.Tell/4 { // not each time: in a storm it is thousands
		j.stirred, j.dirty = append(j.stirred, p.groups...), append(j.dirty, p.troubles...)
		p.groups, p.troubles, p.looked = nil, nil, j.seen
	}
	stirred := j.stirred
	j.stirred = nil
	for _, g := range stirred {
		if !g.dirty { // it was put off, and has been told since
			continue
		}
		g.dirty = false
		if m := j.told[g.id]; m.state == g.state && j.soon(m) || j.now.Before(g.asOf) {
			g.dirty = true
			j.putOff.groups = append(j.putOff.groups, g)
			continue
		}
		if r, news := j.revision(j.incident(g)); news {
			out = append(out, r)
		}
	}
	dirty := j.dirty
	j.dirty = nil
	seen := map[*trouble]bool{}
	for _, t := range dirty {
		if !t.dirty || seen[t] {
			continue
		}
		t.dirty = false
		if t.group != nil {
			continue
		}
		got := gather(t)
		i := j.provisional(got)
		m := j.told[i.ID]
		wait := m.state == incident.Provisional && j.soon(m)
		for _, other := range got.troubles { // they are told with it, now or when it is
			seen[other], other.dirty = true, wait
		}
		if wait {
			j.putOff.troubles = append(j.putOff.troubles, t)
			continue
		}
		j.fill(&i, got.troubles)
		if r, news := j.revision(i); news {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Revision) int {
		return cmp.Or(cmp.Compare(a.Root.Key(), b.Root.Key()), a.Onset.Compare(b.Onset), cmp.Compare(a.Revision, b.Revision))
	})
	return out
}

// announced is what hint has told since.
func (j *Joiner) announced() []Revision {
	out := j.out
	j.out = nil
	return out
}

// hint tells of a firing on a workload of which nothing is known yet, before it is in order.
func (j *Joiner) hint(e *event) {
	s := e.signal
	if s.Status != incident.Firing || j.alerts[fingerprint(s)] != nil {
		return
	}
	owner := j.owner(e)
	id := whoIs(owner)
	known := j.hinted[id]
	t := j.active[id]
	if t != nil {
		known = &t.owner
	}
	e.owner, e.graph = known, j.changed
	if known == nil || *known != owner { // a version is part of it
		own := owner
		e.owner = &own
	}
	if known != nil || len(j.past[id]) > 0 {
		return
	}
	j.hinted[id], e.hinted = e.owner, true
	onset := j.begun(owner, s.StartsAt)
	i := incident.Incident{ID: incident.ID(owner, onset), State: incident.Provisional, Root: owner, Signals: []incident.Signal{*s}, Onset: onset,
		Blast: j.Graph.Blast(owner), AsOf: j.now}
	if j.told[i.ID].revision > 0 {
		return
	}
	if r, news := j.revision(i); news {
		j.out = append(j.out, r)
	}
	m := j.told[i.ID] // nothing may be in order yet: else it would be forgotten at once, and its revisions begin anew
	m.at = later(m.at, s.AcceptedAt)
	j.told[i.ID] = m
}

// revision numbers i, unless the joiner before us has told just that.
func (j *Joiner) revision(i incident.Incident) (Revision, bool) {
	m := j.told[i.ID]
	if m.content != "" && m.content == content(i) {
		m.at = j.seen
		j.told[i.ID] = m
		return Revision{}, false
	}
	i.Revision = m.revision + 1
	j.told[i.ID] = memo{revision: i.Revision, state: i.State, at: j.seen, weight: len(i.Signals) + len(i.Members)}
	return Revision{Incident: i, From: m.state}, true
}

// content is a digest of what an incident says.
func content(i incident.Incident) string {
	i.Revision, i.AsOf = 0, time.Time{}
	b, err := json.Marshal(i)
	if err != nil {
		return ""
	}
	return incident.Digest(string(b))
}

func (j *Joiner) provisional(got gathered) incident.Incident {
	root := got.root()
	onset := j.begun(root.owner, got.onset())
	for _, t := range got.troubles {
		t.because = got.why(t, root)
	}
	i := slices.Index(got.troubles, root)
	got.troubles[0], got.troubles[i] = got.troubles[i], got.troubles[0]
	return incident.Incident{ID: incident.ID(root.owner, onset), State: incident.Provisional, Root: root.owner, Onset: onset,
		Blast: j.Graph.Blast(root.owner), AsOf: j.now}
}

func (j *Joiner) incident(g *group) incident.Incident {
	if !g.asked {
		g.asked, g.blast = true, j.Graph.Blast(g.root.owner)
	}
	i := incident.Incident{ID: g.id, State: g.state, Root: g.root.owner, Onset: g.onset, SealedAt: g.sealedAt, HealedAt: g.healedAt,
		Blast: g.blast, Graph: g.graph, Linked: slices.Clone(g.linked), Reopened: g.reopened, Window: g.window, AsOf: j.now}
	j.fill(&i, g.troubles)
	return i
}

// fill in the members, of which the root is the first, and their signals.
func (j *Joiner) fill(i *incident.Incident, troubles []*trouble) {
	slices.SortFunc(troubles[1:], sooner)
	i.Score = 1
	i.Members = make([]incident.Member, len(troubles))
	total := 0
	for n, t := range troubles {
		i.Members[n] = t.member()
		i.Score = min(i.Score, i.Members[n].Score)
		total += sizeOf(i.Members[n])
	}
	if total > membersBudget {
		shorten(i)
	}
	i.Signals, i.Folded = evidence(troubles, i.State)
}

// shorten the members to what a revision has room for. Those that fire go before the others: whoever takes the incident up from it
// must not think that all is over.
func shorten(i *incident.Incident) {
	all := i.Members
	slices.SortStableFunc(all[1:], func(a, b incident.Member) int { return compare(b.Firing > 0, a.Firing > 0) })
	left := membersBudget
	for n, m := range all {
		if left -= sizeOf(m); left < 0 {
			i.Members, i.Unlisted = all[:n:n], len(all)-n
			return
		}
	}
}

// evidence is signals of a few of each workload and more of the root's, then of the others as far as there is room, and how
// many more there are. A provisional incident, which is told again and again, shows the few only.
func evidence(troubles []*trouble, state incident.State) (list []incident.Signal, folded int) {
	var chosen, rest []*alert
	left := budget
	take := func(from []*alert) {
		for _, a := range from {
			if left < 0 {
				return
			}
			if a.size == 0 {
				a.size = size(*a.signal)
			}
			if left -= a.size; left >= 0 {
				chosen = append(chosen, a)
			}
		}
	}
	few := whole
	if state == incident.Provisional {
		few = scarce
	}
	for _, t := range troubles {
		folded += max(len(t.alerts), t.before())
		if !t.ordered {
			slices.SortFunc(t.texts, byTime)
			t.ordered = true
		}
		n := min(few, len(t.texts))
		take(t.texts[:n])
		if state != incident.Provisional {
			rest = append(rest, t.texts[n:]...)
		}
		few = scarce
	}
	slices.SortFunc(rest, byTime)
	take(rest)
	slices.SortFunc(chosen, byTime)
	list = slices.Grow(list, len(chosen))
	for _, a := range chosen {
		list = append(list, *a.signal)
	}
	return list, folded - len(list)
}

func byTime(a, b *alert) int { return cmp.Or(a.starts.Compare(b.starts), cmp.Compare(a.id, b.id)) }

// before is how many signals the joiner before us has counted.
func (t *trouble) before() int {
	if t.former == nil {
		return 0
	}
	return t.former.Signals
}

func (t *trouble) member() incident.Member {
	m := incident.Member{Resource: t.owner, Alerts: slices.Clone(t.names), Container: t.container, Signals: max(len(t.alerts), t.before()), Firing: t.firing + t.unknown, Onset: t.onset}
	l := t.because
	switch {
	case t.former != nil:
		m.Cause, m.Score, m.Terms = t.former.Cause, t.former.Score, t.former.Terms
		return m
	case l == nil:
		m.Score, m.Terms = 1, t.asRoot()
		return m
	}
	other := l.cause
	if other == t {
		other = l.effect
	}
	m.Cause = other.owner.String()
	sum := 0
	l.terms(t, func(w int, why func() string) {
		sum += w
		m.Terms = append(m.Terms, incident.Term{Weight: weight(w), Why: why()})
	})
	m.Score = min(weight(sum), 1)
	return m
}
