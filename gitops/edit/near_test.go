package edit

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"checkout", "checkout-worker", "cart", "settings-4h54cfcbd9", "payments"}
	for name, want := range map[string][]string{
		"chekout": {"checkout"}, "Checkout": {"checkout", "checkout-worker"}, "settings": {"settings-4h54cfcbd9"}, "ledger": nil, "checkout": {"checkout-worker"}, "": nil, "crt": {"cart"},
	} {
		if got := Nearest(name, names); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// A path that was mistyped is answered with the one that is there, and one that is only not set is not.
func TestNearPath(t *testing.T) {
	t.Parallel()
	var object any
	if err := json.Unmarshal([]byte(`{"spec": {"replicas": 2, "template": {"spec": {"containers": [
		{"name": "app", "resources": {"limits": {"memory": "1Gi"}}, "args": ["a", "b"]}, {"name": "sidecar"}]}}}}`), &object); err != nil {
		t.Fatal(err)
	}
	const c = "spec.template.spec.containers"
	for path, want := range map[string]string{
		"spec.replica":                            "; did you mean spec.replicas?",
		"sepc.replicas":                           "; did you mean spec?",
		"spec.templat.spec":                       "; did you mean spec.template?",
		"spec.minReadySecond":                     "; did you mean spec.minReadySeconds?", // which is not set
		"spec.minReadySeconds":                    "",
		"spec.unlikeAnything":                     "",
		c + "[name=ap].image":                     "; did you mean " + c + "[name=app]?",
		c + "[name=web].image":                    "; did you mean " + c + "[name=app] or " + c + "[name=sidecar]?",
		c + "[name=app].resources.limit.memory":   "; did you mean " + c + "[name=app].resources.limits?",
		c + "[name=app].resources.limits.memmory": "; did you mean " + c + "[name=app].resources.limits.memory?",
		c + "[name=app].resources.limits.cpu":     "",
		c + "[name=app].args[2]":                  "; " + c + "[name=app].args has 2, counted from 0",
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Near(Selector{Group: "apps", Kind: "Deployment", Name: "api"}, object); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
