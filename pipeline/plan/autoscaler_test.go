package plan

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// An autoscaler need not be rendered by what renders its workload, and its name need not be the workload's.
func TestAutoscalerElsewhere(t *testing.T) {
	t.Parallel()
	const twice = "{field: spec.replicas, scale: {by: 2, min: 1, max: 10}}"
	elsewhere := maps.Clone(own)
	elsewhere["scaling/kustomization.yaml"], elsewhere["scaling/hpa.yaml"] = "namespace: shop\nresources: [hpa.yaml]\n", hpa
	another := maps.Clone(elsewhere)
	another["scaling/kustomization.yaml"] = "namespace: shop-staging\nresources: [hpa.yaml]\n"
	replicas := maps.Clone(own)
	replicas["prod/api.yaml"] = strings.Replace(api, "spec:\n", "spec:\n  replicas: 3\n", 1)
	live := incident.Live{Autoscaler: incident.Resource{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "api-scaler"}, By: "ScaledObject shop/api"}
	renamed := maps.Clone(elsewhere)
	renamed["scaling/hpa.yaml"] = strings.Replace(strings.Replace(hpa, "{name: api}", "{name: api-scaler}", 1), "kind: Deployment", "kind: Rollout", 1)
	bounds := []string{"spec.maxReplicas: 3 -> 4", "spec.minReplicas: 2 -> 4"}
	for _, c := range []struct {
		name, edit string
		files      map[string]string
		live       incident.Live
		edits      []string
		why        []string
	}{
		{"in another overlay", twice, elsewhere, incident.Live{}, bounds, nil},
		{"in another overlay, as only the cluster tells", twice, renamed, live, bounds, nil},
		{"of another namespace", "{field: spec.replicas, set: 4}", with(another, replicas), incident.Live{}, []string{"spec.replicas: 3 -> 4"}, nil},
		{"in the cluster only", twice, replicas, live, nil, []string{"HorizontalPodAutoscaler shop/api-scaler sets the replicas of Deployment shop/api", "in the cluster only", "ScaledObject shop/api"}},
		{"in the cluster only, and git says nothing of replicas", twice, own, live, nil, []string{"HorizontalPodAutoscaler shop/api-scaler", "ScaledObject shop/api"}},
		{"bounds in the cluster only", "autoscaler: {maxReplicas: {by: 2, min: 1, max: 5}}", own, live, nil, []string{"HorizontalPodAutoscaler shop/api-scaler", "in the cluster only"}},
		{"by nobody who is known", "{field: spec.replicas, set: 4}", replicas, incident.Live{Autoscaler: live.Autoscaler}, nil, []string{"where whoever made it has them"}},
		{"by a patch", "patch: {spec: {replicas: 4}}", replicas, live, nil, []string{"in the cluster only"}},
		{"by a patch of what is in git", "patch: {spec: {replicas: 4}}", with(elsewhere, replicas), incident.Live{}, nil, []string{"HorizontalPodAutoscaler shop/api sets the replicas"}},
		{"taken out of git", "{field: spec.replicas, remove: true}", replicas, live, []string{"spec.replicas: 3 -> "}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			overlays := []string{"prod"}
			if _, two := c.files["scaling/kustomization.yaml"]; two {
				overlays = append(overlays, "scaling")
			}
			r := request(c.files)
			r.Live = c.live
			p, _, err := planner(t, c.edit, overlays...).Propose(t.Context(), r)
			var none *incident.NoPlan
			if len(c.why) > 0 {
				if !errors.As(err, &none) {
					t.Fatalf("%+v, %v", p.Edits, err)
				}
				for _, part := range c.why {
					if !strings.Contains(none.Why, part) {
						t.Errorf("%q is not in %q", part, none.Why)
					}
				}
				return
			}
			var edits []string
			for _, e := range p.Edits {
				edits = append(edits, e.Field+": "+e.From+" -> "+e.To)
			}
			if err != nil || !slices.Equal(edits, c.edits) {
				t.Errorf("%q, %v", edits, err)
			}
		})
	}
}

// with is files with those of over.
func with(files, over map[string]string) map[string]string {
	out := maps.Clone(files)
	maps.Copy(out, over)
	return out
}
