package topology

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	if err := g.Apply(remove(pod)); err != nil {
		t.Fatal(err)
	}
	if owner, _ := g.Owner(pod); owner != web {
		t.Errorf("deleted, it is of %s", owner)
	}
}

// TestAFinishedPodIsTakenOutOfTheGraph, and its object is still there: what it says of itself goes on.
func TestAFinishedPodIsTakenOutOfTheGraph(t *testing.T) {
	t.Parallel()
	f := newFeed()
	for name, phase := range map[string]corev1.PodPhase{"finished": corev1.PodFailed, "deleted": corev1.PodRunning} {
		p := feedPod(name, "web-5d9", "")
		f.Put(podKind, p)
		f.told()
		if phase == corev1.PodFailed {
			p = p.DeepCopy()
			p.Status.Phase = phase
			f.Put(podKind, p)
		} else {
			f.Delete(podKind, p.Namespace, p.Name)
		}
		for _, c := range f.told() {
			if d := c.Delete; d != nil && d.Node != nil && d.Node.Kind == "Pod" && d.Node.ChangedAt.IsZero() == (phase == corev1.PodFailed) {
				t.Errorf("%s: %+v", name, d.Node)
			}
		}
	}
}

// TestAnAlertOfNodeExporterIsOfItsNode: the troubles of two nodes are not one of the DaemonSet. About the exporter itself it is of that.
func TestAnAlertOfNodeExporterIsOfItsNode(t *testing.T) {
	t.Parallel()
	n1, ds, pod := incident.Resource{Cluster: "prod", Version: "v1", Kind: "Node", Name: "n1"}, named("apps", "DaemonSet", "node-exporter"), named("", "Pod", "node-exporter-x7k2p")
	g := built(t, []incident.GraphChange{put(incident.Node{Resource: n1}), put(incident.Node{Resource: ds}), put(incident.Node{Resource: pod}), bind(pod, ds, incident.OwnedBy), bind(n1, pod, incident.Runs)})
	for job, want := range map[string]incident.Resource{"node-exporter": n1, "kubelet": pod} {
		labels := map[string]string{"alertname": "NodeFilesystemFull", "job": job, "namespace": "shop", "pod": pod.Name, "container": "c", "instance": "10.0.0.1:9100"}
		s := incident.Signal{Source: "alertmanager", Subject: pod, Labels: labels}
		if job == "node-exporter" {
			s.Labels = incident.Naming(labels) // as a fold keeps it
		}
		if got := g.Subject(s); got != want {
			t.Errorf("%s: of %s, want %s", job, got, want)
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
			"status": map[string]any{"lastAppliedRevision": version, "lastAttemptedRevision": version, "conditions": []any{map[string]any{"type": "Ready", "lastTransitionTime": midday.Format(time.RFC3339)}}}}}
		f.Put(schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}, release)
		load := feedLoad("web", "", "")
		load.Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
		f.Put(loadKind, load)
		f.Put(rsKind, feedSet("web-5d9f8c7b6", "web"))
		g := built(t, f.told())
		if got := g.Rollout(named("helm.toolkit.fluxcd.io", "HelmRelease", "web")); !strings.HasSuffix(got.Revision, version) || got.Revision == "1.2.0" {
			t.Errorf("%s: of the release %q", version, got.Revision)
		}
		if got := g.Rollout(named("apps", "Deployment", "web")); got.Revision != want {
			t.Errorf("%s: rollout %q, want %q", version, got.Revision, want)
		}
	}
}
