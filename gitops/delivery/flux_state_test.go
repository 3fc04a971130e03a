package delivery

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestFluxHasApplied what was asked when it says so of this commit, this request and this generation.
func TestFluxHasApplied(t *testing.T) {
	t.Parallel()
	const ready = "Ready=True ReconciliationSucceeded done"
	from := func(revision string) string {
		return "lastAppliedRevision: " + revision + "\nlastAttemptedRevision: " + revision + "\n"
	}
	for name, c := range map[string]struct {
		kind    string
		status  string
		handled string // lastHandledReconcileAt
		seen    string // observedGeneration
		done    bool
		stuck   bool
	}{
		"applied":                      {"Kustomization", from("main@sha1:"+merged) + conditions(ready), "now", "2", true, false},
		"a later one":                  {"Kustomization", from("refs/heads/main@sha1:"+after) + conditions(ready), "now", "2", true, false},
		"as it was written once":       {"Kustomization", from("main/"+merged) + conditions(ready), "now", "2", true, false},
		"an artifact of OCI":           {"Kustomization", from("latest@sha256:0") + conditions(ready), "now", "2", true, false},
		"the origin of one":            {"Kustomization", from("latest@sha256:1") + "lastAppliedOriginRevision: main@sha1:" + merged + "\n" + conditions(ready), "now", "2", true, false},
		"an older one":                 {"Kustomization", from("main@sha1:"+before) + conditions(ready), "now", "2", false, false},
		"another repository's":         {"Kustomization", from("main@sha1:"+elsewhere) + conditions(ready), "now", "2", false, false},
		"nothing yet":                  {"Kustomization", "conditions: []", "", "-1", false, false},
		"before it was asked":          {"Kustomization", from("main@sha1:"+merged) + conditions(ready), "before", "2", false, false},
		"an older spec":                {"Kustomization", from("main@sha1:"+merged) + conditions(ready), "now", "1", false, false},
		"at work":                      {"Kustomization", from("main@sha1:"+merged) + conditions(ready, "Reconciling=True Progressing again"), "now", "2", false, false},
		"it fails":                     {"Kustomization", from("main@sha1:"+merged) + conditions("Ready=False HealthCheckFailed timeout"), "now", "2", false, true},
		"an older one fails":           {"Kustomization", from("main@sha1:"+before) + conditions("Ready=False HealthCheckFailed timeout"), "now", "2", false, false},
		"it waits for another":         {"Kustomization", from("main@sha1:"+merged) + conditions("Ready=False DependencyNotReady db is not ready"), "now", "2", false, false},
		"it is at work":                {"Kustomization", from("main@sha1:"+merged) + conditions("Ready=False Progressing running health checks"), "now", "2", false, false},
		"it tries again":               {"Kustomization", from("main@sha1:"+merged) + conditions("Ready=False ProgressingWithRetry detecting drift"), "now", "2", false, false},
		"a newer one came":             {"Kustomization", from("main@sha1:"+merged) + conditions("Ready=False HealthCheckCanceled a new revision"), "now", "2", false, false},
		"a release":                    {"HelmRelease", conditions(ready), "now", "2", true, false},
		"a release not yet asked":      {"HelmRelease", conditions(ready), "before", "2", false, false},
		"a release that fails":         {"HelmRelease", conditions("Ready=False UpgradeFailed no"), "now", "2", false, true},
		"a release that failed before": {"HelmRelease", conditions("Ready=False UpgradeFailed no"), "before", "2", false, false},
		"a release that is stalled":    {"HelmRelease", conditions("Ready=Unknown X y", "Stalled=True RetriesExceeded no"), "now", "2", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var live unstructured.Unstructured
			text := "metadata: {generation: 2, annotations: {" + requested + ": now}}\nstatus:\n  observedGeneration: " + c.seen + "\n  lastHandledReconcileAt: " + c.handled + "\n"
			check(t, yaml.Unmarshal([]byte(text), &live.Object))
			var status map[string]any
			check(t, yaml.Unmarshal([]byte(c.status), &status))
			for k, v := range status {
				check(t, unstructured.SetNestedField(live.Object, v, "status", k))
			}
			seen, _, _ := unstructured.NestedFloat64(live.Object, "status", "observedGeneration")
			check(t, unstructured.SetNestedField(live.Object, int64(seen), "status", "observedGeneration"))
			check(t, unstructured.SetNestedField(live.Object, int64(2), "metadata", "generation"))
			f := &Flux{o: history}
			u := fluxUnit{ref: Ref{Kind: c.kind}, ours: true}
			_, done, err := f.applied(t.Context(), u, &live, merged, "latest@sha256:0")
			var stuck *Stuck
			if done != c.done || errors.As(err, &stuck) != c.stuck || !c.stuck && err != nil {
				t.Errorf("done %v, %v", done, err)
			}
		})
	}
}
