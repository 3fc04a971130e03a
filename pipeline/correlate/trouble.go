package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	whole  = 100    // signals of one workload that are kept with their text
	scarce = 2      // likewise, once
	plenty = 10_000 // are kept in all
)

// who identifies a workload: a Resource without its version.
type who = incident.Resource

func whoIs(r incident.Resource) who {
	r.Version = ""
	return r
}

// trouble is the signals of one workload, folded. It is pending until it is sealed in a group.
type trouble struct {
	owner   incident.Resource
	alerts  []*alert
	texts   []*alert // those that are kept with their text
	ordered bool     // these, by time
	firing  int
	unknown int       // more that fire, as the joiner before us told, of which nothing else is known
	onset   time.Time // the earliest StartsAt of a firing
	first   time.Time // when the first was accepted
	last    time.Time // the latest acceptance
	rollout incident.Rollout
	links   []*link
	alike   []string // what names it together with others
	group   *group   // nil while pending
	over    bool     // its group has healed: nothing new is linked to it

	names      []string // of the alerts that fired, sorted
	container  string   // that they agree on
	several    bool     // containers
	containers []string // of its alerts

	best    *link            // to its cause; see cause
	judged  bool             // best is up to date
	because *link            // in its group: why it belongs there, nil for the root
	former  *incident.Member // what the joiner before us told of it
	dirty   bool             // pending, and it changed since it was told
}

// alert is the latest state of one fingerprint.
type alert struct {
	print   identity
	id      string
	firing  bool
	starts  time.Time
	ends    time.Time // of the last resolution
	at      int64     // when that state was accepted, in nanoseconds of Unix
	trouble *trouble
	signal  *incident.Signal // nil: only counted
	size    int              // of its JSON, 0: not asked yet
}

func (a *alert) outranked(s *incident.Signal) bool {
	firing := s.Status == incident.Firing
	switch c := s.StartsAt.Compare(a.starts); {
	case firing && !a.firing && a.relapsed(s) && !(s.Source == "flux" && c < 0): // whose times are those of the events: an older one is sent again
		return true
	case c != 0:
		return c > 0
	case firing != a.firing:
		return a.firing && (a.ends.IsZero() || s.EndsAt.After(a.ends)) // else it is the end of what was before it fired again
	case firing:
		return s.ID > a.id
	}
	return cmp.Or(s.EndsAt.Compare(a.ends), cmp.Compare(s.ID, a.id)) > 0
}

// relapsed reports whether a firing that was told before is told anew, long after the resolution: an alert that Alertmanager
// has resolved because nobody told it any more fires again with the start that it had.
func (a *alert) relapsed(s *incident.Signal) bool {
	return s.AcceptedAt.UnixNano()-a.at > int64(overtaking)
}

// set the state, and keep the text where it was kept.
func (a *alert) set(s *incident.Signal) {
	t := a.trouble
	before := t.alight()
	if a.firing {
		t.firing--
	}
	a.id, a.firing, a.starts, a.at = s.ID, s.Status == incident.Firing, s.StartsAt, s.AcceptedAt.UnixNano()
	if a.firing {
		t.firing++
		t.learn(s)
	} else {
		a.ends = s.EndsAt
	}
	t.reckon(s)
	if a.signal != nil {
		kept := *s
		a.signal, a.size = &kept, 0
		t.ordered = false
	}
	t.last = later(t.last, s.AcceptedAt)
	t.tally(before)
}

// end a firing whose object is gone.
func (a *alert) end(at time.Time) {
	t := a.trouble
	before := t.alight()
	t.firing--
	a.firing, a.ends, a.at = false, at, at.UnixNano()
	if a.signal != nil {
		kept := *a.signal
		kept.Status, kept.EndsAt, kept.AcceptedAt = incident.Resolved, at, at // by which the next joiner knows since when it is quiet
		kept.ID = incident.SignalID(kept.Source, kept.Fingerprint, kept.Status, kept.StartsAt, at)
		a.signal, a.id, a.size, t.ordered = &kept, kept.ID, 0, false
	}
	t.last = later(t.last, at)
	t.tally(before)
}

// alight reports whether something fires.
func (t *trouble) alight() bool { return t.firing+t.unknown > 0 }

// tally tells the group where that has changed.
func (t *trouble) tally(before bool) {
	if after := t.alight(); t.group != nil && after != before {
		if after {
			t.group.troubled++
		} else {
			t.group.troubled--
		}
	}
}

// reckon how many more alerts fire than we know: what a revision has no room for is only counted in it. While we read again
// what it was made of, it is what is lacking of its figure.
func (t *trouble) reckon(s *incident.Signal) {
	if t.former != nil && s.AcceptedAt.Before(t.group.asOf) {
		t.unknown = max(0, t.former.Firing-t.firing)
	}
}

// learn the name and the container of a firing.
func (t *trouble) learn(s *incident.Signal) {
	if at, there := slices.BinarySearch(t.names, s.Name); !there {
		t.names = slices.Insert(t.names, at, s.Name)
	}
	if s.Container != "" && !slices.Contains(t.containers, s.Container) {
		t.containers = append(t.containers, s.Container)
	}
	switch {
	case s.Container == "" || t.several || s.Container == t.container:
	case t.container == "":
		t.container = s.Container
	default:
		t.several, t.container = true, ""
	}
}

// began takes an onset in, and reports whether it is earlier than what was known.
func (t *trouble) began(at time.Time) bool {
	if !t.onset.IsZero() && !at.Before(t.onset) {
		return false
	}
	t.onset = at
	t.judged = false
	for _, l := range t.links {
		l.effect.judged = false
	}
	return true
}

// cause is the link to the best cause, nil where there is none.
func (t *trouble) cause() *link {
	if t.judged {
		return t.best
	}
	t.judged, t.best = true, nil
	best := 0
	for _, l := range t.links {
		if !l.directed || l.effect != t {
			continue
		}
		score := l.score()
		if score >= enough && (t.best == nil || score > best || score == best && sooner(l.cause, t.best.cause) < 0) {
			t.best, best = l, score
		}
	}
	return t.best
}

func sooner(a, b *trouble) int {
	return cmp.Or(a.onset.Compare(b.onset), strings.Compare(a.owner.Key(), b.owner.Key()))
}

// joined calls join with every trouble that t belongs together with, and why.
func (t *trouble) joined(join func(other *trouble, l *link)) {
	if l := t.cause(); l != nil {
		join(l.cause, l)
	}
	for _, l := range t.links {
		switch {
		case !l.directed && l.score() >= enough:
			other := l.cause
			if other == t {
				other = l.effect
			}
			join(other, l)
		case l.directed && l.cause == t && l.effect.cause() == l:
			join(l.effect, l)
		}
	}
}

// cut what ties t to others.
func (t *trouble) cut() {
	for _, l := range t.links {
		other := l.cause
		if other == t {
			other = l.effect
		}
		if !other.over {
			other.links = slices.DeleteFunc(other.links, func(o *link) bool { return o == l })
			other.judged = false
		}
	}
	t.links, t.judged = nil, false
}
