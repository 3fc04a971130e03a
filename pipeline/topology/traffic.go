package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TrafficError says which label a series of the traffic query lacks.
type TrafficError struct{ Label string }

func (e *TrafficError) Error() string {
	return fmt.Sprintf("the traffic query answers series without a label %s: each needs source_namespace, source_workload, destination_namespace, and "+
		"destination_service or destination_workload; label_replace renames them", e.Label)
}

// Traffic reads who calls whom from the labels of the series that a query answered: source_namespace and source_workload (of
// kind source_kind, else a Deployment), destination_namespace, and destination_service or destination_workload (of
// destination_kind). A series of which a name is "unknown", as Istio says of what is outside of the mesh, is passed over.
func Traffic(cluster string, series []map[string]string) ([]incident.Edge, error) {
	var edges []incident.Edge
	for _, s := range series {
		for _, name := range []string{"source_namespace", "source_workload", "destination_namespace"} {
			if s[name] == "" {
				return nil, &TrafficError{Label: name}
			}
		}
		from := called(cluster, s["source_kind"], s["source_namespace"], s["source_workload"])
		to := called(cluster, s["destination_kind"], s["destination_namespace"], s["destination_workload"])
		switch {
		case s["destination_service"] != "":
			name, _, _ := strings.Cut(s["destination_service"], "."+s["destination_namespace"]+".svc") // Istio says the host
			to = called(cluster, "Service", s["destination_namespace"], name)
		case to.Name == "":
			return nil, &TrafficError{Label: "destination_service"}
		}
		const unknown = "unknown"
		if !slices.Contains([]string{from.Namespace, from.Name, to.Namespace, to.Name}, unknown) && from != to {
			edges = append(edges, incident.Edge{From: from, To: to, Kind: incident.Calls})
		}
	}
	return edges, nil
}

func called(cluster, kind, namespace, name string) incident.Resource {
	r := incident.Resource{Cluster: cluster, Group: "apps", Version: "v1", Kind: kind, Namespace: namespace, Name: name}
	switch kind {
	case "":
		r.Kind = "Deployment"
	case "Service", "Pod":
		r.Group = ""
	}
	return r
}
