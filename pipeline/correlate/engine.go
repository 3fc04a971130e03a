// Package correlate turns Signals into Incidents: one for each workload that is in trouble. The engine is pure: it has no
// clock, no I/O, and within an incident's settle window its result does not depend on the order of arrival. Run feeds it
// from the bus and lets a signal go only after the incident revision that contains it is stored.
//
// Dedupe and Joiner are the two stages that make one incident of a cascade, over all partitions: Dedupe is each
// partition's, the one Joiner alone asks the graph and seals. They are as pure, and replay feeds them.
package correlate

import (
	"maps"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// horizon is how long a healed incident is remembered, to tell a late word about it from a new outbreak.
const horizon = time.Hour

// Options of New.
type Options struct {
	Settle time.Duration                                     // from an incident's first signal to its sealing; default 10 s
	Owner  func(incident.Resource) (incident.Resource, bool) // the workload that runs a resource
	Blast  func(incident.Resource) incident.BlastRadius      // who is hit when it fails
}

// Engine holds what is going on. It is not safe for concurrent use.
type Engine struct {
	Options
	open     map[string]*record         // by the root's key: provisional or sealed
	past     map[string][]*record       // by the root's key: healed less than a horizon ago, by onset
	known    map[string]*record         // by fingerprint: the last record that took it
	waiting  map[string]incident.Signal // by fingerprint: resolutions that may have overtaken their firing
	changed  map[*record]bool
	nextSeal time.Time // no provisional record is due before it
	seen     time.Time // the latest AcceptedAt or watermark
}

// Outcome is what became of a Signal.
type Outcome string

const (
	Opened    Outcome = "opened"    // a new incident
	Attached  Outcome = "attached"  // a new member of an incident
	Updated   Outcome = "updated"   // a later state of a member
	Duplicate Outcome = "duplicate" // says nothing that is not known, or is older than what is known
	Waiting   Outcome = "waiting"   // resolves what was never seen firing; forgotten after a settle window
)

// Revision is an Incident with a change to be published.
type Revision struct {
	incident.Incident
	From incident.State // the state of the revision before, "" for the first
}

// New makes an empty engine.
func New(o Options) *Engine {
	if o.Settle <= 0 {
		o.Settle = 10 * time.Second
	}
	return &Engine{Options: o, open: map[string]*record{}, past: map[string][]*record{}, known: map[string]*record{},
		waiting: map[string]incident.Signal{}, changed: map[*record]bool{}}
}

// Add takes a signal in. Its effect is published by the next Due.
func (e *Engine) Add(s incident.Signal) Outcome {
	e.seen = later(e.seen, s.AcceptedAt)
	if s.Status == incident.Resolved {
		return e.resolve(s)
	}
	return e.fire(s)
}

// fire puts a firing into the open incident of its root, and opens one where there is none. An incident that has healed
// is over: a firing that began later than what it held opens another.
func (e *Engine) fire(s incident.Signal) Outcome {
	p := fingerprint(s)
	root := e.root(s)
	if r := e.known[p]; r != nil {
		root = r.root // as it was then: the topology may have moved on
	}
	key := root.Key()
	for _, old := range e.past[key] {
		if m, ok := old.members[p]; ok && !s.StartsAt.After(m.StartsAt) {
			return Duplicate
		}
	}
	r, outcome := e.open[key], Attached
	if r != nil && r.over(p, s) {
		r.last = later(r.last, s.AcceptedAt) // it is remembered from now on
		e.close(r)
		e.touch(r)
		r = nil
	}
	if r == nil {
		r, outcome = &record{root: root, key: key, state: incident.Provisional, members: map[string]member{}}, Opened
		if old := e.past[key]; len(old) > 0 {
			r.after = old[len(old)-1].onset
		}
		e.open[key] = r
	}
	if _, held := r.members[p]; held {
		outcome = Updated
	}
	if !r.take(p, s) {
		return Duplicate
	}
	e.known[p] = r
	e.touch(r)
	if w, ok := e.waiting[p]; ok && !w.StartsAt.Before(s.StartsAt) {
		delete(e.waiting, p)
		r.take(p, w)
	}
	return outcome
}

// resolve updates the open incident that holds the firing. A resolution without one waits for it: of two webhooks that
// are sent at once, the second may be read first.
func (e *Engine) resolve(s incident.Signal) Outcome {
	p := fingerprint(s)
	r := e.known[p]
	var m incident.Signal
	if r != nil {
		m = r.members[p].Signal
	}
	over := r == nil || r.state == incident.Healed || r.state == incident.Sealed && m.Status == incident.Resolved
	switch {
	case over && s.StartsAt.After(m.StartsAt):
		if w, ok := e.waiting[p]; !ok || preferred(s, w) {
			e.waiting[p] = s
		}
		return Waiting
	case r.state == incident.Healed || !r.take(p, s):
		return Duplicate
	}
	e.touch(r)
	return Updated
}

// root is the owner of the subject, the subject itself where no owner is known, and nothing where none is named: such
// signals are kept together, for a person to look at.
func (e *Engine) root(s incident.Signal) incident.Resource {
	if s.Subject.IsZero() {
		return incident.Resource{}
	}
	if owner, ok := e.Owner(s.Subject); ok {
		return owner
	}
	return s.Subject
}

func (e *Engine) touch(r *record) {
	e.changed[r] = true
	e.expect(r)
}

func (e *Engine) expect(r *record) {
	if due := r.first.Add(e.Settle); r.state == incident.Provisional && (e.nextSeal.IsZero() || due.Before(e.nextSeal)) {
		e.nextSeal = due
	}
}

// Overdue reports whether Due(now) would seal something. Ask before adding a signal that was accepted at now, so that a
// backlog is cut into the same incidents as it would have been live.
func (e *Engine) Overdue(now time.Time) bool { return !e.nextSeal.IsZero() && !now.Before(e.nextSeal) }

// Due seals the incidents whose settle window has passed at now, the time up to which all signals have been added, and
// returns a revision of every incident that changed, ordered by root and onset.
func (e *Engine) Due(now time.Time) []Revision {
	e.seen = later(e.seen, now)
	if e.Overdue(now) {
		e.nextSeal = time.Time{}
		for _, r := range e.open {
			if due := r.first.Add(e.Settle); r.state == incident.Provisional && !now.Before(due) {
				r.state, r.sealedAt = incident.Sealed, due
				e.changed[r] = true
			}
			e.expect(r)
		}
	}
	var due []Revision
	for _, r := range slices.SortedFunc(maps.Keys(e.changed), byRoot) {
		if r.state == incident.Sealed && r.resolved() {
			e.close(r)
		}
		r.revision++
		due = append(due, Revision{Incident: r.incident(e.Blast), From: r.told})
		r.told = r.state
	}
	clear(e.changed)
	e.forget()
	return due
}

func (e *Engine) close(r *record) {
	r.state = incident.Healed
	delete(e.open, r.key)
	e.past[r.key] = append(e.past[r.key], r)
}

// forget drops what healed a horizon ago, and the resolutions whose firing did not come.
func (e *Engine) forget() {
	for key, list := range e.past {
		kept := slices.DeleteFunc(list, func(r *record) bool {
			old := e.seen.Sub(r.last) > horizon
			for p := range r.members {
				if old && e.known[p] == r {
					delete(e.known, p)
				}
			}
			return old
		})
		if e.past[key] = kept; len(kept) == 0 {
			delete(e.past, key)
		}
	}
	maps.DeleteFunc(e.waiting, func(_ string, s incident.Signal) bool { return e.seen.Sub(s.AcceptedAt) > e.Settle })
}
