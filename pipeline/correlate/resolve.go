package correlate

import "github.com/cortexops/cortexops/pipeline/incident"

// resolve takes a resolution in. One without a firing waits for it: the second of two webhooks may be accepted first.
func (j *Joiner) resolve(e *event) {
	s := e.signal
	p := fingerprint(s)
	a := j.alerts[p]
	if a == nil {
		if t := j.active[whoIs(j.owner(e))]; t != nil && t.unknown > 0 && s.StartsAt.Before(t.group.asOf) && !s.AcceptedAt.Before(t.group.asOf) {
			j.hold(t, p, s)
			j.quieter(t)
			return
		}
	}
	over := a == nil || a.trouble.over || a.trouble.group != nil && !a.firing
	switch {
	case over && (a == nil || s.StartsAt.After(a.starts)):
		if w, ok := j.waiting[p]; !ok || preferred(*s, *w) {
			j.waiting[p] = s
		}
		return
	case a.trouble.over || !a.outranked(s):
		return
	}
	a.set(s)
	j.quieter(a.trouble)
}

// quieter tells of a resolution, and begins to wait for the heal where it was the last.
func (j *Joiner) quieter(t *trouble) {
	j.touch(t)
	if g := t.group; g != nil && g.troubled == 0 {
		g.since = j.now
		j.quiet = append(j.quiet, hush{due: j.now.Add(j.Settle), since: j.now, group: g})
	}
}

// forgotten is a resolution whose firing has not come in time.
func (j *Joiner) forgotten(s *incident.Signal) bool { return j.now.Sub(s.AcceptedAt) > j.Settle }
