package topology

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// say what an object is and says now, as far as it differs from before.
func (f *Feed) say(who object, node *incident.Node, edges []incident.Edge) {
	s := f.objects[who]
	back, anew := s != nil && s.gone, s != nil && s.gone && !s.known
	if s == nil {
		s = &said{node: none}
		f.objects[who] = s
	}
	if s.former {
		s.former = false
		f.formers--
	}
	if node != nil {
		print := f.print(*node)
		if s.node == none {
			s.node = f.names.hold(node.Resource)
		}
		if back {
			f.names.live(s.node, 1)
			f.claim(s.edges, 1)
			s.gone, s.known, s.finished = false, false, time.Time{}
		} else if s.print == 0 {
			f.names.live(s.node, 1)
		}
		if print != s.print {
			f.emit(incident.GraphChange{Upsert: &incident.GraphItem{Node: node}})
		}
		s.print = print
	}
	var now []link
	for _, e := range edges {
		if l, ok := f.link(e); ok {
			now = append(now, l)
		}
	}
	slices.SortFunc(now, compareLinks)
	kept := now[:0]
	for i, l := range now {
		if i > 0 && l == now[i-1] {
			f.let(l)
			continue
		}
		kept = append(kept, l)
	}
	f.differ(s, kept, anew)
}

// differ takes the edges of an object from what they were to what they are. Both are in order.
func (f *Feed) differ(s *said, now []link, anew bool) {
	old := s.edges
	for _, l := range now {
		_, had := slices.BinarySearchFunc(old, l, compareLinks)
		if had {
			f.let(l) // it is held already
		} else {
			f.edges[l]++
			f.claim([]link{l}, 1)
		}
		if !had && f.edges[l] == 1 || anew {
			f.emitEdge(l, false)
		}
	}
	for _, l := range old {
		if _, kept := slices.BinarySearchFunc(now, l, compareLinks); kept {
			continue
		}
		f.claim([]link{l}, -1)
		f.cutOff(l, none)
	}
	s.edges = slices.Clip(now)
}

// remove what an object says. Its node goes when nobody names it any more.
func (f *Feed) remove(who object) {
	s := f.objects[who]
	if s == nil || s.gone {
		return
	}
	if s.node == none {
		delete(f.objects, who)
		f.claim(s.edges, -1)
		for _, l := range s.edges {
			f.cutOff(l, none)
		}
		return
	}
	s.gone = true
	f.names.live(s.node, -1)
	f.claim(s.edges, -1)
	f.releaseIfFree(s.node)
}

// claim counts who of those that are there name the ends of edges, and lets go of what only those that are gone name.
func (f *Feed) claim(edges []link, by int32) {
	for _, l := range edges {
		f.names.live(l.from, by)
		f.names.live(l.to, by)
	}
	if by > 0 {
		return
	}
	for _, l := range edges {
		f.releaseIfFree(l.from)
		f.releaseIfFree(l.to)
	}
}

func (f *Feed) releaseIfFree(id int32) {
	n := f.names.of[id]
	if n.alive > 0 {
		return
	}
	who := object{schema.GroupKind{Group: n.Group, Kind: n.Kind}, n.Namespace, n.Name}
	if s := f.objects[who]; s != nil && s.gone && s.node == id && f.objects[seeded] == nil {
		f.release(who, s)
	}
}

// release deletes the node; the graph takes its edges with it.
func (f *Feed) release(who object, s *said) {
	delete(f.objects, who)
	r := f.names.of[s.node].Resource
	f.emit(incident.GraphChange{Delete: &incident.GraphItem{Node: &incident.Node{Resource: r, ChangedAt: s.finished}}})
	for _, l := range s.edges {
		f.cutOff(l, s.node)
	}
	f.names.let(s.node)
}

// cutOff says that an edge is gone where nobody else says that it is there, and it does not go with a node.
func (f *Feed) cutOff(l link, with int32) {
	if f.edges[l]--; f.edges[l] <= 0 {
		delete(f.edges, l)
		if with == none || l.from != with && l.to != with {
			f.emitEdge(l, true)
		}
	}
	f.let(l)
}

func (f *Feed) link(e incident.Edge) (link, bool) {
	kind, ok := code(e.Kind)
	if !ok || whole("", e.From) != nil || whole("", e.To) != nil {
		return link{}, false
	}
	return link{f.names.hold(e.From), f.names.hold(e.To), kind}, true
}

func (f *Feed) let(l link) { f.names.let(l.from); f.names.let(l.to) }

func compareLinks(a, b link) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.kind, b.kind))
}

// print tells two states of a node apart, by what a graph keeps of it; never 0.
func (f *Feed) print(n incident.Node) uint64 {
	return maphash.Comparable(f.seed, [...]string{n.Version, n.Tier(), n.Owner(), n.Revision, n.ChangedAt.UTC().String()}) | 1
}

func (f *Feed) emitEdge(l link, gone bool) {
	item := &incident.GraphItem{Edge: &incident.Edge{From: f.names.of[l.from].Resource, To: f.names.of[l.to].Resource, Kind: rules[l.kind].kind}}
	if gone {
		f.emit(incident.GraphChange{Delete: item})
		return
	}
	f.emit(incident.GraphChange{Upsert: item})
}

// before is how long before we look for the first time what is there was there: longer than any signal waits to be judged by it.
const before = time.Hour

// emit a record, of a time of its own: whoever joins reads them in the order of their times, and the server takes no message twice.
func (f *Feed) emit(c incident.GraphChange) {
	c.At = f.Now().UTC()
	if !f.began.IsZero() {
		c.At = f.began.Add(-before)
	}
	if !c.At.After(f.last) { // the clock stands, or went back
		c.At = f.last.Add(1)
	}
	f.last = c.At
	f.pending = append(f.pending, c)
	f.room.Broadcast()
}
