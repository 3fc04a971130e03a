package topology

import (
	"regexp"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// chain bounds how many owners are followed: owners that own each other must not hang us.
const chain = 8

// Owner is the workload that runs r: the end of its chain of owners, but not past a Deployment, StatefulSet or DaemonSet,
// since these are what a repository holds. A node that nothing owns is its own. What is gone is still known for a while.
// A pod that was never seen is judged by its name. It is false for what is not known.
func (g *Graph) Owner(r incident.Resource) (incident.Resource, bool) {
	for range 2 {
		if id := g.find(r); id != none {
			return g.unseen(g.nodes[id].top), true
		}
		up, ok := g.gone.of[r.Key()]
		if !ok {
			break
		}
		if g.find(up) == none {
			return up, true
		}
		r = up
	}
	if r.Kind == "Pod" && r.Group == "" {
		return g.ofPodNamed(r)
	}
	return incident.Resource{}, false
}

// unseen is a top, or, of a ReplicaSet that only its pods have named, the Deployment that its name tells.
func (g *Graph) unseen(id int32) incident.Resource {
	r := g.resource(id)
	if g.nodes[id].known || r.Kind != "ReplicaSet" || r.Group != "apps" {
		return r
	}
	if m := template.FindStringSubmatch(r.Name); m != nil {
		r.Kind, r.Name = "Deployment", m[1]
	}
	return r
}

// template is the name of a Deployment's ReplicaSet.
var template = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}$`)

// generated is the name of a Deployment's pod: Kubernetes draws the two last parts from these letters only.
var generated = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`)

func (g *Graph) ofPodNamed(r incident.Resource) (incident.Resource, bool) {
	if i := strings.LastIndexByte(r.Name, '-'); i > 0 {
		up := incident.Resource{Cluster: r.Cluster, Group: "apps", Namespace: r.Namespace, Name: r.Name[:i]}
		for _, up.Kind = range []string{"ReplicaSet", "StatefulSet", "DaemonSet", "Job"} {
			if up.Kind == "Job" {
				up.Group = "batch"
			}
			if g.find(up) != none || g.gone.has(up) {
				return g.Owner(up)
			}
		}
	}
	if m := generated.FindStringSubmatch(r.Name); m != nil {
		up := incident.Resource{Cluster: r.Cluster, Group: "apps", Version: "v1", Kind: "Deployment", Namespace: r.Namespace, Name: m[1]}
		return up, true
	}
	return incident.Resource{}, false
}

// end of the chain of owners.
func (g *Graph) end(id int32) int32 {
	for range chain {
		up := g.controller(id)
		if up == none {
			return id
		}
		id = up
	}
	return id
}

// controller is who owns the node, or none; of several the first by key, whatever order they came in.
func (g *Graph) controller(id int32) int32 {
	if k := &g.kinds[g.nodes[id].kind]; k.group == "apps" && (k.kind == "Deployment" || k.kind == "StatefulSet" || k.kind == "DaemonSet") {
		return none
	}
	up := none
	for e := g.nodes[id].out; e != none; e = g.edges[e].nextOut {
		if g.edges[e].kind != ownedBy {
			continue
		}
		if to := g.edges[e].to; up == none || g.resource(to).Key() < g.resource(up).Key() {
			up = to
		}
	}
	return up
}
