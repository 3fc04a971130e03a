package correlate

import (
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// fire takes a firing in.
func (j *Joiner) fire(e *event) {
	s := e.signal
	p := fingerprint(s)
	if a := j.alerts[p]; a != nil {
		t := a.trouble
		switch {
		case !t.over && !j.unended(a, s):
			j.fireAgain(a, s)
			return
		case !t.over:
			j.heal(t.group, j.now.Add(-j.Reopen-1))
			j.enter(t.owner, p, s)
			return
		}
		if !a.outranked(s) || !s.AcceptedAt.After(t.group.healedAt) {
			return // a late word about what has healed
		}
		j.enter(t.owner, p, s) // as it was then: the topology may have moved on
		return
	}
	j.enter(j.owner(e), p, s)
}

// unended reports whether s, which would be one more episode, began when the incident was over although nobody has told its
// end: Alertmanager tells that once, and it is lost where nobody read SIGNALS for as long as that keeps it. Else the workload
// would be in that incident for ever, and never be remediated again. Flux tells each failure with a time of its own, so its
// times say nothing of episodes.
func (j *Joiner) unended(a *alert, s *incident.Signal) bool {
	g := a.trouble.group
	if g == nil || !a.firing || s.Source != "alertmanager" {
		return false
	}
	var last time.Time
	for _, t := range g.troubles {
		last = later(last, t.last)
	}
	began := s.StartsAt
	if began.After(s.AcceptedAt) { // by a clock that is ahead
		began = s.AcceptedAt
	}
	return began.Sub(last) > horizon
}

func (j *Joiner) fireAgain(a *alert, s *incident.Signal) {
	t := a.trouble
	if t.group == nil && j.began(t, s.StartsAt) {
		j.touch(t)
	}
	if a.outranked(s) {
		a.set(s)
		j.touch(t)
		j.overtaken(s)
	}
}

// overtaken takes in the resolution of a firing that it came before.
func (j *Joiner) overtaken(s *incident.Signal) {
	if len(j.waiting) == 0 {
		return
	}
	p := fingerprint(s)
	if w, ok := j.waiting[p]; ok && !w.StartsAt.Before(s.StartsAt) && !j.forgotten(w) {
		delete(j.waiting, p)
		j.resolve(&event{signal: w})
	}
}

// enter puts a firing that is new into the trouble of its owner.
func (j *Joiner) enter(owner incident.Resource, p identity, s *incident.Signal) {
	id := whoIs(owner)
	t := j.active[id]
	again := t == nil // counted by reopen
	if t == nil {
		if list := j.past[id]; len(list) > 0 {
			i := slices.IndexFunc(list, func(g *group) bool { return !s.AcceptedAt.After(g.healedAt) })
			if i >= 0 {
				return // it was in that one already: we read what was read before
			}
			// A victim alone, with what has not been told of it then, is no new outbreak of its cause, which would be remediated again.
			if last := list[len(list)-1]; (whoIs(last.root.owner) == id || last.told(id, s.Name)) && !j.now.After(last.healedAt.Add(j.Reopen)) {
				j.reopen(last)
				t = j.active[id]
			}
		}
	}
	if t == nil {
		t = j.openTrouble(owner, s)
	}
	if g := t.group; !again && g != nil && (t == g.root && !slices.Contains(t.names, s.Name) && j.longAfter(t, s) || j.worked(g, s)) {
		j.another(g) // whoever tried what was told before has ended, and does not know of this
	}
	j.hold(t, p, s)
	if t.group == nil {
		j.began(t, s.StartsAt)
	}
	j.trace(t, s)
	j.touch(t)
	j.overtaken(s)
}

// longAfter reports whether s began so long after the last word about t that it is another outbreak. Alerts that name no workload have
// nothing else in common: of these it is as soon as the incident of the rest was sealed.
func (j *Joiner) longAfter(t *trouble, s *incident.Signal) bool {
	if t.owner.IsZero() {
		return s.AcceptedAt.Sub(t.last) > j.Settle
	}
	return s.AcceptedAt.Sub(t.last) > horizon && s.StartsAt.Sub(t.last) > horizon
}

// worked reports whether g is people's work, and s began when that was over.
func (j *Joiner) worked(g *group, s *incident.Signal) bool {
	return g.window != "" && j.window(g.root.owner, s.StartsAt) == "" && j.window(g.root.owner, j.now) == ""
}

// told reports whether an alert of that name was told of the member.
func (g *group) told(id who, name string) bool {
	return slices.ContainsFunc(g.troubles, func(t *trouble) bool { return whoIs(t.owner) == id && slices.Contains(t.names, name) })
}
