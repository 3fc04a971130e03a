package correlate

import "github.com/cortexops/cortexops/pipeline/incident"

// subject is the owner of what the signal is about, what it is about where no owner is known, and nothing where nothing is
// named: such signals are kept together, for a person to look at.
func (j *Joiner) subject(s *incident.Signal) incident.Resource {
	if s.Subject.IsZero() {
		return incident.Resource{}
	}
	about := s.Subject
	if g, ok := j.Graph.(interface {
		Subject(incident.Signal) incident.Resource // which of the objects that the labels name is there
	}); ok {
		about = g.Subject(*s)
	}
	if owner, ok := j.Graph.Owner(about); ok {
		return owner
	}
	return about
}

// owner is the subject of an event's signal, which is not asked for again while the graph stays as it is.
func (j *Joiner) owner(e *event) incident.Resource {
	if e.owner != nil && e.graph == j.changed {
		return *e.owner
	}
	return j.subject(e.signal)
}
