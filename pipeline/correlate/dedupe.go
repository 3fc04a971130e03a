package correlate

import (
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Dedupe is the first stage, one for each partition: it lets through what says something new. The joiner would not mind
// the rest; this spares it the work.
type Dedupe struct {
	accepted map[string]time.Time // by signal ID: the earliest
	latest   time.Time
	swept    time.Time
}

// NewDedupe has seen nothing.
func NewDedupe() *Dedupe { return &Dedupe{accepted: map[string]time.Time{}} }

// New reports whether s must go on to the joiner. The same word that was accepted earlier must: a window runs from it.
func (d *Dedupe) New(s incident.Signal) bool {
	d.latest = later(d.latest, s.AcceptedAt)
	if d.latest.Sub(d.swept) > horizon/10 {
		d.swept = d.latest
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
	for _, s := range list {
		f.Seen = later(f.Seen, s.AcceptedAt)
		if d.New(s) {
			f.Signals = append(f.Signals, s)
		}
	}
	return f
}
