package topology

import "github.com/cortexops/cortexops/pipeline/incident"

// Subject is what a signal is about: of the objects that its subject and its labels name (see incident.Named) the first that
// is known, or was a while ago; where none is, the first of them of which the workload can be told by the name; else its
// subject as it stands.
func (g *Graph) Subject(s incident.Signal) incident.Resource {
	if s.Source != "alertmanager" { // whoever else names a subject means it
		return s.Subject
	}
	if len(s.Labels) == 0 {
		return s.Subject
	}
	var room [4]incident.Resource
	list := incident.AppendNamed(room[:0], s.Labels)
	for i := range list {
		list[i].Cluster = s.Subject.Cluster
	}
	for _, r := range list {
		if id := g.find(r); id != none && r.Kind == "Pod" && incident.OfNode(s.Labels) {
			return g.runs(id)
		} else if id != none || g.gone.has(r) {
			return r
		}
	}
	for _, r := range list {
		if _, ok := g.Owner(r); ok {
			return r
		}
	}
	return s.Subject
}

// runs is the node that runs a pod, or the pod where none is known.
func (g *Graph) runs(id int32) incident.Resource {
	for e := g.nodes[id].in; e != none; e = g.edges[e].nextIn {
		if rules[g.edges[e].kind].kind == incident.Runs {
			return g.resource(g.edges[e].from)
		}
	}
	return g.resource(id)
}
