package workload

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

type fixed struct {
	pods        []*corev1.Pod
	deployments []*appsv1.Deployment
}

func (f *fixed) Pods() []*corev1.Pod               { return f.pods }
func (f *fixed) Deployments() []*appsv1.Deployment { return f.deployments }

func shop(image string) *fixed {
	two, notes := int32(2), map[string]string{model.RPS: "10", model.WorkingSet: "300Mi", model.FaultyTags: "2"}
	match := map[string]string{"app": "cart"}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-1", Labels: match, Annotations: notes},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: image, Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")}},
		}}},
		Status: corev1.PodStatus{
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "app", RestartCount: 3, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}},
			}},
		},
	}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"},
		Spec: appsv1.DeploymentSpec{Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: match},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: notes}}},
		Status: appsv1.DeploymentStatus{AvailableReplicas: 1},
	}
	return &fixed{[]*corev1.Pod{p}, []*appsv1.Deployment{d}}
}

func TestMetricsFollowTheObjects(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newCollector(shop("cart:2"), now)
	c.advance(now.Add(10 * time.Second))
	want := `
# HELP container_memory_working_set_bytes Current working set of the container in bytes.
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{container="app",namespace="shop",pod="cart-1"} 2.68435456e+08
# HELP http_requests_total Requests by status code, as the load balancer counts them.
# TYPE http_requests_total counter
http_requests_total{code="200",deployment="cart",namespace="shop"} 70
http_requests_total{code="500",deployment="cart",namespace="shop"} 30
# HELP kube_deployment_spec_replicas Number of desired pods for a deployment.
# TYPE kube_deployment_spec_replicas gauge
kube_deployment_spec_replicas{deployment="cart",namespace="shop"} 2
# HELP kube_deployment_status_replicas_available The number of available replicas per deployment.
# TYPE kube_deployment_status_replicas_available gauge
kube_deployment_status_replicas_available{deployment="cart",namespace="shop"} 1
# HELP kube_pod_container_resource_limits The number of requested limit resource by a container.
# TYPE kube_pod_container_resource_limits gauge
kube_pod_container_resource_limits{container="app",namespace="shop",pod="cart-1",resource="memory",unit="byte"} 2.68435456e+08
# HELP kube_pod_container_status_last_terminated_reason Describes the last reason the container was in terminated state.
# TYPE kube_pod_container_status_last_terminated_reason gauge
kube_pod_container_status_last_terminated_reason{container="app",namespace="shop",pod="cart-1",reason="OOMKilled"} 1
# HELP kube_pod_container_status_restarts_total The number of container restarts per container.
# TYPE kube_pod_container_status_restarts_total counter
kube_pod_container_status_restarts_total{container="app",namespace="shop",pod="cart-1"} 3
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "container_memory_working_set_bytes", "http_requests_total",
		"kube_deployment_spec_replicas", "kube_deployment_status_replicas_available", "kube_pod_container_resource_limits",
		"kube_pod_container_status_last_terminated_reason", "kube_pod_container_status_restarts_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil {
		t.Errorf("%v %v", problems, err)
	}
}

// TestCountersSurviveTheirPods replaces, hides and removes pods under the counters.
func TestCountersSurviveTheirPods(t *testing.T) {
	t.Parallel()
	now, live := time.Now(), shop("cart:2")
	c := newCollector(live, now)
	pass := func() map[string]float64 {
		now = now.Add(time.Second)
		c.advance(now)
		return c.traffic[[2]string{"shop", "cart"}].Requests()
	}
	first := pass()
	live.pods = shop("cart:1").pods
	if got := pass(); got["500"] != first["500"] || got["200"] != first["200"]+10 {
		t.Errorf("cured: %v after %v, want that only 200 grows", got, first)
	}
	live.pods[0].DeletionTimestamp = &metav1.Time{Time: now}
	if got := pass(); got["503"] != 10 || got["200"] != first["200"]+10 {
		t.Errorf("no pod is ready: %v", got)
	}
	live.deployments = nil
	now = now.Add(time.Second)
	if c.advance(now); len(c.traffic) != 0 {
		t.Errorf("the Deployment is gone, and %v stays", c.traffic)
	}
}
