package topology

import (
	"slices"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	far    = 8     // hops, of a blast radius
	near   = 3     // hops, of neighbours
	most   = 1_000 // nodes that a walk visits beyond the pods of its own workload
	listed = 20    // names in a blast radius; the rest is counted
)

// walk visits what is hit when start fails (down), or whose failure hits start (up), nearest first. It is cut short before
// the distance at which it would visit more than most, so that it does not depend on the order of the edges.
//
// A node is reached whole, or only in part: from one of the objects that it owns. A workload of which one pod's node
// fails is hit, and so is who depends on it, but not its other pods.
func (g *Graph) walk(start int32, down bool, hops int, visit func(id int32, hops int)) (short bool) {
	g.walks++
	g.now, g.next = g.now[:0], append(g.next[:0], start)
	g.mark(start, true)
	left := most
	for distance := 0; len(g.next) > 0 && distance <= hops; distance++ {
		g.now, g.next = g.next, g.now[:0]
		if distance == 0 {
			g.level(down, 4*most)
		} else {
			if g.level(down, left); len(g.now) > left {
				return true
			}
			left -= len(g.now)
		}
		for _, id := range g.now {
			if id >= 0 {
				visit(id, distance)
			}
		}
	}
	return false
}

// mark reports whether the node is new to this walk, and whether it must be looked at (again).
func (g *Graph) mark(id int32, whole bool) (first, look bool) {
	n := &g.nodes[id]
	if n.seen != g.walks {
		n.seen, n.whole = g.walks, whole
		return true, true
	}
	if whole && !n.whole {
		n.whole = true
		return false, true
	}
	return false, false
}

// level completes g.now, which holds the nodes of one distance, and begins g.next; it gives up beyond limit. A node that is
// looked at again is there a second time, as its complement.
func (g *Graph) level(down bool, limit int) {
	arrive := func(id int32, whole bool, cost int8) {
		first, look := g.mark(id, whole)
		if !look {
			return
		}
		if !first {
			id = ^id
		}
		if cost == 0 {
			g.now = append(g.now, id)
		} else {
			g.next = append(g.next, id)
		}
	}
	for i := 0; i < len(g.now) && len(g.now) <= limit; i++ {
		id := g.now[i]
		if id < 0 {
			id = ^id
		}
		g.expand(id, down, arrive)
	}
}

func (g *Graph) expand(id int32, down bool, arrive func(id int32, whole bool, cost int8)) {
	whole := g.nodes[id].whole
	for e := g.nodes[id].out; e != none; e = g.edges[e].nextOut {
		r := &rules[g.edges[e].kind]
		switch {
		case g.edges[e].kind == ownedBy:
			arrive(g.edges[e].to, false, 0)
		case down == (r.hitBy == from): // going down from its cause, or up from its effect
			arrive(g.edges[e].to, true, r.cost)
		}
	}
	for e := g.nodes[id].in; e != none; e = g.edges[e].nextIn {
		r := &rules[g.edges[e].kind]
		switch {
		case g.edges[e].kind == ownedBy:
			if whole {
				arrive(g.edges[e].from, true, 0)
			}
		case down == (r.hitBy == to):
			arrive(g.edges[e].from, true, r.cost)
		}
	}
}

// Near lists the workloads, and what no workload owns, within three hops of r, nearest first; of one that is both up and
// down the stream, both. It is empty where r is not known.
func (g *Graph) Near(r incident.Resource) []incident.Neighbour {
	start := g.find(r)
	if start == none {
		return nil
	}
	var list []incident.Neighbour
	for _, down := range []bool{false, true} {
		g.walk(start, down, near, func(id int32, hops int) {
			if id != start && g.controller(id) == none {
				list = append(list, incident.Neighbour{Resource: g.resource(id), Hops: hops, Upstream: !down})
			}
		})
	}
	return list
}

// Blast is who is hit when r fails.
func (g *Graph) Blast(r incident.Resource) incident.BlastRadius { return g.radius(r, true) }

// Causes is whose failure would hit r, in the same form.
func (g *Graph) Causes(r incident.Resource) incident.BlastRadius { return g.radius(r, false) }

func (g *Graph) radius(r incident.Resource, down bool) incident.BlastRadius {
	var out incident.BlastRadius
	start := g.find(r)
	if start == none {
		return out
	}
	var services, workloads, tiers, owners []int32
	out.AtLeast = g.walk(start, down, far, func(id int32, hops int) {
		n := &g.nodes[id]
		k := &g.kinds[n.kind]
		switch {
		case k.kind == "Pod" && k.group == "":
			if hops == 0 {
				out.Pods++
			}
			if g.controller(id) != none {
				return
			}
		case k.kind == "Service" && k.group == "" && id != start:
			if hops == 0 {
				services = append(services, id)
			}
			return // what is behind it is counted
		}
		if hops > 0 && g.controller(id) == none {
			workloads = append(workloads, id)
		}
		if n.tier != 0 && !slices.Contains(tiers, n.tier) {
			tiers = append(tiers, n.tier)
		}
		if n.owner != 0 && !slices.Contains(owners, n.owner) {
			owners = append(owners, n.owner)
		}
	})
	home := g.kinds[g.nodes[start].kind]
	out.Services = g.names(services, func(id int32) string {
		if k := g.kinds[g.nodes[id].kind]; k.namespace != home.namespace || k.cluster != home.cluster {
			return k.namespace + "/" + g.nodes[id].name
		}
		return g.nodes[id].name
	})
	out.Dependents = len(workloads)
	out.Workloads = g.names(workloads, func(id int32) string {
		if k := g.kinds[g.nodes[id].kind]; k.cluster != home.cluster {
			return g.resource(id).String() + " in " + k.cluster
		}
		return g.resource(id).String()
	})
	out.Workloads = out.Workloads[:min(len(out.Workloads), listed)]
	out.Tiers, out.Owners = g.names(tiers, g.textAt), g.names(owners, g.textAt)
	return out
}

func (g *Graph) textAt(id int32) string { return g.texts[id] }

// names of the ids, sorted.
func (g *Graph) names(ids []int32, name func(int32) string) []string {
	if len(ids) == 0 {
		return nil
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = name(id)
	}
	slices.Sort(list)
	return list
}
