package edit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// A field that the object does not have is added where one value makes it whole, and Kubernetes knows it.
func TestFits(t *testing.T) {
	t.Parallel()
	const workload = `{"spec": {"replicas": 2, "template": {"spec": {"containers": [
		{"name": "app", "image": "a:1", "env": [{"name": "TOKEN", "valueFrom": {"fieldRef": {}}}]},
		{"name": "twice"}, {"name": "twice"}]}}}}`
	const bounds = `{"spec": {"minReplicas": 2, "maxReplicas": 5}}`
	hpa := Selector{Group: "autoscaling", Kind: "HorizontalPodAutoscaler", Name: "a"}
	rollout := Selector{Group: "argoproj.io", Kind: "Rollout", Name: "a"}
	crd := Selector{Group: "example.com", Kind: "Shop", Name: "a"}
	for _, c := range []struct {
		sel                       Selector
		object, path, value, want string
		notFound                  bool
	}{
		{checkout, workload, "spec.replicas", "3", "", false},
		{checkout, workload, "spec.replicas", "-3", "is not below 0", false},
		{checkout, workload, "spec.minReadySeconds", "3", "", false},
		{checkout, workload, "spec.replica", "3", "a Deployment has no field spec.replica", true},
		{checkout, workload, "spec.template.spec.containers[name=app].resources.limits.memory", "1Gi", "", false},
		{checkout, workload, "spec.template.spec.containers[name=app].resources.limit.memory", "1Gi", "has no field spec.template.spec.containers[name=app].resources.limit", true},
		{checkout, workload, "spec.template.metadata.annotations['a.b/c']", "x", "", false},
		{checkout, workload, "spec.strategy.rollingUpdate.maxSurge", "25%", "", false},
		{checkout, workload, "spec.selector.matchLabels.app", "b", "cannot be changed once it is there", false},
		{checkout, workload, "status.replicas", "3", "is what controllers say", false},
		{checkout, workload, "spec.template.spec.containers[name=nope].image", "a:2", "has no one spec.template.spec.containers[name=nope]", true},
		{checkout, workload, "spec.template.spec.containers[3].image", "a:2", "has no one spec.template.spec.containers[3]", true},
		{checkout, workload, "spec.template.spec.containers[name=twice].image", "a:2", "has no one spec.template.spec.containers[name=twice]", true},
		{checkout, workload, "spec.template.spec.volumes[name=tmp].emptyDir.sizeLimit", "1Gi", "has no one", true},
		{checkout, workload, "spec.template.spec.containers[name=app].env[name=NEW].value", "1", "", false},
		{checkout, workload, "spec.template.spec.containers[name=nope].env[name=NEW].value", "1", "has no one", true},
		{checkout, workload, "spec.template.spec.containers[name=app].env[name=NEW].valueFrom.fieldRef.fieldPath", "x", "has no one", true},
		{checkout, workload, "spec.template.spec.containers[name=app].env[name=TOKEN].value", "x", "takes its value from elsewhere", false},
		{rollout, workload, "spec.strategy.canary.maxSurge", "1", "", false},
		{crd, workload, "spec.anything", "1", "", false},
		{crd, workload, "spec.replicas", "banana", "is a number", false},
		{crd, workload, "spec.replicas", "50%", "", false},
		{hpa, bounds, "spec.minReplicas", "6", "minReplicas 6 of HorizontalPodAutoscaler a would be above maxReplicas 5", false},
		{hpa, bounds, "spec.minReplicas", "5", "", false},
		{hpa, bounds, "spec.maxReplicas", "1", "minReplicas 2 of HorizontalPodAutoscaler a would be above maxReplicas 1", false},
		{hpa, `{"spec": {}}`, "spec.minReplicas", "6", "", false},
	} {
		var object any
		d := json.NewDecoder(strings.NewReader(c.object))
		d.UseNumber()
		if err := d.Decode(&object); err != nil {
			t.Fatal(err)
		}
		err := Fits(c.sel, mustPath(t, c.path), object, c.value)
		var refused *Refusal
		if (c.want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNotFound) != c.notFound || !c.notFound && !errors.As(err, &refused)) {
			t.Errorf("%s %s %s: %v", c.sel.Kind, c.path, c.value, err)
		}
	}
}
