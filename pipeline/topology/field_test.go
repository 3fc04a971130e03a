package topology

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func named(group, kind, name string) incident.Resource {
	return incident.Resource{Cluster: "prod", Group: group, Version: "v1", Kind: kind, Namespace: "shop", Name: name}
}

// TestAJobsPodAfterARestart: it has finished and left the graph, and is still the CronJob's where the graph is read back.
func TestAJobsPodAfterARestart(t *testing.T) {
	t.Parallel()
	cron, job, pod := named("batch", "CronJob", "report"), named("batch", "Job", "report-29012345"), named("", "Pod", "report-29012345-x7k2p")
	g := built(t, []incident.GraphChange{put(incident.Node{Resource: cron}), put(incident.Node{Resource: job}), put(incident.Node{Resource: pod}), bind(job, cron, incident.OwnedBy),
		bind(pod, job, incident.OwnedBy), remove(pod)})
	var b bytes.Buffer
	if err := g.Snapshot(&b, midday); err != nil {
		t.Fatal(err)
	}
	again, _, err := RestoreGraph(&b)
	if err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]*Graph{"before": g, "after": again} {
		if owner, _ := g.Owner(pod); owner != cron {
			t.Errorf("%s: of %s", name, owner)
		}
	}
}

// TestAReplicaSetThatNobodyHasListed is of the Deployment that its name tells: somebody may not watch ReplicaSets, or they come later.
func TestAReplicaSetThatNobodyHasListed(t *testing.T) {
	t.Parallel()
	web, pod := named("apps", "Deployment", "web"), named("", "Pod", "web-5d9f8c7b6-x7k2p")
	g := built(t, []incident.GraphChange{put(incident.Node{Resource: web}), put(incident.Node{Resource: pod}), bind(pod, named("apps", "ReplicaSet", "web-5d9f8c7b6"), incident.OwnedBy)})
	for _, p := range []incident.Resource{pod, named("", "Pod", "web-5d9f8c7b6-b2b4b")} {
		if owner, _ := g.Owner(p); owner != web {
			t.Errorf("%s is of %s", p, owner)
		}
	}
}

// TestIstioSaysTheHost of a service.
func TestIstioSaysTheHost(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{"reviews.shop.svc.cluster.local": "reviews", "reviews.shop.svc": "reviews", "reviews": "reviews"} {
		edges, err := Traffic("prod", []map[string]string{{"source_namespace": "shop", "source_workload": "web", "destination_namespace": "shop", "destination_service": said}})
		if err != nil || len(edges) != 1 || edges[0].To.Name != want || edges[0].To.Kind != "Service" {
			t.Errorf("%s: %v, %v", said, edges, err)
		}
	}
}

// TestTheVersionOfAChartIsNoChangeInCommon: many releases are of it. The ReplicaSet is one, and a revision of the chart's artifact.
func TestTheVersionOfAChartIsNoChangeInCommon(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"1.2.0": "web-5d9f8c7b6", "1.2.0+f6d9a1c3b2e4": "1.2.0+f6d9a1c3b2e4"} {
		f := NewFeed(FeedOptions{Cluster: "prod", Now: func() time.Time { return midday }})
		release := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "web", "namespace": "shop"},
			"status": map[string]any{"lastAttemptedRevision": version, "conditions": []any{map[string]any{"type": "Ready", "lastTransitionTime": midday.Format(time.RFC3339)}}}}}
		f.Put(schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}, release)
		load := feedLoad("web", "", "")
		load.Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
		f.Put(loadKind, load)
		f.Put(rsKind, feedSet("web-5d9f8c7b6", "web"))
		g := built(t, f.told())
		if got := g.Rollout(named("apps", "Deployment", "web")); got.Revision != want {
			t.Errorf("%s: rollout %q, want %q", version, got.Revision, want)
		}
	}
}
