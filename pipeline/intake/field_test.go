package intake

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stopped is a container that has ended.
func stopped(reason string, when time.Time) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, FinishedAt: metav1.NewTime(when)}}}
}

func finishedPod(phase corev1.PodPhase, reason string, states ...corev1.ContainerStatus) *corev1.Pod {
	p := kpod(states...)
	p.Status.Phase, p.Status.Reason = phase, reason
	p.Spec.Containers = []corev1.Container{{Name: "app"}}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: "False", LastTransitionTime: metav1.NewTime(at)}}
	return p
}

// TestWhatAFinishedPodSays: a Job's pod that crashed and has completed since, one that ran out of memory and is not started again, and
// one that was evicted while it crashed. None fires for ever where nobody takes it away.
func TestWhatAFinishedPodSays(t *testing.T) {
	t.Parallel()
	const pod = "Pod shop/checkout-5d9-abcde"
	refused := &corev1.Pod{ObjectMeta: named("web-1")} // by the kubelet, which sets no conditions then
	refused.CreationTimestamp = metav1.NewTime(at)
	refused.Status.Phase, refused.Status.Reason = corev1.PodFailed, "OutOfcpu"
	for name, tc := range map[string]struct {
		before, after *corev1.Pod
		told, soon    []string // then
		anHour        []string
	}{
		"completed": {kpod(ended(waiting("CrashLoopBackOff"), "Error", at)), finishedPod(corev1.PodSucceeded, "", stopped("Completed", at)), nil,
			[]string{"resolved CrashLoopBackOff " + pod + " app", "resolved Error " + pod + " app"}, nil},
		"out of memory": {nil, finishedPod(corev1.PodFailed, "", stopped("OOMKilled", at)), []string{"firing OOMKilled " + pod + " app"}, nil,
			[]string{"resolved OOMKilled " + pod + " app"}},
		"evicted": {kpod(waiting("CrashLoopBackOff")), finishedPod(corev1.PodFailed, "Evicted"), []string{"firing Evicted " + pod},
			[]string{"resolved CrashLoopBackOff " + pod + " app"}, []string{"resolved Evicted " + pod}},
		"refused": {nil, refused, []string{"firing OutOfcpu Pod shop/web-1"}, nil, []string{"resolved OutOfcpu Pod shop/web-1"}},
	} {
		c := &hands{at}
		k := watched(c)
		if tc.before != nil {
			k.Put(kPod, tc.before)
			tell(t, k)
		}
		k.Put(kPod, tc.after)
		t.Log(name)
		says(t, k, tc.told...)
		c.wait(5 * time.Minute)
		says(t, k, tc.soon...)
		c.wait(time.Hour)
		says(t, k, tc.anHour...)
		if n := k.Firing(); n != 0 {
			t.Errorf("%s: %d still fire", name, n)
		}
	}
}

// TestConditionsOfANodeThatEndInReady are good when they are True, as the agents of EKS set them.
func TestConditionsOfANodeThatEndInReady(t *testing.T) {
	t.Parallel()
	for status, want := range map[string][]string{"True": nil, "Unknown": nil, "False": {"firing KernelNotReady Node n1", "firing StorageNotReady Node n1"}} {
		k, n := watched(&hands{at}), nodeWith("Ready", "True")
		for _, kind := range []string{"KernelReady", "StorageReady"} {
			_, _, c := condition(kind, status, "SoftLockup")
			n.Status.Conditions = append(n.Status.Conditions, c)
		}
		k.Put(kNode, n)
		says(t, k, want...)
	}
}

// TestALimitIsReachedWhenItWasScaledTo: Kubernetes keeps the time of a condition that stays True though its reason has changed.
func TestALimitIsReachedWhenItWasScaledTo(t *testing.T) {
	t.Parallel()
	c := &hands{at.Add(72 * time.Hour)}
	k := watched(c)
	k.Put(kHPA, autoscalerWith("ScalingLimited", "True", "TooFewReplicas"))
	h := autoscalerWith("ScalingLimited", "True", "TooManyReplicas")
	h.Status.LastScaleTime = &metav1.Time{Time: c.Time}
	k.Put(kHPA, h)
	says(t, k)
	c.wait(2 * time.Minute)
	if list := says(t, k, "firing TooManyReplicas Deployment shop/checkout"); !list[0].StartsAt.Equal(h.Status.LastScaleTime.Time) {
		t.Errorf("since %s", list[0].StartsAt)
	}
}

// TestWhoTheExporterSpeaksOf: an exporter's own container is nobody's, and a pod that it named with its container and its node is the
// subject, not the node.
func TestWhoTheExporterSpeaksOf(t *testing.T) {
	t.Parallel()
	ksm := func(labels ...string) map[string]string {
		all := map[string]string{"alertname": "A", "job": "kube-state-metrics", "instance": "10.0.0.1:8080"}
		for _, l := range labels {
			name, value, _ := strings.Cut(l, "=")
			all[name] = value
		}
		return all
	}
	for name, tc := range map[string]struct {
		labels             map[string]string
		subject, container string
	}{
		"of a deployment":                  {ksm("namespace=shop", "deployment=web", "container=kube-state-metrics", "pod=ksm-5d9f8c7b6-abcde"), "Deployment shop/web", ""},
		"behind a proxy":                   {ksm("namespace=shop", "deployment=web", "container=kube-rbac-proxy-main", "pod=ksm-5d9f8c7b6-abcde"), "Deployment shop/web", ""},
		"exported":                         {ksm("namespace=monitoring", "exported_namespace=shop", "exported_pod=web-1", "exported_container=app", "container=kube-state-metrics", "pod=ksm-1"), "Pod shop/web-1", "app"},
		"a pod, honoured, by its node":     {ksm("namespace=shop", "pod=web-1", "container=app", "node=n1"), "Pod shop/web-1", "app"},
		"the exporter's own, by any name":  {ksm("namespace=monitoring", "pod=prometheus-kube-state-metrics-7c9d8f6b5c-x7k2p", "container=main", "node=n1"), "Node n1", ""},
		"of another exporter":              {map[string]string{"alertname": "A", "job": "node-exporter", "namespace": "monitoring", "pod": "node-exporter-x7k2p", "container": "exporter", "node": "n1"}, "Node n1", ""},
		"a sidecar, of kube-state-metrics": {ksm("namespace=certs", "pod=controller-manager-7c9d8f6b5c-x7k2p", "container=kube-rbac-proxy", "node=n1"), "Pod certs/controller-manager-7c9d8f6b5c-x7k2p", "kube-rbac-proxy"},
		"a sidecar, of the kubelet":        {map[string]string{"alertname": "A", "job": "kubelet", "namespace": "certs", "pod": "controller-manager-7c9d8f6b5c-x7k2p", "container": "kube-rbac-proxy", "node": "n1"}, "Pod certs/controller-manager-7c9d8f6b5c-x7k2p", "kube-rbac-proxy"},
		"of no exporter":                   {map[string]string{"alertname": "A", "namespace": "shop", "pod": "web-1", "container": "app"}, "Pod shop/web-1", "app"},
		"about the exporter itself":        {map[string]string{"alertname": "A", "namespace": "monitoring", "pod": "ksm-1", "container": "kube-state-metrics", "job": "kubelet"}, "Pod monitoring/ksm-1", "kube-state-metrics"},
	} {
		a := alert{Status: "firing", Labels: tc.labels, StartsAt: at}
		s, err := a.signal("", "prod", at)
		if err != nil || s.Subject.String() != tc.subject || s.Container != tc.container {
			t.Errorf("%s: %s, container %q, %v; want %s, %q", name, s.Subject, s.Container, err, tc.subject, tc.container)
		}
	}
}

// TestTheSameAlertOfTwoClusters, whose Alertmanagers add no label, is two signals.
func TestTheSameAlertOfTwoClusters(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, cluster := range []string{"eu", "us"} {
		list, _, err := decodeAlertmanager(golden(t, "alertmanager.json"), cluster, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if ids[s.ID] {
				t.Errorf("%s of %s is one of the other's", s.Name, cluster)
			}
			ids[s.ID] = true
		}
	}
}

// TestACloudEventIsOfItsOwnCluster: whoever may send to one installation cannot speak for another.
func TestACloudEventIsOfItsOwnCluster(t *testing.T) {
	t.Parallel()
	h := http.Header{"Content-Type": {"application/cloudevents+json"}}
	for data, pointer := range map[string]string{
		`{"subject":{"cluster":"us","group":"apps","kind":"Deployment","namespace":"shop","name":"web"}}`: "/data/subject/cluster",
		`{"subject":{"cluster":"eu","group":"apps","kind":"Deployment","namespace":"shop","name":"web"}}`: "",
		`{"labels":{"cluster":"us","namespace":"shop","deployment":"web"}}`:                               "",
	} {
		list, err := readCloudEvents(h, []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"ContainerOOMKilled","data":`+data+`}`))
		if err != nil {
			t.Fatal(err)
		}
		s, err := list[0].signal("ci", "eu", at)
		no := (*Forbidden)(nil)
		errors.As(err, &no)
		if pointer != "" && (no == nil || no.Pointer != pointer) || pointer == "" && (err != nil || s.Subject.Cluster != "eu") {
			t.Errorf("%s: of %q, %v", data, s.Subject.Cluster, err)
		}
	}
}

// TestTheEndOfACloudEventsAlert names it by its fingerprint alone; it is not that of another cluster's.
func TestTheEndOfACloudEventsAlert(t *testing.T) {
	t.Parallel()
	h := http.Header{"Content-Type": {"application/cloudevents+json"}}
	prints, ids := map[string]string{}, map[string]bool{}
	for _, cluster := range []string{"eu", "us"} {
		for n, data := range []string{`{"fingerprint":"f","subject":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"}}`, `{"fingerprint":"f","status":"resolved"}`} {
			list, err := readCloudEvents(h, fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/ci","type":"ContainerOOMKilled","data":%s}`, n, data))
			if err != nil {
				t.Fatal(err)
			}
			s, err := list[0].signal("ci", cluster, at)
			if err != nil || n == 1 && s.Fingerprint != prints[cluster] || ids[s.ID] {
				t.Errorf("%s, number %d: %+v, %v", cluster, n, s, err)
			}
			prints[cluster], ids[s.ID] = s.Fingerprint, true
		}
	}
	if prints["eu"] == prints["us"] {
		t.Error("two clusters have one alert")
	}
}

// TestSlowStrangersHoldNoSlot: whoever has no key and sends a small body slowly does not keep Flux out.
func TestSlowStrangersHoldNoSlot(t *testing.T) {
	t.Parallel()
	url, _ := start(t, &store{})
	for range maxConcurrent {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "POST /webhooks/flux HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 100)); err != nil { // that it may go on: its body is being read
			t.Fatal(err)
		}
	}
	body := golden(t, "flux.json")
	if r := post(t, url+"/webhooks/flux", body, map[string]string{"X-Signature": sign(key, body)}); r.status != http.StatusAccepted {
		t.Errorf("%+v", r)
	}
}

// TestFluxIsToldToWaitLonger: it tries four times more, and waits as long as it is told instead of ever longer.
func TestFluxIsToldToWaitLonger(t *testing.T) {
	t.Parallel()
	url, _ := start(t, &store{err: fmt.Errorf("away")})
	body := golden(t, "flux.json")
	if r := post(t, url+"/webhooks/flux", body, map[string]string{"X-Signature": sign(key, body)}); r.status != http.StatusServiceUnavailable || r.retry != "30" {
		t.Errorf("%+v", r)
	}
}

// TestWhatNewerAlertmanagersAdd is read the quick way: 0.34 says why it tells, and the labels of the route.
func TestWhatNewerAlertmanagersAdd(t *testing.T) {
	t.Parallel()
	body := strings.Replace(string(golden(t, "alertmanager.json")), `{`, `{"notification_reason":"firing","routeLabels":{"team":"shop"},`, 1)
	if _, _, list, ok := quickGroup([]byte(body)); !ok || len(list) == 0 {
		t.Errorf("%d alerts, %v", len(list), ok)
	}
	if _, err := Alertmanager([]byte(body), "prod", at); err != nil {
		t.Error(err)
	}
}

// TestOneTraceOnTwoWorkloads is two alerts, though all their labels are the same.
func TestOneTraceOnTwoWorkloads(t *testing.T) {
	t.Parallel()
	h := http.Header{"Content-Type": {"application/cloudevents+json"}}
	prints := map[string]string{}
	for _, app := range []string{"cart", "checkout"} {
		data := `{"labels":{"trace_id":"4bf92f3577b34da6"},"subject":{"group":"apps","kind":"Deployment","namespace":"shop","name":"` + app + `"}}`
		list, err := readCloudEvents(h, []byte(`{"specversion":"1.0","id":"`+app+`","source":"/ci","type":"Errors","data":`+data+`}`))
		if err != nil {
			t.Fatal(err)
		}
		event, err := list[0].signal("ci", "eu", at)
		recorded, no := Recorded([]byte(`{"name":"Errors",`+data[1:]), "/signal", "eu", at)
		if err != nil || no != nil {
			t.Fatal(err, no)
		}
		for how, s := range map[string]string{"event": event.Fingerprint, "recorded": recorded.Fingerprint} {
			if of := prints[how+s]; of != "" {
				t.Errorf("%s: %s and %s are one alert", how, of, app)
			}
			prints[how+s] = app
		}
	}
}
