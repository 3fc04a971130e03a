package correlate

import (
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	rolledOut  = "revision " // before what a workload was changed to; other names are a label and its value
	tracesMost = 16          // of one workload
)

// trace names t by what a signal's labels say.
func (j *Joiner) trace(t *trouble, s *incident.Signal) {
	for _, label := range traces {
		if id := s.Labels[label]; strings.Trim(id, "0-") != "" && len(t.alike) < tracesMost { // all zeros is OpenTelemetry's word for none
			j.name(t, label+" "+id)
		}
	}
}

// name t by what other troubles may be named by too. Of those only neighbours in time are tied, since what belongs together
// belongs to its neighbours, and a revision may name all workloads of a cluster.
func (j *Joiner) name(t *trouble, name string) {
	if slices.Contains(t.alike, name) {
		return
	}
	t.alike = append(t.alike, name)
	j.place(t, name)
}

func (j *Joiner) place(t *trouble, name string) {
	list := j.alike[name]
	at, _ := slices.BinarySearchFunc(list, t, sooner)
	list = slices.Insert(list, at, t)
	j.alike[name] = list
	if at > 0 {
		tieAlike(list[at-1], t, name)
	}
	if at+1 < len(list) {
		tieAlike(t, list[at+1], name)
	}
}

func tieAlike(a, b *trouble, name string) {
	l := &link{cause: a, effect: b}
	if !strings.HasPrefix(name, rolledOut) {
		l.trace = name
	}
	if !slices.ContainsFunc(a.links, func(o *link) bool { return *o == *l }) {
		tie(l)
	}
}

// unname t, which is over: those that it stood between are neighbours.
func (j *Joiner) unname(t *trouble) {
	for _, name := range t.alike {
		list := j.alike[name]
		if !slices.Contains(list, t) { // one that healed with it has done it
			continue
		}
		left := list[:0]
		gap := false
		for _, o := range list {
			if o.over {
				gap = true
				continue
			}
			if gap && len(left) > 0 {
				tieAlike(left[len(left)-1], o, name)
			}
			left, gap = append(left, o), false
		}
		clear(list[len(left):])
		if j.alike[name] = left; len(left) == 0 {
			delete(j.alike, name)
		}
	}
	t.alike = nil
}

// began takes an onset in, and reports whether it is earlier than what was known. Its neighbours may be others then.
func (j *Joiner) began(t *trouble, at time.Time) bool {
	if !t.onset.IsZero() && !at.Before(t.onset) {
		return false
	}
	for _, name := range t.alike {
		i := slices.Index(j.alike[name], t)
		j.alike[name] = slices.Delete(j.alike[name], i, i+1)
	}
	t.began(at)
	for _, name := range t.alike {
		j.place(t, name)
	}
	return true
}
