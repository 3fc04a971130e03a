// Package topology knows which workload owns a pod and who is hit when a workload fails. Feed makes records of what a cluster
// holds, and Graph answers from them.
package topology

import (
	"fmt"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// none is no node and no edge.
const none = int32(-1)

// kind is what the names of many nodes have in common.
type kind struct{ cluster, group, kind, namespace string }

// key finds a node. A version is no part of it: one object is served under several.
type key struct {
	kind int32
	name string
}

// node and edge hold no pointers but the name's: a graph of a large cluster must not keep the collector busy.
type node struct {
	name                  string
	kind                  int32
	version               int32 // of texts, as the next three
	tier, owner, revision int32
	out, in               int32 // the first edge from and to it
	outs, ins             int32 // how many
	top                   int32 // the end of its chain of owners, often itself
	face                  int32 // of a top; none where it was not needed yet
	changed               int64 // unix nanoseconds, 0: not known
	known                 bool  // else an edge named it, and nothing else is known
	seen                  uint32
}

type edge struct {
	from, to         int32
	prevOut, nextOut int32 // in the list of from
	prevIn, nextIn   int32 // in the list of to
	kind             uint8
}

// Graph is the resources and how they hang together. Its zero value is of no use: see NewGraph. It is not safe for
// concurrent use.
type Graph struct {
	kinds     []kind
	kindOf    map[kind]int32
	texts     []string
	textOf    map[string]int32
	nodes     []node
	ids       map[key]int32
	freeNodes []int32
	edges     []edge
	freeEdges []int32
	faces     []face
	freeFaces []int32
	sum       sum
	gone      *departed
	walks     uint32 // counts them, to tell what this one has seen
	now, next []int32
}

// NewGraph makes an empty one.
func NewGraph() *Graph {
	return &Graph{kindOf: map[kind]int32{}, textOf: map[string]int32{"": 0}, texts: []string{""}, ids: map[key]int32{}, gone: newDeparted(remembered)}
}

// Len is how many nodes are known, and how many edges there are.
func (g *Graph) Len() (nodes, edges int) {
	for i := range g.nodes {
		if g.nodes[i].known {
			nodes++
		}
	}
	return nodes, len(g.edges) - len(g.freeEdges)
}

func (g *Graph) text(s string) int32 {
	id, ok := g.textOf[s]
	if !ok {
		id = int32(len(g.texts))
		g.texts, g.textOf[s] = append(g.texts, s), id
	}
	return id
}

// find is none where r is not known.
func (g *Graph) find(r incident.Resource) int32 {
	k, ok := g.kindOf[kind{r.Cluster, r.Group, r.Kind, r.Namespace}]
	if !ok {
		return none
	}
	if id, ok := g.ids[key{k, r.Name}]; ok {
		return id
	}
	return none
}

// place finds the node or makes an unknown one.
func (g *Graph) place(r incident.Resource) int32 {
	k := kind{r.Cluster, r.Group, r.Kind, r.Namespace}
	of, ok := g.kindOf[k]
	if !ok {
		of = int32(len(g.kinds))
		g.kinds, g.kindOf[k] = append(g.kinds, k), of
	}
	if id, ok := g.ids[key{of, r.Name}]; ok {
		return id
	}
	n := node{name: r.Name, kind: of, version: g.text(r.Version), out: none, in: none, face: none}
	id := int32(len(g.nodes))
	if last := len(g.freeNodes) - 1; last >= 0 {
		id = g.freeNodes[last]
		g.freeNodes = g.freeNodes[:last]
		g.nodes[id] = n
	} else {
		g.nodes = append(g.nodes, n)
	}
	g.ids[key{of, r.Name}] = id
	g.nodes[id].top = id
	g.count(id, 1)
	return id
}

func (g *Graph) resource(id int32) incident.Resource {
	n := &g.nodes[id]
	k := g.kinds[n.kind]
	return incident.Resource{Cluster: k.cluster, Group: k.group, Version: g.texts[n.version], Kind: k.kind, Namespace: k.namespace, Name: n.name}
}

// drop frees a node that nothing is known of and no edge names.
func (g *Graph) drop(id int32) {
	n := &g.nodes[id]
	if n.known || n.outs+n.ins > 0 {
		return
	}
	delete(g.ids, key{n.kind, n.name})
	g.unface(id)
	*n = node{out: none, in: none, face: none, seen: n.seen}
	g.freeNodes = append(g.freeNodes, id)
}

// link is the edge, or none. It looks at the end that has fewer.
func (g *Graph) link(a, b int32, kind uint8) int32 {
	if g.nodes[a].outs <= g.nodes[b].ins {
		for e := g.nodes[a].out; e != none; e = g.edges[e].nextOut {
			if g.edges[e].to == b && g.edges[e].kind == kind {
				return e
			}
		}
		return none
	}
	for e := g.nodes[b].in; e != none; e = g.edges[e].nextIn {
		if g.edges[e].from == a && g.edges[e].kind == kind {
			return e
		}
	}
	return none
}

func (g *Graph) connect(a, b int32, kind uint8) {
	switch {
	case g.link(a, b, kind) != none:
	case kind == ownedBy:
		g.move(a, func() { g.attach(a, b, kind) })
	default:
		g.attach(a, b, kind)
		g.join(a, b, kind, 1)
	}
}

func (g *Graph) attach(a, b int32, kind uint8) {
	e := edge{from: a, to: b, kind: kind, prevOut: none, nextOut: g.nodes[a].out, prevIn: none, nextIn: g.nodes[b].in}
	id := int32(len(g.edges))
	if last := len(g.freeEdges) - 1; last >= 0 {
		id = g.freeEdges[last]
		g.freeEdges = g.freeEdges[:last]
		g.edges[id] = e
	} else {
		g.edges = append(g.edges, e)
	}
	if e.nextOut != none {
		g.edges[e.nextOut].prevOut = id
	}
	if e.nextIn != none {
		g.edges[e.nextIn].prevIn = id
	}
	g.nodes[a].out, g.nodes[b].in = id, id
	g.nodes[a].outs++
	g.nodes[b].ins++
	g.sum.add(g.digestOfEdge(id))
}

func (g *Graph) cut(id int32) {
	e := g.edges[id]
	if e.kind == ownedBy {
		g.move(e.from, func() { g.detach(id) })
	} else {
		g.join(e.from, e.to, e.kind, -1)
		g.detach(id)
	}
	g.drop(e.from)
	if e.to != e.from {
		g.drop(e.to)
	}
}

func (g *Graph) detach(id int32) {
	g.sum.sub(g.digestOfEdge(id))
	e := g.edges[id]
	if e.prevOut == none {
		g.nodes[e.from].out = e.nextOut
	} else {
		g.edges[e.prevOut].nextOut = e.nextOut
	}
	if e.nextOut != none {
		g.edges[e.nextOut].prevOut = e.prevOut
	}
	if e.prevIn == none {
		g.nodes[e.to].in = e.nextIn
	} else {
		g.edges[e.prevIn].nextIn = e.nextIn
	}
	if e.nextIn != none {
		g.edges[e.nextIn].prevIn = e.prevIn
	}
	g.nodes[e.from].outs--
	g.nodes[e.to].ins--
	g.freeEdges = append(g.freeEdges, id)
}

// ChangeError says what is wrong with a record, by its JSON pointer.
type ChangeError struct{ Pointer, Why string }

func (e *ChangeError) Error() string { return fmt.Sprintf("%s: %s", e.Pointer, e.Why) }
