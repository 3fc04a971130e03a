package correlate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Dedupe is the first stage, one for each partition: it lets through what says something new, and with its text only so many
// signals of one alert on one workload, as far as a name tells. The joiner would not mind the rest; this spares it the work.
type Dedupe struct {
	accepted map[word]instant // the earliest, or that of a firing which was told anew
	ended    map[word]instant // by fingerprint: when its last resolution was accepted
	texts    map[told]int
	latest   time.Time
	swept    time.Time
	through  []incident.Signal // of the last fold
}

// word is the ID of a signal, and instant a time, without pointers: for an hour of signals the collector need not look at them.
type word [16]byte

type instant struct {
	seconds int64
	nanos   int32
}

// told is one alert on one workload.
type told struct {
	incident.Resource
	alert string
}

// most words are kept, about 16 MB of them. Who has let go of them lets more through, which is no harm.
const most = 1 << 18

// textual signals of one alert on one workload keep their text in a tenth of a horizon.
const textual = 3

// wanted are the labels that correlation reads, beside those that name an object, and the one that a new watch of the cluster needs.
var wanted = append([]string{"revision", incident.Observed}, traces...)

// NewDedupe has seen nothing.
func NewDedupe() *Dedupe {
	return &Dedupe{accepted: map[word]instant{}, ended: map[word]instant{}, texts: map[told]int{}}
}

func wordOf(id string) (w word) {
	if len(id) == hex.EncodedLen(len(w)) && strings.ToLower(id) == id {
		if _, err := hex.Decode(w[:], []byte(id)); err == nil { // a SignalID
			return w
		}
	}
	sum := sha256.Sum256([]byte(id))
	return word(sum[:len(w)])
}

func instantOf(t time.Time) instant { return instant{t.Unix(), int32(t.Nanosecond())} }

func (i instant) time() time.Time { return time.Unix(i.seconds, int64(i.nanos)) }

// New reports whether s must go on to the joiner. The same word that was accepted earlier must: a window runs from it.
func (d *Dedupe) New(s incident.Signal) bool { return d.isNew(&s) }

func (d *Dedupe) isNew(s *incident.Signal) bool {
	d.latest = later(d.latest, s.AcceptedAt)
	if d.latest.Sub(d.swept) > horizon/10 {
		d.swept = d.latest
		clear(d.texts)
		for _, known := range []map[word]instant{d.accepted, d.ended} {
			for id, at := range known {
				if d.latest.Sub(at.time()) > horizon {
					delete(known, id)
				}
			}
		}
	}
	w := wordOf(s.ID)
	if at, again := d.accepted[w]; again && !s.AcceptedAt.Before(at.time()) && !d.anew(s, at) {
		return false
	}
	for _, known := range []map[word]instant{d.accepted, d.ended} {
		if len(known) >= most {
			clear(known)
		}
	}
	d.accepted[w] = instantOf(s.AcceptedAt)
	if s.Status == incident.Resolved {
		d.ended[printOf(s)] = d.accepted[w]
	}
	return true
}

// anew reports whether a firing is told again that has been resolved meanwhile, and not just now.
func (d *Dedupe) anew(s *incident.Signal, before instant) bool {
	if s.Status != incident.Firing || len(d.ended) == 0 {
		return false
	}
	ended, ok := d.ended[printOf(s)]
	return ok && !ended.time().Before(before.time()) && s.AcceptedAt.Sub(ended.time()) > overtaking
}

func printOf(s *incident.Signal) (w word) {
	p := fingerprint(s)
	sum := sha256.Sum256([]byte(p.source + " " + p.cluster + " " + p.fingerprint))
	return word(sum[:len(w)])
}

// Fold lets through what is new of a batch, and says how far the batch goes. Its signals are good until the next batch.
func (d *Dedupe) Fold(list []incident.Signal) incident.Fold {
	var f incident.Fold
	d.through = d.through[:0]
	for i := range list {
		s := &list[i]
		f.Seen = later(f.Seen, s.AcceptedAt)
		if !d.isNew(s) {
			continue
		}
		d.through = append(d.through, *s)
		d.fold(&d.through[len(d.through)-1])
	}
	f.Signals = d.through
	return f
}

// fold lets go of the text of s, where there have been enough of its like. What is still read of it stays.
func (d *Dedupe) fold(s *incident.Signal) {
	about := told{s.Subject, s.Name}
	if about.Kind == "Pod" { // a Deployment's has two parts behind the name, others one
		for range 2 {
			if i := strings.LastIndexByte(about.Name, '-'); i > 0 {
				about.Name = about.Name[:i]
			}
		}
	}
	n := d.texts[about] + 1
	if d.texts[about] = n; n <= textual {
		return
	}
	kept := incident.Naming(s.Labels)
	for _, name := range wanted {
		if v := s.Labels[name]; v != "" {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = v
		}
	}
	s.Labels, s.Annotations, s.GeneratorURL = kept, nil, ""
}
