package incident

import "strings"

// Resource names one object of one cluster. Namespace is empty for cluster-scoped kinds, Group for the core group.
type Resource struct {
	Cluster   string `json:"cluster"`
	Group     string `json:"group,omitempty"`
	Version   string `json:"version,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// Key identifies the object: cluster/group/kind/namespace/name. The version is left out, since one object is
// served under several.
func (r Resource) Key() string {
	return strings.Join([]string{r.Cluster, r.Group, r.Kind, r.Namespace, r.Name}, "/")
}

// ClusterOf is the cluster in a Key. Its name may have slashes in it, as an ARN has; the others' have none.
func ClusterOf(key string) string {
	for range 4 {
		key = key[:max(strings.LastIndexByte(key, '/'), 0)]
	}
	return key
}

// String is how people write it: Deployment shop/checkout.
func (r Resource) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// IsZero reports whether nothing is named.
func (r Resource) IsZero() bool { return r == Resource{} }
