package topology

import (
	"cmp"
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
	swept   bool      // and not told yet that what was published is whole
	formers int       // objects that are former
	began   time.Time // zero: the graph knew this cluster before us
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

	former   bool      // not confirmed, since its kind cannot be listed
	finished time.Time // of a pod that lies about: it is in no graph
}

// NewFeed makes one that has said nothing.
func NewFeed(o FeedOptions) *Feed {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Feed{FeedOptions: o, began: o.Now().UTC(), names: newNames(), edges: map[link]int32{}, objects: map[object]*said{}, loads: newLoads(), seed: maphash.MakeSeed()}
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
		if s := f.objects[who]; s != nil && !s.gone {
			s.finished = f.Now().UTC()
		}
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

// seeded is who is taken to say what was known before, and traffic who says the calls.
var seeded, traffic = object{name: "known before"}, object{name: "traffic"}

// Seed tells what the graph holds of this cluster already. It is not said again, and what nobody confirms until Sweep is
// deleted then. Call it before anything else.
func (f *Feed) Seed(known []incident.GraphChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, calls := &said{node: none}, &said{node: none}
	for _, c := range known {
		switch {
		case c.Upsert == nil:
		case c.Upsert.Node != nil && c.Upsert.Node.Cluster == f.Cluster:
			f.began = time.Time{}
			n := c.Upsert.Node
			who := object{schema.GroupKind{Group: n.Group, Kind: n.Kind}, n.Namespace, n.Name}
			if f.objects[who] == nil {
				f.objects[who] = &said{node: f.names.hold(n.Resource), print: f.print(*n), gone: true, known: true}
			}
		case c.Upsert.Edge != nil && c.Upsert.Edge.From.Cluster == f.Cluster:
			of := old
			if c.Upsert.Edge.Kind == incident.Calls { // these stay until whoever knows of traffic answers
				of = calls
			}
			if l, ok := f.link(*c.Upsert.Edge); ok {
				of.edges = append(of.edges, l)
				f.edges[l]++
			}
		}
	}
	slices.SortFunc(calls.edges, compareLinks)
	f.claim(calls.edges, 1)
	f.objects[seeded], f.objects[traffic] = old, calls
}

// Sweep deletes what was seeded and nobody has confirmed: it went while nobody watched. What is of a kind that was not listed stays,
// with what it says, until it is. Call it when all was listed that can be, and now and again after that.
func (f *Feed) Sweep(listed func(kind schema.GroupKind, namespace string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.formers > 0 {
		f.sweepFormers(listed)
	}
	f.swept, f.began = true, time.Time{}
	f.room.Broadcast()
	old := f.objects[seeded]
	if old == nil {
		return
	}
	delete(f.objects, seeded)
	edges := f.keep(old.edges, listed)
	for _, s := range f.objects {
		if s.gone { // before their edges: the graph remembers the owner of what is deleted
			f.releaseIfFree(s.node)
		}
	}
	for _, l := range edges {
		f.cutOff(l, none)
	}
}

// keep what was seeded of kinds that were not listed, with its edges. What is returned nobody says any more.
func (f *Feed) keep(edges []link, listed func(schema.GroupKind, string) bool) (unsaid []link) {
	formers := map[int32]*said{}
	for who, s := range f.objects {
		if s.gone && s.known && !listed(who.kind, who.namespace) {
			s.gone, s.known, s.former = false, false, true
			f.names.live(s.node, 1)
			formers[s.node] = s
		}
	}
	f.formers = len(formers)
	for _, l := range edges {
		s := cmp.Or(formers[l.from], formers[l.to])
		if s == nil {
			unsaid = append(unsaid, l)
			continue
		}
		s.edges = append(s.edges, l)
		f.claim([]link{l}, 1)
	}
	for _, s := range formers {
		slices.SortFunc(s.edges, compareLinks)
	}
	return unsaid
}

// sweepFormers takes out those whose kind has been listed by now.
func (f *Feed) sweepFormers(listed func(schema.GroupKind, string) bool) {
	for who, s := range f.objects {
		if !s.former || !listed(who.kind, who.namespace) {
			continue
		}
		s.former = false
		f.formers--
		f.remove(who)
		if f.objects[who] != s {
			continue
		}
		for _, l := range s.edges { // it stays for those that name it, and its edges were never its word
			f.cutOff(l, none)
		}
		s.edges = nil
	}
}
