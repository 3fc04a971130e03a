package correlate

import (
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// event is a signal or a change of the graph.
type event struct {
	signal *incident.Signal
	change *incident.GraphChange
	id     string             // of a change
	owner  *incident.Resource // of what the signal is about
	graph  int                // it is of the graph after so many changes
	hinted bool               // the owner was announced by it
}

func (e *event) at() time.Time {
	if e.change != nil {
		return e.change.At
	}
	return e.signal.AcceptedAt
}

// compare orders events of the same time: the graph before the signals.
func (e *event) compare(o *event) int {
	switch {
	case e.change != nil && o.change != nil:
		return strings.Compare(e.id, o.id)
	case e.change != nil:
		return -1
	case o.change != nil:
		return 1
	}
	return strings.Compare(e.signal.ID, o.signal.ID)
}

// tail is the events that others may still overtake: a heap of their times, with four below each. In a storm it holds all of
// Lateness, and what is moved about in it holds no pointers.
type tail struct {
	heap []turn
	room []*[roomful]event
	free []int32
}

const roomful = 512

// turn is when it is an event's.
type turn struct {
	seconds int64
	nanos   int32
	event   int32 // where in room
}

func (t *tail) len() int { return len(t.heap) }

func (t *tail) event(at int32) *event { return &t.room[at/roomful][at%roomful] }

func (t *tail) before(a, b turn) bool {
	switch {
	case a.seconds != b.seconds:
		return a.seconds < b.seconds
	case a.nanos != b.nanos:
		return a.nanos < b.nanos
	}
	return t.event(a.event).compare(t.event(b.event)) < 0
}

// put an event in. It may be changed through what is returned, until it is taken.
func (t *tail) put(e event) *event {
	if len(t.free) == 0 {
		t.room = append(t.room, new([roomful]event))
		for i := range int32(roomful) {
			t.free = append(t.free, int32(len(t.room))*roomful-1-i)
		}
	}
	last := len(t.free) - 1
	own := turn{e.at().Unix(), int32(e.at().Nanosecond()), t.free[last]}
	t.free = t.free[:last]
	*t.event(own.event) = e
	t.heap = append(t.heap, own)
	i := len(t.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !t.before(own, t.heap[up]) {
			break
		}
		t.heap[i] = t.heap[up]
		i = up
	}
	t.heap[i] = own
	return t.event(own.event)
}

// first is the time of the earliest.
func (t *tail) first() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.event(t.heap[0].event).at(), true
}

// last is the time of the latest, or the zero time.
func (t *tail) last() (at time.Time) {
	for _, h := range t.heap {
		at = later(at, t.event(h.event).at())
	}
	return at
}

// take the earliest out.
func (t *tail) take() event {
	from := t.event(t.heap[0].event)
	e := *from
	*from = event{}
	t.free = append(t.free, t.heap[0].event)
	n := len(t.heap) - 1
	own := t.heap[n]
	t.heap = t.heap[:n]
	if n == 0 {
		t.room, t.free = nil, nil // a storm is over
		return e
	}
	i := 0
	for {
		low := 4*i + 1
		if low >= n {
			break
		}
		least := low
		for k := low + 1; k < min(low+4, n); k++ {
			if t.before(t.heap[k], t.heap[least]) {
				least = k
			}
		}
		if !t.before(t.heap[least], own) {
			break
		}
		t.heap[i] = t.heap[least]
		i = least
	}
	t.heap[i] = own
	return e
}

// changeID orders changes of the same time: what is deleted first, edges after nodes.
func changeID(c incident.GraphChange) string {
	item, op := c.Upsert, "1"
	if c.Delete != nil {
		item, op = c.Delete, "0"
	}
	switch {
	case item == nil:
		return op
	case item.Node != nil:
		n := item.Node
		return op + "0" + n.Key() + "\x00" + n.Revision + "\x00" + n.ChangedAt.String() + "\x00" + n.DependsOn + "\x00" + n.Tier() + "\x00" + n.Owner()
	case item.Edge != nil:
		return op + "1" + item.Edge.From.Key() + "\x00" + item.Edge.To.Key() + "\x00" + string(item.Edge.Kind)
	}
	return op
}
