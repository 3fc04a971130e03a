package topology

import "slices"

// face is a workload, or what is none's, with the edges of all that it owns: walks go from face to face, and never look at
// the ten pods of each.
type face struct {
	node int32
	seen uint32
	pods int32
	out  []tie
	in   []tie

	outKinds, inKinds uint16 // of the edges in out and in, as bits; of an edge that is gone the bit may still be there
}

// tie is how many edges of a kind lead to (or come from) another face.
type tie struct {
	to    int32
	count int32
	twin  int32 // where the other face has it in its list of the other direction
	kind  uint8
}

func (g *Graph) isPod(id int32) bool {
	k := &g.kinds[g.nodes[id].kind]
	return k.kind == "Pod" && k.group == ""
}

// face of the node's top.
func (g *Graph) face(id int32) int32 {
	n := &g.nodes[g.nodes[id].top]
	if n.face == none {
		n.face = int32(len(g.faces))
		if last := len(g.freeFaces) - 1; last >= 0 {
			n.face = g.freeFaces[last]
			g.freeFaces = g.freeFaces[:last]
		} else {
			g.faces = append(g.faces, face{})
		}
		g.faces[n.face] = face{node: g.nodes[id].top, seen: g.faces[n.face].seen}
	}
	return n.face
}

// unface gives up the face of a node that is no top any more, or nothing.
func (g *Graph) unface(id int32) {
	if f := g.nodes[id].face; f != none {
		g.faces[f] = face{node: none, seen: g.faces[f].seen}
		g.freeFaces = append(g.freeFaces, f)
		g.nodes[id].face = none
	}
}

// count the node where it is a pod.
func (g *Graph) count(id, by int32) {
	if g.isPod(id) {
		g.faces[g.face(id)].pods += by
	}
}

// join the faces of two nodes by an edge more, or less.
func (g *Graph) join(a, b int32, kind uint8, by int32) {
	x, y := g.face(a), g.face(b)
	if x == y {
		return
	}
	from, to := &g.faces[x], &g.faces[y]
	at := from.tied(to, x, y, kind)
	if at < 0 {
		from.out = append(from.out, tie{y, by, int32(len(to.in)), kind})
		to.in = append(to.in, tie{x, by, int32(len(from.out) - 1), kind})
		from.outKinds |= 1 << kind
		to.inKinds |= 1 << kind
		return
	}
	t := &from.out[at]
	twin := t.twin
	t.count += by
	to.in[twin].count = t.count
	if t.count != 0 {
		return
	}
	var moved *tie
	if from.out, moved = without(from.out, at); moved != nil {
		g.faces[moved.to].in[moved.twin].twin = at
	}
	if to.in, moved = without(to.in, twin); moved != nil {
		g.faces[moved.to].out[moved.twin].twin = twin
	}
}

// tied is where out of x holds the tie to y, or -1. It looks at the end that has fewer: a hub has thousands.
func (f *face) tied(to *face, x, y int32, kind uint8) int32 {
	if len(f.out) <= len(to.in) {
		return int32(slices.IndexFunc(f.out, func(t tie) bool { return t.to == y && t.kind == kind }))
	}
	if i := slices.IndexFunc(to.in, func(t tie) bool { return t.to == x && t.kind == kind }); i >= 0 {
		return to.in[i].twin
	}
	return -1
}

// without one tie, and the one that has taken its place.
func without(list []tie, at int32) (left []tie, moved *tie) {
	last := len(list) - 1
	list[at] = list[last]
	if left = list[:last]; int(at) < last {
		moved = &left[at]
	}
	return left, moved
}

// move what id owns, and id, to the face that they have after an edge of ownership was changed.
func (g *Graph) move(id int32, change func()) {
	moved := g.owned(id)
	for _, m := range moved {
		g.contribute(m, -1)
	}
	change()
	for _, m := range moved {
		g.nodes[m].top = g.end(m)
	}
	for _, m := range moved {
		if g.nodes[m].top != m {
			g.unface(m)
		}
	}
	g.walks++
	for _, m := range moved {
		g.nodes[m].seen = g.walks
	}
	for _, m := range moved {
		g.contribute(m, 1)
	}
}

// owned by id, at any distance, and id itself. All are marked as seen.
func (g *Graph) owned(id int32) []int32 {
	g.walks++
	list := []int32{id}
	g.nodes[id].seen = g.walks
	for i := 0; i < len(list); i++ {
		for e := g.nodes[list[i]].in; e != none; e = g.edges[e].nextIn {
			if x := g.edges[e].from; g.edges[e].kind == ownedBy && g.nodes[x].seen != g.walks {
				g.nodes[x].seen = g.walks
				list = append(list, x)
			}
		}
	}
	return list
}

// contribute the node's edges to its face, or take them back. An edge between two that are moved is one of the first's.
func (g *Graph) contribute(id, by int32) {
	g.count(id, by)
	for e := g.nodes[id].out; e != none; e = g.edges[e].nextOut {
		if g.edges[e].kind != ownedBy {
			g.join(id, g.edges[e].to, g.edges[e].kind, by)
		}
	}
	for e := g.nodes[id].in; e != none; e = g.edges[e].nextIn {
		if g.edges[e].kind != ownedBy && g.nodes[g.edges[e].from].seen != g.walks {
			g.join(g.edges[e].from, id, g.edges[e].kind, by)
		}
	}
}
