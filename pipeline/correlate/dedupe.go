package correlate

import (
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Dedupe is the first stage, one for each partition: it lets through what says something new, and with its text only so many
// signals of one alert on one workload, as far as a name tells. The joiner would not mind the rest; this spares it the work.
type Dedupe struct {
	accepted map[string]time.Time // by signal ID: the earliest
	texts    map[incident.Resource]map[string]int
	latest   time.Time
	swept    time.Time
}

// textual signals of one alert on one workload keep their text in a tenth of a horizon.
const textual = 3

// NewDedupe has seen nothing.
func NewDedupe() *Dedupe {
	return &Dedupe{accepted: map[string]time.Time{}, texts: map[incident.Resource]map[string]int{}}
}

// New reports whether s must go on to the joiner. The same word that was accepted earlier must: a window runs from it.
func (d *Dedupe) New(s incident.Signal) bool { return d.isNew(&s) }

func (d *Dedupe) isNew(s *incident.Signal) bool {
	d.latest = later(d.latest, s.AcceptedAt)
	if d.latest.Sub(d.swept) > horizon/10 {
		d.swept = d.latest
		clear(d.texts)
		for id, at := range d.accepted {
			if d.latest.Sub(at) > horizon {
				delete(d.accepted, id)
			}
		}
	}
	if at, again := d.accepted[s.ID]; again && !s.AcceptedAt.Before(at) {
		return false
	}
	d.accepted[s.ID] = s.AcceptedAt
	return true
}

// Fold lets through what is new of a batch, and says how far the batch goes.
func (d *Dedupe) Fold(list []incident.Signal) incident.Fold {
	var f incident.Fold
	for i := range list {
		s := &list[i]
		f.Seen = later(f.Seen, s.AcceptedAt)
		if !d.isNew(s) {
			continue
		}
		if f.Signals == nil {
			f.Signals = make([]incident.Signal, 0, len(list)-i)
		}
		f.Signals = append(f.Signals, *s)
		d.fold(&f.Signals[len(f.Signals)-1])
	}
	return f
}

// fold lets go of the text of s, where there have been enough of its like. What correlation reads stays.
func (d *Dedupe) fold(s *incident.Signal) {
	about := s.Subject
	if about.Kind == "Pod" { // a Deployment's has two parts behind the name, others one
		for range 2 {
			if i := strings.LastIndexByte(about.Name, '-'); i > 0 {
				about.Name = about.Name[:i]
			}
		}
	}
	count := d.texts[about]
	if count == nil {
		count = map[string]int{}
		d.texts[about] = count
	}
	if count[s.Name]++; count[s.Name] <= textual {
		return
	}
	kept := incident.Naming(s.Labels)
	for _, name := range append([]string{"revision"}, traces...) {
		if v := s.Labels[name]; v != "" {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = v
		}
	}
	s.Labels, s.Annotations, s.GeneratorURL = kept, nil, ""
}
