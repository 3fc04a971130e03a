package incident

import (
	"regexp"
	"time"
)

// Node is a Resource in the graph, with what correlation reads of it.
type Node struct {
	Resource
	Labels    map[string]string `json:"labels,omitempty"`    // tier and owner are kept, see Tier and Owner
	Revision  string            `json:"revision,omitempty"`  // of the change that last touched it
	ChangedAt time.Time         `json:"changedAt,omitzero"`  // when that was rolled out; of a pod that is deleted, when it had finished: then its object is still there
	DependsOn string            `json:"dependsOn,omitempty"` // what its annotation cortexops.io/depends-on says
}

// Tier of the node, by its label.
func (n Node) Tier() string { return firstOf(n.Labels, "cortexops.io/tier", "tier") }

// Owner of the node: the people, by its label.
func (n Node) Owner() string { return firstOf(n.Labels, "cortexops.io/owner", "owner", "team") }

func firstOf(labels map[string]string, names ...string) string {
	for _, n := range names {
		if v := labels[n]; v != "" {
			return v
		}
	}
	return ""
}

// EdgeKind says how two nodes hang together, and by that which of them is hit when the other fails.
type EdgeKind string

const (
	OwnedBy   EdgeKind = "owned-by"   // an object → its controller, as in ownerReferences
	Selects   EdgeKind = "selects"    // a Service → a pod behind it
	Routes    EdgeKind = "routes"     // an Ingress or a Gateway's route → a Service
	Refers    EdgeKind = "refers"     // a pod or workload → a ConfigMap, Secret or PersistentVolumeClaim
	Runs      EdgeKind = "runs"       // a Node → a pod
	Scales    EdgeKind = "scales"     // a HorizontalPodAutoscaler → its target
	Applies   EdgeKind = "applies"    // a Kustomization or HelmRelease → an object of its inventory
	Sources   EdgeKind = "sources"    // a Kustomization or HelmRelease → the source whose revision it applies
	DependsOn EdgeKind = "depends-on" // a workload → what its annotation names
	Calls     EdgeKind = "calls"      // a caller → the called, as its traffic shows
)

// Edge of the graph.
type Edge struct {
	From Resource `json:"from"`
	To   Resource `json:"to"`
	Kind EdgeKind `json:"kind"`
}

// GraphItem is a node or an edge.
type GraphItem struct {
	Node *Node `json:"node,omitempty"`
	Edge *Edge `json:"edge,omitempty"`
}

// GraphChange is one record of how the graph came to be: exactly one of Upsert and Delete is set.
type GraphChange struct {
	At     time.Time  `json:"at"`
	Upsert *GraphItem `json:"upsert,omitempty"`
	Delete *GraphItem `json:"delete,omitempty"`
}

// Neighbour is a workload, or what is none's, that hangs together with another one.
type Neighbour struct {
	Resource Resource
	Hops     int  // 0: the same pods
	Upstream bool // the neighbour's failure hits the other one; else the other way round
}

// Rollout is a change of a workload.
type Rollout struct {
	Revision string
	At       time.Time
}

// revision of a source, or of an artifact, as Flux writes it: main@sha1:9f3c…, latest@sha256:…, 1.2.0+f6d9a1c3b2e4.
var revision = regexp.MustCompile(`[@:]|\+[0-9a-f]{12,}$`)

// IsRevision tells it from the version of a chart, which many releases are of, so that it is no change that they share.
func IsRevision(s string) bool { return revision.MatchString(s) }
