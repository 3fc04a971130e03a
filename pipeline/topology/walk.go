package topology

import (
	"slices"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	far    = 8   // hops, of a blast radius
	near   = 3   // hops, of neighbours
	most   = 500 // workloads that a walk visits
	listed = 20  // names in a blast radius; the rest is counted
)

// walk visits what is hit when start fails (down), or whose failure hits start (up), nearest first. It is cut short before
// the distance at which it would visit more than most, so that it does not depend on the order of the edges.
func (g *Graph) walk(start int32, down bool, hops int, visit func(f *face, hops int)) (short bool) {
	g.walks++
	g.now, g.next = g.now[:0], append(g.next[:0], start)
	g.faces[start].seen = g.walks
	left := most
	for distance := 0; len(g.next) > 0 && distance <= hops; distance++ {
		g.now, g.next = g.next, g.now[:0]
		for i := 0; i < len(g.now) && len(g.now) <= left; i++ {
			g.expand(g.now[i], down)
		}
		if left -= len(g.now); left < 0 {
			return true
		}
		for _, f := range g.now {
			visit(&g.faces[f], distance)
		}
	}
	return false
}

// expand puts what hangs together with a face into g.now, if it is as near, or g.next.
func (g *Graph) expand(f int32, down bool) {
	for _, s := range [...]struct {
		ties []tie
		hit  side
	}{{g.faces[f].out, from}, {g.faces[f].in, to}} {
		for _, t := range s.ties {
			r := &rules[t.kind]
			if down != (r.hitBy == s.hit) || g.faces[t.to].seen == g.walks { // down from its cause, or up from its effect
				continue
			}
			g.faces[t.to].seen = g.walks
			if r.cost == 0 {
				g.now = append(g.now, t.to)
			} else {
				g.next = append(g.next, t.to)
			}
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
	own := g.face(start)
	var list []incident.Neighbour
	for _, down := range []bool{false, true} {
		g.walk(own, down, near, func(f *face, hops int) {
			if f.node != g.faces[own].node {
				list = append(list, incident.Neighbour{Resource: g.resource(f.node), Hops: hops, Upstream: !down})
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
	own := g.face(start)
	var services, workloads, tiers, owners []int32
	out.AtLeast = g.walk(own, down, far, func(f *face, hops int) {
		n := &g.nodes[f.node]
		k := &g.kinds[n.kind]
		if hops == 0 {
			out.Pods += int(f.pods)
		}
		switch {
		case k.kind == "Service" && k.group == "" && f.node != start:
			if hops == 0 {
				services = append(services, f.node)
			}
			return // what is behind it is counted
		case hops > 0:
			workloads = append(workloads, f.node)
		}
		if n.tier != 0 && !slices.Contains(tiers, n.tier) {
			tiers = append(tiers, n.tier)
		}
		if n.owner != 0 && !slices.Contains(owners, n.owner) {
			owners = append(owners, n.owner)
		}
	})
	if g.isPod(start) {
		out.Pods = 1
	}
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
