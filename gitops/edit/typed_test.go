package edit

import (
	"strings"
	"testing"
)

// What Kubernetes keeps as an integer, a boolean, a mapping or a list does not become anything else; what may be a number
// or a text may.
func TestMisfitOfTypes(t *testing.T) {
	t.Parallel()
	hpa := Selector{Group: "autoscaling", Kind: "HorizontalPodAutoscaler", Name: "a"}
	rollout := Selector{Group: "argoproj.io", Kind: "Rollout", Name: "a"}
	service := Selector{Kind: "Service", Name: "a"}
	for _, c := range []struct {
		sel               Selector
		path, value, want string
	}{
		{checkout, "spec.replicas", "3", ""},
		{checkout, "spec.replicas", "banana", "is an integer"},
		{checkout, "spec.replicas", "3.5", "is an integer"},
		{checkout, "spec.replicas", "1e1", "is an integer"},
		{checkout, "spec.replicas", "99999999999", "is an integer"},
		{checkout, "spec.replicas", "true", "is an integer"},
		{rollout, "spec.replicas", "banana", "is an integer"},
		{hpa, "spec.minReplicas", "few", "is an integer"},
		{hpa, "spec.maxReplicas", "10", ""},
		{checkout, "spec.paused", "maybe", "is true or false"},
		{checkout, "spec.paused", "true", ""},
		{checkout, "spec.strategy.rollingUpdate.maxSurge", "25%", ""},
		{checkout, "spec.template.spec.containers[name=a].ports[0].containerPort", "http", "is an integer"},
		{checkout, "spec.template.spec.containers[name=a].readinessProbe.httpGet.port", "http", ""},
		{service, "spec.ports[0].targetPort", "http", ""},
		{service, "spec.ports[0].port", "http", "is an integer"},
		{checkout, "spec.template.spec.containers[name=a].resources.limits", "x", "is a mapping"},
		{checkout, "spec.template.spec.containers[name=a].resources.limits.memory", "1Gi", ""},
		{checkout, "spec.template.spec.containers[name=a].args", "x", "is a list"},
		{checkout, "spec.template.spec.containers[name=a].args[0]", "x", ""},
		{checkout, "metadata.annotations.a", "x", ""},
		{checkout, "metadata.annotations", "x", "is a mapping"},
		{Selector{Kind: "Secret", Name: "a"}, "data.a", "eA==", ""},
		{Selector{Group: "example.com", Kind: "Shop", Name: "a"}, "spec.replicas", "banana", ""},
		{Selector{Group: "example.com", Kind: "Shop", Name: "a"}, "spec.replicas", "-1", "is a number that is not below 0"},
		{Selector{Group: "example.com", Kind: "Shop", Name: "a"}, "spec.offset", "-1", ""},
		{checkout, "spec.replicas", "-1", "is an integer that is not below 0"},
		{checkout, "spec.template.spec.tolerations[key=a].tolerationSeconds", "-1", ""},
		{Selector{Group: "scheduling.k8s.io", Kind: "PriorityClass", Name: "a"}, "value", "-5", ""},
		{checkout, "spec.template.spec.containers[name=a].resources.limits.memory", "banana", "is a quantity"},
		{checkout, "spec.template.spec.containers[name=a].resources.limits.memory", "-1Gi", "is a quantity that is not below 0"},
		{rollout, "spec.template.spec.containers[name=a].resources.limits.cpu", "lots", "is a quantity"},
		{checkout, "spec.template.spec.containers[name=a].image", "a b", "is an image"},
		{checkout, "spec.template.spec.containers[name=a].image", "Shop/cart:1", ""}, // Shop may be a host
		{checkout, "spec.template.spec.containers[name=a].image", "ghcr.io/Shop/cart:1", "is an image"},
		{checkout, "spec.template.spec.containers[name=a].image", "localhost:5000/a__b/c:V1.0-x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", ""},
		{checkout, "spec.template.spec.initContainers[0].image", "ko://github.com/Shop/cart/cmd", ""},
	} {
		if got := misfit(c.sel, mustPath(t, c.path), c.value); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %s: %q", c.sel.Kind, c.path, c.value, got)
		}
	}
}

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
