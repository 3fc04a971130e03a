package workload

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

// The names and labels are those of kube-state-metrics, of the kubelet's cAdvisor and of a usual HTTP middleware.
var (
	container = []string{"namespace", "pod", "container"}
	app       = []string{"namespace", "deployment"}

	restarts = prometheus.NewDesc("kube_pod_container_status_restarts_total",
		"The number of container restarts per container.", container, nil)
	lastTerminated = prometheus.NewDesc("kube_pod_container_status_last_terminated_reason",
		"Describes the last reason the container was in terminated state.", append(container[:3:3], "reason"), nil)
	waiting = prometheus.NewDesc("kube_pod_container_status_waiting_reason",
		"Describes the reason the container is currently in waiting state.", append(container[:3:3], "reason"), nil)
	limits = prometheus.NewDesc("kube_pod_container_resource_limits",
		"The number of requested limit resource by a container.", append(container[:3:3], "resource", "unit"), nil)
	workingSet = prometheus.NewDesc("container_memory_working_set_bytes",
		"Current working set of the container in bytes.", container, nil)
	replicas = prometheus.NewDesc("kube_deployment_spec_replicas",
		"Number of desired pods for a deployment.", app, nil)
	available = prometheus.NewDesc("kube_deployment_status_replicas_available",
		"The number of available replicas per deployment.", app, nil)
	requests = prometheus.NewDesc("http_requests_total",
		"Requests by status code, as the load balancer counts them.", append(app[:2:2], "code"), nil)
	duration = prometheus.NewDesc("http_request_duration_seconds",
		"Latency of requests, as the load balancer measures it.", app, nil)
)

// What postgres_exporter says.
var (
	sessions = prometheus.NewDesc("pg_stat_activity_count",
		"Number of connections in this state.", []string{"namespace", "pod", "state"}, nil)
	maxConnections = prometheus.NewDesc("pg_settings_max_connections",
		"Sets the maximum number of concurrent connections.", []string{"namespace", "pod"}, nil)
)

// source is the live objects.
type source interface {
	Pods() []*corev1.Pod
	Deployments() []*appsv1.Deployment
}

// collector turns live objects into metrics. Counters of traffic live here, one set for each Deployment that there
// is, and so survive every change of its pods.
type collector struct {
	live source

	mu      sync.Mutex
	last    time.Time
	traffic map[[2]string]*model.Traffic // by namespace and name
	servers map[server]*model.Sessions
}

func newCollector(live source, now time.Time) *collector {
	return &collector{live: live, last: now, traffic: map[[2]string]*model.Traffic{}, servers: map[server]*model.Sessions{}}
}

// advance lets the time since the last call pass: every Deployment gets its requests.
func (c *collector) advance(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dt := now.Sub(c.last).Seconds()
	c.last = now
	pods, seen := c.live.Pods(), map[[2]string]bool{}
	for _, d := range c.live.Deployments() {
		rps := model.Of(d.Spec.Template.Annotations, nil).RPS
		if rps == 0 {
			continue
		}
		key := [2]string{d.Namespace, d.Name}
		seen[key] = true
		if c.traffic[key] == nil {
			c.traffic[key] = model.NewTraffic()
		}
		c.traffic[key].Advance(rps, dt, ready(d, pods))
	}
	c.connect(dt, pods)
	for key := range c.traffic {
		if !seen[key] {
			delete(c.traffic, key)
		}
	}
}

// ready are the programs of the Deployment's pods that get requests, found as a Service finds them.
func ready(d *appsv1.Deployment, pods []*corev1.Pod) []model.Program {
	sel, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil
	}
	var programs []model.Program
	for _, p := range pods {
		if p.Namespace == d.Namespace && p.DeletionTimestamp == nil && sel.Matches(labels.Set(p.Labels)) && isReady(p) {
			programs = append(programs, model.Of(p.Annotations, p.Spec.Containers))
		}
	}
	return programs
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Describe sends nothing: what there is depends on the live objects.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends what is true now.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.live.Pods() {
		collectPod(ch, p)
	}
	for _, d := range c.live.Deployments() {
		want := 1.0
		if d.Spec.Replicas != nil {
			want = float64(*d.Spec.Replicas)
		}
		gauge(ch, replicas, want, d.Namespace, d.Name)
		gauge(ch, available, float64(d.Status.AvailableReplicas), d.Namespace, d.Name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, now := range c.servers {
		active, idle := now.Now()
		gauge(ch, sessions, active, s.namespace, s.pod, "active")
		gauge(ch, sessions, idle, s.namespace, s.pod, "idle")
		gauge(ch, maxConnections, s.most, s.namespace, s.pod)
	}
	for key, t := range c.traffic {
		for code, n := range t.Requests() {
			ch <- prometheus.MustNewConstMetric(requests, prometheus.CounterValue, n, key[0], key[1], code)
		}
		count, sum, buckets := t.Latency()
		ch <- prometheus.MustNewConstHistogram(duration, count, sum, buckets, key[0], key[1])
	}
}

func collectPod(ch chan<- prometheus.Metric, p *corev1.Pod) {
	program := model.Of(p.Annotations, p.Spec.Containers)
	for i, c := range p.Spec.Containers {
		limit := model.MemoryLimit(c)
		if limit > 0 {
			gauge(ch, limits, float64(limit), p.Namespace, p.Name, c.Name, "memory", "byte")
		}
		for _, cs := range p.Status.ContainerStatuses {
			if cs.Name != c.Name {
				continue
			}
			ch <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, float64(cs.RestartCount), p.Namespace, p.Name, c.Name)
			if t := cs.LastTerminationState.Terminated; t != nil {
				gauge(ch, lastTerminated, 1, p.Namespace, p.Name, c.Name, t.Reason)
			}
			if w := cs.State.Waiting; w != nil {
				gauge(ch, waiting, 1, p.Namespace, p.Name, c.Name, w.Reason)
			}
			if cs.State.Running != nil && i == 0 && program.WorkingSet > 0 {
				gauge(ch, workingSet, float64(program.Memory(limit)), p.Namespace, p.Name, c.Name)
			}
		}
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
