package correlate

import "github.com/cortexops/cortexops/pipeline/incident"

// resolve takes a resolution in. One without a firing waits for it: the second of two webhooks may be accepted first.
func (j *Joiner) resolve(s *incident.Signal) {
	p := fingerprint(s)
	a := j.alerts[p]
	over := a == nil || a.trouble.over || a.trouble.group != nil && !a.firing
	switch {
	case over && (a == nil || s.StartsAt.After(a.starts)):
		if w, ok := j.waiting[p]; !ok || preferred(*s, w) {
			j.waiting[p] = *s
		}
		return
	case a.trouble.over || !a.outranked(s):
		return
	}
	a.set(s)
	j.touch(a.trouble)
	if g := a.trouble.group; g != nil && g.troubled == 0 {
		g.since = j.now
		j.quiet = append(j.quiet, hush{due: j.now.Add(j.Settle), since: j.now, group: g})
	}
}

// forgotten is a resolution whose firing has not come in time.
func (j *Joiner) forgotten(s incident.Signal) bool { return j.now.Sub(s.AcceptedAt) > j.Settle }
