package correlate

import (
	"cmp"
	"container/heap"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// event is a signal or a change of the graph.
type event struct {
	at     time.Time
	id     string // orders events of the same time
	signal *incident.Signal
	change *incident.GraphChange
}

// before orders events whatever order they came in: by time, the graph before the signals.
func (e *event) before(o *event) bool {
	side := func(e *event) int {
		if e.change != nil {
			return 0
		}
		return 1
	}
	return cmp.Or(e.at.Compare(o.at), cmp.Compare(side(e), side(o)), cmp.Compare(e.id, o.id)) < 0
}

// tail is the events that others may still overtake, the earliest at 0.
type tail []*event

func (t tail) Len() int           { return len(t) }
func (t tail) Less(i, j int) bool { return t[i].before(t[j]) }
func (t tail) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *tail) Push(x any)        { *t = append(*t, x.(*event)) }
func (t *tail) Pop() any {
	last := len(*t) - 1
	e := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return e
}

func (t *tail) put(e *event) { heap.Push(t, e) }
func (t *tail) take() *event { return heap.Pop(t).(*event) }

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
