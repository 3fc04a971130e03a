package topology

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
	g.faces[x].out = bump(g.faces[x].out, tie{y, by, kind})
	g.faces[y].in = bump(g.faces[y].in, tie{x, by, kind})
	g.faces[x].outKinds |= 1 << kind
	g.faces[y].inKinds |= 1 << kind
}

func bump(list []tie, t tie) []tie {
	for i := range list {
		if list[i].to != t.to || list[i].kind != t.kind {
			continue
		}
		if list[i].count += t.count; list[i].count == 0 {
			last := len(list) - 1
			list[i] = list[last]
			list = list[:last]
		}
		return list
	}
	return append(list, t)
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
