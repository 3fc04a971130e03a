package correlate

import (
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

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

// departed ends what an object that is gone was told to be in: Flux tells no end of that, and who follows the cluster knows only what the
// revisions of open incidents have room for. Both derive their fingerprints from the object.
func (j *Joiner) departed(r incident.Resource, at time.Time) {
	owner, ok := j.Graph.Owner(r)
	if !ok {
		owner = r
	}
	t := j.active[whoIs(owner)]
	if t == nil {
		return
	}
	end := func(source string, parts ...string) {
		p := identity{source, "", incident.Digest(append([]string{source, r.Key()}, parts...)...)[:16]}
		if a := j.alerts[p]; a != nil && a.firing && a.trouble == t && a.at <= at.UnixNano() { // else it fires since: we read what was read before
			a.end(at)
			j.quieter(t)
		}
	}
	end("flux")
	for _, name := range t.names {
		for _, container := range append([]string{""}, t.containers...) {
			end("kubernetes", name, container)
		}
	}
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
// Flux sends an event again for up to a minute and a half, each on its own.
func (j *Joiner) forgotten(s *incident.Signal) bool {
	wait := j.Settle
	if s.Source == "flux" {
		wait = max(wait, resent)
	}
	return j.now.Sub(s.AcceptedAt) > wait
}

const resent = 2 * time.Minute
