package correlate

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// budget of the signals in one published revision, in bytes of JSON: with the rest it fits a message of NATS's default
// size. An incident knows all of its signals; those beyond the budget are only counted when it is told.
const budget = 512 << 10

// record is an incident in the making.
type record struct {
	root     incident.Resource
	key      string // of the root
	state    incident.State
	told     incident.State    // of the last revision
	members  map[string]member // by fingerprint
	onset    time.Time         // the earliest firing taken while provisional
	after    time.Time         // the onset of the incident before, on the same root
	first    time.Time         // the earliest acceptance while provisional
	last     time.Time         // the latest acceptance
	sealedAt time.Time
	revision int
}

type member struct {
	incident.Signal
	size int
}

// take reports whether s changes anything. The state that outranks is kept, whichever came first.
func (r *record) take(p string, s incident.Signal) bool {
	changes := false
	if r.state == incident.Provisional && s.Status == incident.Firing {
		if r.onset.IsZero() || s.StartsAt.Before(r.onset) {
			r.onset, changes = s.StartsAt, true
		}
		if r.first.IsZero() || s.AcceptedAt.Before(r.first) {
			r.first, changes = s.AcceptedAt, true
		}
	}
	if m, held := r.members[p]; held && !outranks(s, m.Signal) && (r.state != incident.Provisional || !preferred(s, m.Signal)) {
		return changes
	}
	r.members[p] = member{Signal: s, size: size(s)}
	r.last = later(r.last, s.AcceptedAt)
	return true
}

// outranks orders the states of one fingerprint: the later episode, within it the resolution, within that the later end.
func outranks(a, b incident.Signal) bool {
	resolved := func(s incident.Signal) int {
		if s.Status == incident.Resolved {
			return 1
		}
		return 0
	}
	return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(resolved(a), resolved(b)), a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.ID, b.ID)) > 0
}

// preferred is outranks, and of the same word twice the one that came first.
func preferred(a, b incident.Signal) bool {
	return outranks(a, b) || a.ID == b.ID && a.AcceptedAt.Before(b.AcceptedAt)
}

func (r *record) resolved() bool {
	for _, m := range r.members {
		if m.Status != incident.Resolved {
			return false
		}
	}
	return true
}

// over reports whether s, which would be one more episode, began when the incident was over although nobody has told its end:
// Alertmanager tells that once, and it is lost where nobody read SIGNALS for as long as that keeps it. Else the root would be
// in that incident for ever, and never be remediated again. Flux tells each failure with a time of its own, so its times say
// nothing of episodes.
func (r *record) over(p string, s incident.Signal) bool {
	m, held := r.members[p]
	return held && r.state == incident.Sealed && m.Status == incident.Firing && s.Source == "alertmanager" && s.StartsAt.Sub(r.last) > horizon
}

// begun is the onset, but after that of the incident before: two incidents of one root never share an ID.
func (r *record) begun() time.Time {
	if !r.onset.After(r.after) {
		return r.after.Add(1)
	}
	return r.onset
}

func (r *record) incident(blast func(incident.Resource) incident.BlastRadius) incident.Incident {
	i := incident.Incident{
		ID: incident.ID(r.root, r.begun()), Revision: r.revision, State: r.state, Root: r.root,
		Blast: blast(r.root), Onset: r.begun(), SealedAt: r.sealedAt,
	}
	members := slices.SortedFunc(maps.Values(r.members), func(a, b member) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.ID, b.ID))
	})
	left := budget
	for n, m := range members {
		if left -= m.size; left < 0 {
			i.Folded = len(members) - n
			break
		}
		i.Signals = append(i.Signals, m.Signal)
	}
	return i
}

func byRoot(a, b *record) int {
	return cmp.Or(cmp.Compare(a.key, b.key), a.begun().Compare(b.begun()))
}

// fingerprint is the fingerprint among those of all sources.
func fingerprint(s incident.Signal) string { return s.Source + "/" + s.Fingerprint }

func size(s incident.Signal) int {
	b, err := json.Marshal(s)
	if err != nil {
		return budget // it could not be published
	}
	return len(b) + 1
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
