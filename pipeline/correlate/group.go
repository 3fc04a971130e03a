package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// group is the troubles of one incident that was sealed.
type group struct {
	id       string
	state    incident.State // sealed or resolved
	root     *trouble
	troubles []*trouble // the root first, then as they came in
	troubled int        // of these, those with a firing signal
	since    time.Time  // when the last firing was resolved
	onset    time.Time
	sealedAt time.Time
	healedAt time.Time
	reopened int
	linked   []string
	window   string
	graph    string
	blast    incident.BlastRadius
	asked    bool      // the blast radius is known
	dirty    bool      // changed since it was told
	asOf     time.Time // what the joiner before us told holds all that was accepted before
}

// gathered is what is pending and belongs together.
type gathered struct {
	troubles []*trouble
	because  map[*trouble]*link // by which each was reached
	kin      []*link            // to open groups
}

// gather what belongs together with t.
func gather(t *trouble) gathered {
	g := gathered{troubles: []*trouble{t}, because: map[*trouble]*link{t: nil}}
	for i := 0; i < len(g.troubles); i++ {
		g.troubles[i].joined(func(other *trouble, l *link) {
			switch _, there := g.because[other]; {
			case there || other.over:
			case other.group != nil:
				g.kin = append(g.kin, l)
			default:
				g.because[other] = l
				g.troubles = append(g.troubles, other)
			}
		})
	}
	slices.SortFunc(g.troubles, sooner)
	return g
}

// root is the trouble from which the most others come, and nothing of which comes from another: of several the one that was
// changed, then the first. In a ring, where each is the other's cause, it is the first.
func (g gathered) root() *trouble {
	effects := map[*trouble][]*trouble{}
	var sources []*trouble
	for _, t := range g.troubles {
		if l := t.cause(); l != nil && g.has(l.cause) {
			effects[l.cause] = append(effects[l.cause], t)
		} else {
			sources = append(sources, t)
		}
	}
	if len(sources) == 0 {
		return g.troubles[0]
	}
	reach := func(t *trouble) int {
		from := []*trouble{t}
		for i := 0; i < len(from); i++ {
			from = append(from, effects[from[i]]...)
		}
		return len(from)
	}
	best, most := sources[0], reach(sources[0])
	for _, t := range sources[1:] {
		n := reach(t)
		if c := cmp.Or(cmp.Compare(n, most), compare(t.changed(), best.changed())); c > 0 {
			best, most = t, n
		}
	}
	return best
}

func (g gathered) has(t *trouble) bool { _, ok := g.because[t]; return ok }

func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// onset is the earliest.
func (g gathered) onset() time.Time {
	return slices.MinFunc(g.troubles, func(a, b *trouble) int { return a.onset.Compare(b.onset) }).onset
}

// why each belongs to the others: its cause, or what it was reached by.
func (g gathered) why(t, root *trouble) *link {
	switch l := t.cause(); {
	case t == root:
		return nil
	case l != nil && g.has(l.cause):
		return l
	}
	if l := g.because[t]; l != nil {
		return l
	}
	for _, l := range t.links { // where gathering began
		if !l.directed && l.score() >= enough && g.has(l.cause) && g.has(l.effect) {
			return l
		}
	}
	return nil
}

// seal what belongs together with the oldest pending trouble: into a group that it is kin of, or one of its own.
func (j *Joiner) seal() {
	got := gather(j.queue[0])
	root := got.root()
	g, l := nearest(got.kin)
	if g == nil {
		g = j.found(got, root)
	} else {
		j.stir(g)
	}
	for _, t := range got.troubles {
		t.because = got.why(t, root)
		if t == root {
			t.because = l // nil in a group of its own
		}
		t.group = g
		if t.alight() {
			g.troubled++
		}
	}
	for _, t := range got.troubles {
		if t != g.root {
			g.troubles = slices.DeleteFunc(g.troubles, func(o *trouble) bool { return o.over && whoIs(o.owner) == whoIs(t.owner) })
			g.troubles = append(g.troubles, t)
		}
	}
	for _, other := range got.kin {
		for _, t := range []*trouble{other.cause, other.effect} {
			if o := t.group; o != nil && o != g && !slices.Contains(g.linked, o.id) {
				g.linked, o.linked = add(g.linked, o.id), add(o.linked, g.id)
				j.stir(o)
			}
		}
	}
	if g.troubled == 0 {
		j.heal(g, j.now.Add(-1)) // before what is accepted at this time, which is worked off next and may be a new outbreak
	}
}

func add(list []string, id string) []string {
	if i, there := slices.BinarySearch(list, id); !there {
		list = slices.Insert(list, i, id)
	}
	return list
}

// nearest of the groups that links lead to, and the link.
func nearest(links []*link) (*group, *link) {
	var best *group
	var by *link
	most := 0
	for _, l := range links {
		g := cmp.Or(l.cause.group, l.effect.group)
		score := l.score()
		if best == nil || cmp.Or(cmp.Compare(score, most), best.sealedAt.Compare(g.sealedAt), strings.Compare(best.id, g.id)) > 0 {
			best, by, most = g, l, score
		}
	}
	return best, by
}

// found a group.
func (j *Joiner) found(got gathered, root *trouble) *group {
	g := &group{state: incident.Sealed, root: root, troubles: []*trouble{root}, onset: j.begun(root.owner, got.onset()), sealedAt: j.now, graph: j.Graph.Digest()}
	g.id = incident.ID(root.owner, g.onset)
	j.onsets[whoIs(root.owner)] = onset{at: g.onset}
	g.window = j.window(root.owner, g.onset)
	j.stir(g)
	return g
}

// window that covers what begins there and then, or "".
func (j *Joiner) window(root incident.Resource, at time.Time) string {
	for _, w := range j.Windows {
		if w.Covers(root, at) {
			return w.Reason
		}
	}
	return ""
}

// onset of an incident, which is remembered for as long as what was told of it is kept: an alert may fire again with the start that it
// had long ago.
type onset struct{ at, healed time.Time } // healed: zero while the incident is known

const remembered = 30 * 24 * time.Hour

// begun is the onset, but after that of the incident before: two incidents of one root never share an ID.
func (j *Joiner) begun(root incident.Resource, at time.Time) time.Time {
	if last, ok := j.onsets[whoIs(root)]; ok && !at.After(last.at) {
		return last.at.Add(1)
	}
	return at
}

// hushed heals a group in which nothing has fired since.
func (j *Joiner) hushed() {
	h := j.quiet[0]
	j.quiet = j.quiet[1:]
	if g := h.group; g.state == incident.Sealed && g.troubled == 0 && !g.since.After(h.since) && (h.told || !h.since.Before(g.asOf)) {
		j.heal(g, h.since)
	}
}

func (j *Joiner) heal(g *group, at time.Time) {
	g.state, g.healedAt, g.dirty = incident.Healed, at, false // a state is told at once
	for _, t := range g.troubles {
		t.over = true
	}
	for _, t := range g.troubles {
		t.cut()
		j.unname(t)
		id := whoIs(t.owner)
		if j.active[id] == t {
			delete(j.active, id)
		}
		j.past[id] = append(j.past[id], g)
	}
	j.healed = append(j.healed, g)
	j.stir(g)
}

// another outbreak of g, which is to be tried again.
func (j *Joiner) another(g *group) {
	g.reopened++
	if g.window != "" { // what breaks out after it is nobody's work
		g.window = j.window(g.root.owner, j.now)
	}
}

// reopen what healed and breaks out again.
func (j *Joiner) reopen(g *group) {
	j.another(g)
	g.state, g.healedAt, g.since, g.asked, g.dirty = incident.Sealed, time.Time{}, time.Time{}, false, false
	j.healed = slices.DeleteFunc(j.healed, func(o *group) bool { return o == g })
	for _, t := range g.troubles {
		id := whoIs(t.owner)
		j.leave(id, g)
		if j.active[id] == nil {
			t.over = false
			j.connect(t)
		}
	}
	j.stir(g)
}

func (j *Joiner) leave(id who, g *group) {
	if list := slices.DeleteFunc(j.past[id], func(o *group) bool { return o == g }); len(list) > 0 {
		j.past[id] = list
	} else {
		delete(j.past, id)
	}
}
