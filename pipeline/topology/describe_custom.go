package topology

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// custom is an object of a CRD: a route of the Gateway API, or one of Flux. What is not of the form that its API says is
// passed over.
func (f *Feed) custom(d *described, self incident.Resource, u *unstructured.Unstructured) {
	switch self.Group {
	case "gateway.networking.k8s.io":
		f.route(d, self, u)
	case "kustomize.toolkit.fluxcd.io":
		f.reference(d, self, u, "spec", "sourceRef")
		f.reconciled(d, self, u)
	case "helm.toolkit.fluxcd.io":
		f.reference(d, self, u, "spec", "chartRef")
		f.reference(d, self, u, "spec", "chart", "spec", "sourceRef")
		f.reconciled(d, self, u)
		if !incident.IsRevision(d.applied.revision) {
			d.applied.revision = ""
		}
		if version := d.node.Revision; version != "" && !incident.IsRevision(version) { // the release's own
			d.node.Revision = self.Name + "-" + version
		}
	case "source.toolkit.fluxcd.io":
		d.node.Revision, _, _ = unstructured.NestedString(u.Object, "status", "artifact", "revision")
		d.node.ChangedAt = timeAt(u.Object, "status", "artifact", "lastUpdateTime")
	}
}

func (f *Feed) route(d *described, self incident.Resource, u *unstructured.Unstructured) {
	for _, rule := range listAt(u.Object, "spec", "rules") {
		for _, b := range listAt(rule, "backendRefs") {
			kind, group, name, namespace := text(b, "kind"), text(b, "group"), text(b, "name"), text(b, "namespace")
			if kind != "" && kind != "Service" || group != "" || name == "" {
				continue
			}
			if namespace == "" {
				namespace = self.Namespace
			}
			d.edge(self, f.at("", "v1", "Service", namespace, name), incident.Routes)
		}
	}
}

// reference to a source, from which the object takes what it applies.
func (f *Feed) reference(d *described, self incident.Resource, u *unstructured.Unstructured, path ...string) {
	ref, ok, err := unstructured.NestedMap(u.Object, path...)
	if err != nil || !ok || text(ref, "kind") == "" || text(ref, "name") == "" {
		return
	}
	namespace := text(ref, "namespace")
	if namespace == "" {
		namespace = self.Namespace
	}
	d.edge(self, f.at("source.toolkit.fluxcd.io", "v1", text(ref, "kind"), namespace, text(ref, "name")), incident.Sources)
}

// reconciled reads what was applied: the inventory, the revision, and since when the object is as it is.
func (f *Feed) reconciled(d *described, self incident.Resource, u *unstructured.Unstructured) {
	d.node.Revision, _, _ = unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
	d.applied = &applied{by: self, revision: d.node.Revision}
	if tried, _, _ := unstructured.NestedString(u.Object, "status", "lastAttemptedRevision"); tried != "" {
		d.applied.revision = tried
	}
	for _, c := range listAt(u.Object, "status", "conditions") {
		if text(c, "type") == "Ready" {
			d.applied.at = timeAt(c, "lastTransitionTime")
			d.node.ChangedAt = d.applied.at
		}
	}
	for _, e := range listAt(u.Object, "status", "inventory", "entries") {
		if r, ok := f.inventoried(text(e, "id"), text(e, "v")); ok {
			d.edge(self, r, incident.Applies)
			d.applied.objects = append(d.applied.objects, r)
		}
	}
}

// inventoried reads NAMESPACE_NAME_GROUP_KIND, in which a colon of a name is written as two underscores.
func (f *Feed) inventoried(id, version string) (incident.Resource, bool) {
	namespace, rest, ok := strings.Cut(id, "_")
	i := strings.LastIndex(rest, "_")
	if !ok || i < 0 {
		return incident.Resource{}, false
	}
	rest, kind := rest[:i], rest[i+1:]
	if i = strings.LastIndex(rest, "_"); i < 0 {
		return incident.Resource{}, false
	}
	name, group := strings.ReplaceAll(rest[:i], "__", ":"), rest[i+1:]
	return f.resource(schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, namespace, name), name != "" && kind != ""
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func listAt(m map[string]any, path ...string) (list []map[string]any) {
	raw, _, _ := unstructured.NestedFieldNoCopy(m, path...)
	items, _ := raw.([]any)
	for _, i := range items {
		if o, ok := i.(map[string]any); ok {
			list = append(list, o)
		}
	}
	return list
}

func timeAt(m map[string]any, path ...string) time.Time {
	s, _, _ := unstructured.NestedString(m, path...)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
