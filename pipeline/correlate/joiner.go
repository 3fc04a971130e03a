package correlate

import (
	"cmp"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Graph is what the joiner asks about how things hang together. It answers from memory and for the moment: changes reach it
// by Apply, in order with the signals.
type Graph interface {
	Owner(r incident.Resource) (incident.Resource, bool)
	Near(r incident.Resource) []incident.Neighbour
	Rollout(r incident.Resource) incident.Rollout
	Blast(r incident.Resource) incident.BlastRadius
	Digest() string
}

// Window is a time in which people work on something: what breaks then is told, and nothing acts on it.
type Window struct {
	Cluster, Namespace string // "" is every one
	From, To           time.Time
	Reason             string
}

// Covers tells whether what began there and then is people's work.
func (w Window) Covers(root incident.Resource, onset time.Time) bool {
	return (w.Cluster == "" || w.Cluster == root.Cluster) && (w.Namespace == "" || w.Namespace == root.Namespace) && !onset.Before(w.From) && onset.Before(w.To)
}

// JoinerOptions of NewJoiner. Every time is of acceptance.
type JoinerOptions struct {
	Graph    Graph
	Apply    func(incident.GraphChange) error // nil: the graph does not change
	Settle   time.Duration                    // from a workload's first signal to its sealing, and how long a heal must hold; default 10 s
	Lateness time.Duration                    // how much later than others a signal may come and change nothing; every seal waits for it; default 1 s
	Reopen   time.Duration                    // after a heal, in which the same incident breaks out again; default 10 min
	Tell     time.Duration                    // between two revisions of one state; 0: every change is told
	Windows  []Window
	Announce bool // tell of a workload's first signal before it is in order
}

// Joiner makes incidents of all signals of all partitions. It has no clock and no I/O. What came within Lateness is worked
// off in the order of acceptance, whatever order it came in; so the sealed incidents do not depend on it. Not safe for
// concurrent use.
type Joiner struct {
	JoinerOptions
	tail    tail
	now     time.Time // of what is worked off
	seen    time.Time
	alerts  map[identity]*alert
	active  map[who]*trouble // pending, or in an open group
	past    map[who][]*group // healed, in this order
	waiting map[identity]*incident.Signal
	queue   []*trouble            // pending ones by the time of their first signal, and others
	quiet   []hush                // by due
	healed  []*group              // by HealedAt
	onsets  map[who]onset         // of the last incident of each root
	alike   map[string][]*trouble // live ones by what names them together, the soonest first
	kept    int                   // signals with text
	dirty   []*trouble            // pending, and changed since they were told
	stirred []*group              // likewise
	putOff  struct {              // what is told later; it stays dirty
		troubles []*trouble
		groups   []*group
		looked   time.Time
	}
	told    map[string]memo            // by incident ID
	hinted  map[who]*incident.Resource // announced by what is still in the tail
	changed int                        // how often the graph was
	out     []Revision
	swept   time.Time // see forget

	Late    int // signals that came after their time had been worked off
	Refused int // changes of the graph that could not be applied
}

// hush is when a group that has no firing signal any more has healed, unless it fires again.
type hush struct {
	due   time.Time
	since time.Time
	group *group
	told  bool // by the joiner before us
}

// NewJoiner makes one that has seen nothing.
func NewJoiner(o JoinerOptions) *Joiner {
	o.Settle, o.Lateness, o.Reopen = cmp.Or(o.Settle, 10*time.Second), cmp.Or(o.Lateness, time.Second), cmp.Or(o.Reopen, 10*time.Minute)
	return &Joiner{JoinerOptions: o, alerts: map[identity]*alert{}, active: map[who]*trouble{}, past: map[who][]*group{},
		waiting: map[identity]*incident.Signal{}, onsets: map[who]onset{}, alike: map[string][]*trouble{},
		told: map[string]memo{}, hinted: map[who]*incident.Resource{}}
}

// Add takes a signal in, in any order. Its effect is told by Advance.
func (j *Joiner) Add(s incident.Signal) { j.add(&s) }

// add keeps s itself until it is worked off. What is late counts as accepted now: what it would have changed is told already.
func (j *Joiner) add(s *incident.Signal) {
	if s.AcceptedAt.Before(j.now) {
		j.Late++
		s.AcceptedAt = j.now
	}
	if e := j.tail.put(event{signal: s}); j.Announce {
		j.hint(e)
	}
}

// Change takes a change of the graph in.
func (j *Joiner) Change(c incident.GraphChange) {
	j.tail.put(event{change: &c, id: changeID(c)})
}

// Advance works off what is in order. Seen is a time up to which everything that was accepted has been added, but for what
// is late by no more than Lateness: of several partitions, that of the one furthest behind.
func (j *Joiner) Advance(seen time.Time) []Revision {
	j.seen = later(j.seen, seen)
	j.until(j.seen.Add(-j.Lateness))
	defer j.forget() // not before: however long the time was that we have worked off, it is told under the numbers that follow
	return j.tell()
}

// Now is the time up to which everything is worked off.
func (j *Joiner) Now() time.Time { return j.now }

// Finish works off everything, as if nothing more were to come.
func (j *Joiner) Finish() []Revision {
	end := later(j.now, j.tail.last())
	for _, d := range []time.Duration{0, 2 * j.Settle} {
		end = end.Add(d + 1)
		j.until(end)
	}
	j.seen = later(j.seen, end.Add(j.Lateness))
	every := j.Tell
	defer func() { j.Tell = every }()
	j.Tell = 0 // there is no later
	return j.tell()
}

// until works off what was accepted before w and what is due by then, in the order of time. What is due at a time goes
// before what was accepted at it.
func (j *Joiner) until(w time.Time) {
	for {
		var at time.Time
		var act func()
		if due, ok := j.nextSeal(); ok && !due.After(w) {
			at, act = due, j.seal
		}
		if len(j.quiet) > 0 && !j.quiet[0].due.After(w) && (act == nil || j.quiet[0].due.Before(at)) {
			at, act = j.quiet[0].due, j.hushed
		}
		if first, ok := j.tail.first(); ok && first.Before(w) && (act == nil || first.Before(at)) {
			at, act = first, j.next
		}
		if act == nil {
			break
		}
		j.now = later(j.now, at)
		act()
	}
	j.now = later(j.now, w)
}

// nextSeal is when the oldest pending trouble is sealed.
func (j *Joiner) nextSeal() (time.Time, bool) {
	for len(j.queue) > 0 && j.queue[0].group != nil {
		j.queue[0] = nil
		j.queue = j.queue[1:]
	}
	if len(j.queue) == 0 {
		return time.Time{}, false
	}
	return j.queue[0].first.Add(j.Settle), true
}

// next works one event off.
func (j *Joiner) next() {
	e := j.tail.take()
	if e.hinted {
		delete(j.hinted, whoIs(*e.owner))
	}
	switch {
	case e.change != nil:
		j.changed++
		if d := e.change.Delete; d != nil && d.Node != nil && d.Node.ChangedAt.IsZero() {
			j.departed(d.Node.Resource, e.change.At)
		}
		if j.Apply == nil || j.Apply(*e.change) != nil {
			j.Refused++
		}
	case e.signal.Status == incident.Resolved:
		j.resolve(&e)
	default:
		j.fire(&e)
	}
}

// touch marks what has to be told.
func (j *Joiner) touch(t *trouble) {
	switch {
	case t.group != nil:
		j.stir(t.group)
	case !t.dirty:
		t.dirty = true
		j.dirty = append(j.dirty, t)
	}
}

func (j *Joiner) stir(g *group) {
	if !g.dirty {
		g.dirty = true
		j.stirred = append(j.stirred, g)
	}
}
