package plan

import (
	"maps"
	"strings"
	"testing"
)

// A playbook gives a container half a processor more, and not a whole one; pods stay whole.
func TestAProcessorIsScaledInParts(t *testing.T) {
	t.Parallel()
	files := maps.Clone(own)
	files["prod/api.yaml"] = strings.Replace(api, "memory: 512Mi", "memory: 512Mi\n              cpu: 1", 1)
	files["prod/api.yaml"] = strings.Replace(files["prod/api.yaml"], "spec:\n", "spec:\n  replicas: 3\n", 1)
	for edit, want := range map[string]string{
		"{field: 'spec.template.spec.containers[name=app].resources.limits.cpu', scale: {by: 1.5, min: 100m, max: 4}}": "cpu: 1500m",
		"{field: spec.replicas, scale: {by: 1.5, min: 1, max: 9}}":                                                     "replicas: 5\n",
	} {
		p, _, err := planner(t, edit, "prod").Propose(t.Context(), request(files))
		if err != nil || len(p.Files) != 1 || !strings.Contains(string(p.Files[0].After), want) {
			t.Errorf("%s: %v %+v\n%s", edit, err, p.Files, files["prod/api.yaml"])
		}
	}
}
