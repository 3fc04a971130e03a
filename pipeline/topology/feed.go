package topology

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Feed makes the records of a graph from the objects of one cluster, in the order in which they change. It is told of an
// object as often as one likes: what it has said already is not said again. Of each object it keeps what it has said, by
// numbers, and nothing else.
//
// The graph takes a node's edges away with the node. So a node that others still name (a pod in an EndpointSlice that was
// not updated yet) is deleted when the last of them has let go: else it would come back without the edges that they think
// are there.
type Feed struct {
	FeedOptions
	names   names
	edges   map[link]int32 // how many said so
	objects map[object]*said
	loads   loads

	mu      sync.Mutex
	room    sync.Cond
	pending []incident.GraphChange
	closed  bool
	last    time.Time
	seed    maphash.Seed
}

// FeedOptions of NewFeed.
type FeedOptions struct {
	Cluster string           // the name that Resources of this cluster carry
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger
}

// object is who says something: one of the cluster, or a source of edges by its name.
type object struct {
	kind            schema.GroupKind
	namespace, name string
}

// link is an edge between two numbers.
type link struct {
	from, to int32
	kind     uint8
}

// said is what one object is and what it says of others.
type said struct {
	node  int32 // none: it is no node, such as an EndpointSlice
	print uint64
	edges []link
	gone  bool // deleted, and still named by others
	known bool // by the graph, before us: its edges are there
}

// NewFeed makes one that has said nothing.
func NewFeed(o FeedOptions) *Feed {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Feed{FeedOptions: o, names: newNames(), edges: map[link]int32{}, objects: map[object]*said{}, loads: newLoads(), seed: maphash.MakeSeed()}
	f.room.L = &f.mu
	return f
}

// Put takes an object in. Kinds that say nothing of the graph are passed over.
func (f *Feed) Put(kind schema.GroupVersionKind, o metav1.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(kind, o)
	f.wait()
}

func (f *Feed) put(kind schema.GroupVersionKind, o metav1.Object) {
	d, ok := f.describe(kind, o)
	if !ok {
		return
	}
	who := object{kind.GroupKind(), o.GetNamespace(), o.GetName()}
	if d.over {
		f.remove(who)
		return
	}
	if d.workload != nil {
		f.loads.take(&d)
	}
	f.say(who, d.node, d.edges)
	f.sayAgain(f.loads.changed(d))
}

// sayAgain what workloads are, of which something else has told a rollout.
func (f *Feed) sayAgain(list []*rolled) {
	for _, w := range list {
		node := w.Node
		f.say(object{schema.GroupKind{Group: w.Group, Kind: w.Kind}, w.Namespace, w.Name}, &node, w.edges)
	}
}

// Delete takes it out again.
func (f *Feed) Delete(kind schema.GroupVersionKind, namespace, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who := object{kind.GroupKind(), namespace, name}
	f.sayAgain(f.loads.delete(f.resource(kind, namespace, name)))
	f.remove(who)
	f.wait()
}

// Edges replaces the edges that a source of its own knows of, such as traffic.
func (f *Feed) Edges(source string, edges []incident.Edge) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say(object{name: source}, nil, edges)
	f.wait()
}

// seeded is who is taken to say what was known before.
var seeded = object{name: "known before"}

// Seed tells what the graph holds of this cluster already. It is not said again, and what nobody confirms until Sweep is
// deleted then. Call it before anything else.
func (f *Feed) Seed(known []incident.GraphChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := &said{node: none}
	for _, c := range known {
		switch {
		case c.Upsert == nil:
		case c.Upsert.Node != nil && c.Upsert.Node.Cluster == f.Cluster:
			n := c.Upsert.Node
			who := object{schema.GroupKind{Group: n.Group, Kind: n.Kind}, n.Namespace, n.Name}
			if f.objects[who] == nil {
				f.objects[who] = &said{node: f.names.hold(n.Resource), print: f.print(*n), gone: true, known: true}
			}
		case c.Upsert.Edge != nil && c.Upsert.Edge.From.Cluster == f.Cluster:
			if l, ok := f.link(*c.Upsert.Edge); ok {
				old.edges = append(old.edges, l)
				f.edges[l]++
			}
		}
	}
	f.objects[seeded] = old
}

// Sweep deletes what was seeded and nobody has confirmed: it went while nobody watched. Call it when all was listed.
func (f *Feed) Sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.objects[seeded]
	if old == nil {
		return
	}
	delete(f.objects, seeded)
	for _, s := range f.objects {
		if s.gone { // before their edges: the graph remembers the owner of what is deleted
			f.releaseIfFree(s.node)
		}
	}
	for _, l := range old.edges {
		f.cutOff(l, none)
	}
}

// say what an object is and says now, as far as it differs from before.
func (f *Feed) say(who object, node *incident.Node, edges []incident.Edge) {
	s := f.objects[who]
	back, anew := s != nil && s.gone, s != nil && s.gone && !s.known
	if s == nil {
		s = &said{node: none}
		f.objects[who] = s
	}
	if node != nil {
		print := f.print(*node)
		if s.node == none {
			s.node = f.names.hold(node.Resource)
		}
		if back {
			f.names.live(s.node, 1)
			f.claim(s.edges, 1)
			s.gone, s.known = false, false
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
	f.emit(incident.GraphChange{Delete: &incident.GraphItem{Node: &incident.Node{Resource: r}}})
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

func (f *Feed) emit(c incident.GraphChange) {
	if now := f.Now().UTC(); now.After(f.last) {
		f.last = now // never back: the records are in order
	}
	c.At = f.last
	f.pending = append(f.pending, c)
	f.room.Broadcast()
}

const (
	mostPending = 50_000 // records; then whoever brings more waits
	atOnce      = 500
	again       = time.Second
	stillWhole  = 10 * time.Second
)

func (f *Feed) wait() {
	for len(f.pending) > mostPending && !f.closed {
		f.room.Wait()
	}
}

// Run hands the records to publish, in order, up to 500 at once, until ctx ends. What fails is handed over again, so that a
// record may be stored twice, which changes nothing. Every ten seconds without a record it hands over none, while whole says
// that what was published is all that there is to say.
func (f *Feed) Run(ctx context.Context, whole func() bool, publish func(context.Context, []incident.GraphChange) error) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed = true
		f.room.Broadcast()
	})
	defer stop()
	for failing := false; ; {
		batch := f.next()
		if ctx.Err() != nil {
			return nil
		}
		if len(batch) == 0 && !whole() {
			continue
		}
		err := publish(ctx, batch)
		if err == nil {
			failing = false
			f.published(len(batch))
			continue
		}
		if !failing && ctx.Err() == nil {
			f.Log.WarnContext(ctx, "the topology cannot be published, trying again", "error", err)
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// next waits for records; none when there were none for a while.
func (f *Feed) next() []incident.GraphChange {
	f.mu.Lock()
	defer f.mu.Unlock()
	waited := false
	alarm := time.AfterFunc(stillWhole, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		waited = true
		f.room.Broadcast()
	})
	defer alarm.Stop()
	for len(f.pending) == 0 && !f.closed && !waited {
		f.room.Wait()
	}
	return slices.Clone(f.pending[:min(len(f.pending), atOnce)])
}

func (f *Feed) published(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending = f.pending[n:]; len(f.pending) == 0 {
		f.pending = nil
	}
	f.room.Broadcast()
}
