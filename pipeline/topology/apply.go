package topology

import (
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Apply takes one record in. What is there already changes nothing, nor does deleting what is not there. A record that
// cannot be understood is a *ChangeError or *DependsOnError, and changes nothing either.
func (g *Graph) Apply(c incident.GraphChange) error {
	switch {
	case (c.Upsert == nil) == (c.Delete == nil):
		return &ChangeError{"", "exactly one of upsert and delete is required"}
	case c.Upsert != nil:
		return g.apply("/upsert", *c.Upsert, g.upsertNode, func(a, b incident.Resource, kind uint8) { g.connect(g.place(a), g.place(b), kind) })
	}
	return g.apply("/delete", *c.Delete, g.deleteNode, g.deleteEdge)
}

// Check reports what Apply would refuse, and changes nothing.
func (g *Graph) Check(c incident.GraphChange) error {
	item, at := c.Upsert, "/upsert"
	if (c.Upsert == nil) == (c.Delete == nil) {
		return g.Apply(c)
	}
	if c.Delete != nil {
		item, at = c.Delete, "/delete"
	}
	return g.apply(at, *item, func(n incident.Node) error {
		_, err := dependencies(n.DependsOn, n.Cluster)
		return err
	}, func(incident.Resource, incident.Resource, uint8) {})
}

func (g *Graph) apply(at string, i incident.GraphItem, node func(incident.Node) error, edge func(a, b incident.Resource, kind uint8)) error {
	switch {
	case (i.Node == nil) == (i.Edge == nil):
		return &ChangeError{at, "exactly one of node and edge is required"}
	case i.Node != nil:
		if err := whole(at+"/node", i.Node.Resource); err != nil {
			return err
		}
		return node(*i.Node)
	}
	kind, ok := code(i.Edge.Kind)
	if !ok {
		return &ChangeError{at + "/edge/kind", "is not a kind of edge"}
	}
	if err := whole(at+"/edge/from", i.Edge.From); err != nil {
		return err
	}
	if err := whole(at+"/edge/to", i.Edge.To); err != nil {
		return err
	}
	edge(i.Edge.From, i.Edge.To, kind)
	return nil
}

func whole(pointer string, r incident.Resource) error {
	for _, f := range []struct{ name, value string }{{"cluster", r.Cluster}, {"kind", r.Kind}, {"name", r.Name}} {
		if f.value == "" {
			return &ChangeError{pointer + "/" + f.name, "is required"}
		}
	}
	return nil
}

func (g *Graph) upsertNode(n incident.Node) error {
	wanted, err := dependencies(n.DependsOn, n.Cluster)
	if err != nil {
		return err
	}
	id := g.place(n.Resource)
	g.forgetNode(id)
	at := &g.nodes[id]
	at.version, at.tier, at.owner, at.revision = g.text(n.Version), g.text(n.Tier()), g.text(n.Owner()), g.text(n.Revision)
	at.changed, at.known = 0, true
	if !n.ChangedAt.IsZero() {
		at.changed = n.ChangedAt.UnixNano()
	}
	g.sum.add(g.digestOfNode(id))
	g.gone.remove(n.Resource)
	if len(wanted) > 0 {
		g.replace(id, wanted)
	}
	return nil
}

// replace what a node depends on.
func (g *Graph) replace(id int32, wanted []incident.Resource) {
	depends, _ := code(incident.DependsOn)
	keep := map[int32]bool{}
	for _, on := range wanted {
		other := g.place(on)
		keep[other] = true
		g.connect(id, other, depends)
	}
	for e := g.nodes[id].out; e != none; {
		next := g.edges[e].nextOut
		if g.edges[e].kind == depends && !keep[g.edges[e].to] {
			g.cut(e)
		}
		e = next
	}
}

// forgetNode takes back what is known of a node, but not its edges.
func (g *Graph) forgetNode(id int32) {
	if g.nodes[id].known {
		g.sum.sub(g.digestOfNode(id))
		g.nodes[id].known = false
	}
}

// deleteNode and its edges. Its owner is remembered for a while: its alerts outlive it.
func (g *Graph) deleteNode(n incident.Node) error {
	id := g.find(n.Resource)
	if id == none {
		return nil
	}
	if owner := g.nodes[id].top; owner != id {
		g.gone.put(g.resource(id), g.unseen(owner))
	}
	g.forgetNode(id)
	g.nodes[id].known = true                     // until its last edge is cut
	for _, owners := range []bool{false, true} { // last, since a node without an owner is one of its own
		for e := g.nodes[id].out; e != none; {
			next := g.edges[e].nextOut
			if owners == (g.edges[e].kind == ownedBy) {
				g.cut(e)
			}
			e = next
		}
	}
	for g.nodes[id].in != none {
		g.cut(g.nodes[id].in)
	}
	g.nodes[id].known = false
	g.drop(id)
	return nil
}

func (g *Graph) deleteEdge(a, b incident.Resource, kind uint8) {
	x, y := g.find(a), g.find(b)
	if x == none || y == none {
		return
	}
	if e := g.link(x, y, kind); e != none {
		g.cut(e)
	}
}

// Rollout is the last change of r that is known.
func (g *Graph) Rollout(r incident.Resource) incident.Rollout {
	id := g.find(r)
	if id == none || g.nodes[id].revision == 0 {
		return incident.Rollout{}
	}
	out := incident.Rollout{Revision: g.texts[g.nodes[id].revision]}
	if at := g.nodes[id].changed; at != 0 {
		out.At = time.Unix(0, at).UTC()
	}
	return out
}
