package topology

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	far    = 8   // hops, of a blast radius
	near   = 3   // hops, of neighbours
	direct = 1   // hops: all of these are neighbours, however many
	most   = 500 // workloads that a walk visits else
	listed = 20  // names in a blast radius; the rest is counted
)

// reach of a walk, in hops.
type reach struct {
	hops  int
	whole int // up to which nothing is cut short; -1: nothing is whole
}

// walk visits what hangs together with start by these ways, nearest first. It is cut short before
// the distance at which it would visit more than most, so that it does not depend on the order of the edges.
func (g *Graph) walk(start int32, kinds [2]uint16, far reach, visit func(f *face, hops int)) (short bool) {
	g.walks++
	g.now, g.next = g.now[:0], append(g.next[:0], start)
	g.faces[start].seen = g.walks
	left := most
	for distance := 0; len(g.next) > 0 && distance <= far.hops; distance++ {
		g.now, g.next = g.next, g.now[:0]
		whole := distance <= far.whole
		for i := 0; i < len(g.now) && (whole || len(g.now) <= left); i++ {
			g.expand(g.now[i], &kinds)
		}
		if left -= len(g.now); left < 0 && !whole {
			return true
		}
		for _, f := range g.now {
			visit(&g.faces[f], distance)
		}
	}
	return false
}

// expand puts what hangs together with a face into g.now, if it is as near, or g.next.
func (g *Graph) expand(f int32, ways *[2]uint16) {
	here := &g.faces[f]
	for _, s := range [...]struct {
		ties  []tie
		kinds uint16
		end   int
	}{{here.out, here.outKinds, 0}, {here.in, here.inKinds, 1}} {
		wanted := ways[s.end]
		if s.kinds&wanted == 0 { // such as of a machine, which runs a hundred pods and is hit by none of them
			continue
		}
		for _, t := range s.ties {
			if wanted&(1<<t.kind) == 0 || g.faces[t.to].seen == g.walks {
				continue
			}
			g.faces[t.to].seen = g.walks
			if rules[t.kind].cost == 0 {
				g.now = append(g.now, t.to)
			} else {
				g.next = append(g.next, t.to)
			}
		}
	}
}

// ways are the kinds of edges, as bits, over which a walk leaves by the edges from a face, and by those to it: to what is hit when it
// fails (down), or whose failure hits it (up). Blamed turns round what tells of others' trouble: a Kustomization fails its health check
// since what it applies does not come up, and where it cannot apply anything, what runs goes on.
func ways(down, blamed bool) (kinds [2]uint16) {
	for kind, r := range rules {
		hitBy := r.hitBy
		if blamed && r.kind == incident.Applies {
			hitBy = !hitBy
		}
		if down == (hitBy == from) {
			kinds[0] |= 1 << kind
		} else {
			kinds[1] |= 1 << kind
		}
	}
	return kinds
}

// Near lists the workloads, and what no workload owns, within three hops of r, nearest first; of one that is both up and
// down the stream, both. Of more than 500 only those one hop away are listed. It is empty where r is not known.
func (g *Graph) Near(r incident.Resource) []incident.Neighbour {
	start := g.find(r)
	if start == none {
		return nil
	}
	own := g.face(start)
	var list []incident.Neighbour
	for _, down := range []bool{false, true} {
		g.walk(own, ways(down, true), reach{near, direct}, func(f *face, hops int) {
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
	out.AtLeast = g.walk(own, ways(down, false), reach{far, -1}, func(f *face, hops int) {
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
		if n.tier != 0 {
			tiers = append(tiers, n.tier)
		}
		if n.owner != 0 {
			owners = append(owners, n.owner)
		}
	})
	slices.Sort(tiers)
	slices.Sort(owners)
	tiers, owners = slices.Compact(tiers), slices.Compact(owners)
	if g.isPod(start) {
		out.Pods = 1
	}
	if k := &g.kinds[g.nodes[start].kind]; down && k.kind == "Node" && k.group == "" { // those that it runs, not all of their workloads
		runs, _ := code(incident.Runs)
		for _, t := range g.faces[own].out {
			if t.kind == runs {
				out.Pods += int(t.count)
			}
		}
	}
	home := g.kinds[g.nodes[start].kind]
	out.Services = g.names(services, func(id int32) string {
		if k := g.kinds[g.nodes[id].kind]; k.namespace != home.namespace || k.cluster != home.cluster {
			return k.namespace + "/" + g.nodes[id].name
		}
		return g.nodes[id].name
	})
	out.Dependents = len(workloads)
	out.Workloads = g.names(g.least(workloads, listed), func(id int32) string {
		if k := g.kinds[g.nodes[id].kind]; k.cluster != home.cluster {
			return g.resource(id).String() + " in " + k.cluster
		}
		return g.resource(id).String()
	})
	out.Tiers, out.Owners = g.names(tiers, g.textAt), g.names(owners, g.textAt)
	return out
}

// least are the first n by kind, namespace, name and cluster. To name all of a large blast radius would take longer than to
// find it.
func (g *Graph) least(ids []int32, n int) []int32 {
	before := func(a, b int32) int {
		x, y := &g.nodes[a], &g.nodes[b]
		k, l := &g.kinds[x.kind], &g.kinds[y.kind]
		return cmp.Or(strings.Compare(k.kind, l.kind), strings.Compare(k.namespace, l.namespace), strings.Compare(x.name, y.name), strings.Compare(k.cluster, l.cluster),
			strings.Compare(k.group, l.group))
	}
	first := make([]int32, 0, n+1)
	for _, id := range ids {
		if len(first) == n && before(id, first[n-1]) >= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(first, id, before)
		if first = slices.Insert(first, i, id); len(first) > n {
			first = first[:n]
		}
	}
	return first
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
