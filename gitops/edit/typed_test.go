package edit

import "testing"

func TestIsText(t *testing.T) {
	t.Parallel()
	crd := Selector{Group: "example.com", Kind: "Shop", Name: "a"}
	job := Selector{Group: "batch", Kind: "CronJob", Name: "a"}
	for _, c := range []struct {
		sel         Selector
		path, value string
		want        bool
	}{
		{checkout, "spec.replicas", "3", false},
		{checkout, "spec.paused", "true", false},
		{checkout, "spec.template.metadata.annotations['a.b/c']", "1", true},
		{checkout, "spec.template.spec.containers[name=app].env[name=A].value", "true", true},
		{checkout, "spec.template.spec.containers[0].resources.limits.cpu", "1", true},
		{checkout, "spec.template.spec.containers[0].ports[0].containerPort", "80", false},
		{checkout, "spec.strategy.rollingUpdate.maxSurge", "1", false},
		{checkout, "spec.strategy.rollingUpdate.maxSurge", "25%", true},
		{job, "spec.suspend", "true", false},
		{crd, "spec.suspend", "true", false},
		{crd, "spec.size", "1Gi", true},
		{crd, "metadata.labels.version", "1", true},
	} {
		if IsText(c.sel, mustPath(t, c.path), c.value) != c.want {
			t.Errorf("%s %s %s: %v", c.sel.Kind, c.path, c.value, !c.want)
		}
	}
}
