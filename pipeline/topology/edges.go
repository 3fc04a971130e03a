package topology

import (
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// rule of one kind of edge.
type rule struct {
	kind  incident.EdgeKind
	hitBy side // the end whose failure hits the other one
	cost  int8 // hops: none where both ends are faces of one workload
}

type side bool

const (
	from side = false
	to   side = true
)

// rules are in the order of their codes, which snapshots do not hold. owned-by is walked by rules of its own: a pod's
// failure hits its workload, but not the workload's other pods.
var rules = [...]rule{
	{incident.OwnedBy, from, 0},
	{incident.Selects, to, 0},
	{incident.Routes, to, 1},
	{incident.Refers, to, 1},
	{incident.Runs, from, 1},
	{incident.Scales, from, 1},
	{incident.Applies, from, 1},
	{incident.Sources, to, 1},
	{incident.DependsOn, to, 1},
	{incident.Calls, to, 1},
}

const ownedBy = 0

// code of a kind, false for one that is not known.
func code(k incident.EdgeKind) (uint8, bool) {
	for i, r := range rules {
		if r.kind == k {
			return uint8(i), true
		}
	}
	return 0, false
}

// DependsOnError says which part of a depends-on annotation cannot be read.
type DependsOnError struct{ Part string }

func (e *DependsOnError) Error() string {
	return fmt.Sprintf("depends-on %q: write GROUP/namespaces/NAMESPACE/KIND/NAME or GROUP/KIND/NAME (the core group is empty: /Node/a), "+
		"with @CLUSTER behind it for one of another cluster, several with commas between them", e.Part)
}

// dependencies reads an annotation cortexops.io/depends-on of an object of a cluster. The form is that of
// config.kubernetes.io/depends-on, with a cluster where it is another.
func dependencies(text, cluster string) ([]incident.Resource, error) {
	var list []incident.Resource
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		object, where, elsewhere := strings.Cut(part, "@")
		r := incident.Resource{Cluster: cluster}
		if elsewhere {
			r.Cluster = where
		}
		f := strings.Split(object, "/")
		switch {
		case len(f) == 5 && f[1] == "namespaces":
			r.Group, r.Namespace, r.Kind, r.Name = f[0], f[2], f[3], f[4]
		case len(f) == 3:
			r.Group, r.Kind, r.Name = f[0], f[1], f[2]
		default:
			return nil, &DependsOnError{Part: part}
		}
		if r.Cluster == "" || r.Kind == "" || r.Kind[0] < 'A' || r.Kind[0] > 'Z' || r.Name == "" || len(f) == 5 && r.Namespace == "" {
			return nil, &DependsOnError{Part: part}
		}
		list = append(list, r)
	}
	return list, nil
}
