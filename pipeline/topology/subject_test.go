package topology

import (
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestTheSubjectIsWhatIsThere: what labels lie about is not there, or less likely than something that is.
func TestTheSubjectIsWhatIsThere(t *testing.T) {
	t.Parallel()
	g := NewGraph()
	for _, c := range append(workload("web", "front", 1), remove(of("Pod", "web-5d9-0"))) {
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	given := of("Pod", "as-intake-said")
	for name, c := range map[string]struct {
		source string
		labels map[string]string
		want   incident.Resource
	}{
		"the Deployment, not the exporter's pod": {"alertmanager", map[string]string{"namespace": "shop", "deployment": "web", "pod": "ksm-0"}, of("Deployment", "web")},
		"the pod, though a rule calls it by a Deployment that is not there": {"alertmanager", map[string]string{"namespace": "shop", "deployment": "gone", "pod": "web-5d9-0"},
			of("Pod", "web-5d9-0")},
		"the node, not the exporter in its namespace": {"alertmanager", map[string]string{"namespace": "shop", "pod": "ksm-0", "node": "node-0"}, of("Node", "node-0")},
		"of none that is known, the one whose name tells its workload": {"alertmanager", map[string]string{"namespace": "shop", "node": "nope", "pod": "api-6b7f9c8d5-x2x4x"},
			of("Pod", "api-6b7f9c8d5-x2x4x")},
		"nothing better": {"alertmanager", map[string]string{"namespace": "shop", "job_name": "nope"}, given},
		"another source": {"kubernetes", map[string]string{"namespace": "shop", "deployment": "web"}, given},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.Subject(incident.Signal{Source: c.source, Subject: given, Labels: c.labels})
			if got.Key() != c.want.Key() {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
