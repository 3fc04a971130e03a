package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// hands of a clock, which only it moves.
type hands struct{ time.Time }

func (c *hands) now() time.Time { return c.Time }

func (c *hands) wait(d time.Duration) { c.Time = c.Add(d) }

func watched(c *hands) *Kubernetes {
	return NewKubernetes(KubernetesOptions{Cluster: "prod", Now: c.now})
}

// tell is what the source has to say now.
func tell(t *testing.T, k *Kubernetes) (list []incident.Signal) {
	t.Helper()
	for {
		n, err := k.flush(t.Context(), func(_ context.Context, s []incident.Signal) (int, error) { list = append(list, s...); return 0, nil })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return list
		}
	}
}

func words(list []incident.Signal) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.Status, s.Name, s.Subject, s.Container)))
	}
	slices.Sort(out)
	return out
}

func says(t *testing.T, k *Kubernetes, want ...string) []incident.Signal {
	t.Helper()
	list := tell(t, k)
	if got := words(list); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Fatalf("told %q, want %q", got, want)
	}
	return list
}

var (
	kPod    = corev1.SchemeGroupVersion.WithKind("Pod")
	kNode   = corev1.SchemeGroupVersion.WithKind("Node")
	kDeploy = appsv1.SchemeGroupVersion.WithKind("Deployment")
	kSet    = appsv1.SchemeGroupVersion.WithKind("StatefulSet")
	kDaemon = appsv1.SchemeGroupVersion.WithKind("DaemonSet")
	kHPA    = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
	kEvent  = eventsv1.SchemeGroupVersion.WithKind("Event")
)

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(at.Add(-time.Hour))}
}

func kpod(states ...corev1.ContainerStatus) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: named("checkout-5d9-abcde")}
	p.Status.Phase, p.Status.ContainerStatuses = corev1.PodRunning, states
	return p
}

func waiting(reason string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
}

func running(since time.Time) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}}
}

func ended(c corev1.ContainerStatus, reason string, when time.Time) corev1.ContainerStatus {
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 137, FinishedAt: metav1.NewTime(when)}
	return c
}

func condition(kind, status, reason string) (appsv1.DeploymentCondition, autoscalingv2.HorizontalPodAutoscalerCondition, corev1.NodeCondition) {
	s, when := corev1.ConditionStatus(status), metav1.NewTime(at)
	return appsv1.DeploymentCondition{Type: appsv1.DeploymentConditionType(kind), Status: s, Reason: reason, LastTransitionTime: when},
		autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.HorizontalPodAutoscalerConditionType(kind), Status: s, Reason: reason, LastTransitionTime: when},
		corev1.NodeCondition{Type: corev1.NodeConditionType(kind), Status: s, Reason: reason, LastTransitionTime: when}
}

func deploymentWith(kind, status, reason string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: named("checkout")}
	c, _, _ := condition(kind, status, reason)
	d.Status.Conditions = append(d.Status.Conditions, c)
	return d
}

func autoscalerWith(kind, status, reason string) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: named("checkout")}
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "checkout"}
	_, c, _ := condition(kind, status, reason)
	h.Status.Conditions = append(h.Status.Conditions, c)
	return h
}

func nodeWith(kind, status string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	_, _, c := condition(kind, status, "Because")
	n.Status.Conditions = append(n.Status.Conditions, c)
	return n
}

func stateful(available int32, rolling bool) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{ObjectMeta: named("db")}
	three := int32(3)
	s.Spec.Replicas, s.Status.AvailableReplicas = &three, available
	if rolling {
		s.Status.UpdateRevision = "db-2"
	}
	return s
}

func warned(reason string, count int32, first, last time.Time) *eventsv1.Event {
	return &eventsv1.Event{ObjectMeta: named("x.17"), Reason: reason, Type: "Warning", EventTime: metav1.NewMicroTime(first), Note: "no",
		Series:    &eventsv1.EventSeries{Count: count, LastObservedTime: metav1.NewMicroTime(last)},
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-1", FieldPath: "spec.containers{app}"}}
}

// TestEveryState: what each rule tells at once, what after waiting, and what when the state is good again.
func TestEveryState(t *testing.T) {
	t.Parallel()
	unscheduled := &corev1.Pod{ObjectMeta: named("web-1")}
	unscheduled.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: "False", Reason: "Unschedulable", LastTransitionTime: metav1.NewTime(at)}}
	evicted := &corev1.Pod{ObjectMeta: named("web-1")}
	evicted.Status.Phase, evicted.Status.Reason, evicted.Status.StartTime = corev1.PodFailed, "Evicted", &metav1.Time{Time: at.Add(-time.Hour)}
	healthy := &corev1.Pod{ObjectMeta: named("web-1")}
	daemons := &appsv1.DaemonSet{ObjectMeta: named("logs")}
	daemons.Status.DesiredNumberScheduled, daemons.Status.UpdatedNumberScheduled = 2, 2
	whole := &appsv1.DaemonSet{ObjectMeta: named("logs")}
	const pod, web, deployment, hpa = "Pod shop/checkout-5d9-abcde app", "Pod shop/web-1", "Deployment shop/checkout", "Deployment shop/checkout"
	for name, tc := range map[string]struct {
		kind      schema.GroupVersionKind
		bad, good metav1.Object
		at, after string // one of them
		wait      time.Duration
	}{
		"back-off":          {kPod, kpod(waiting("CrashLoopBackOff")), kpod(running(at)), "CrashLoopBackOff " + pod, "", 0},
		"image":             {kPod, kpod(waiting("ErrImagePull")), kpod(running(at)), "ImagePullBackOff " + pod, "", 0},
		"no config":         {kPod, kpod(waiting("CreateContainerConfigError")), kpod(running(at)), "CreateContainerConfigError " + pod, "", 0},
		"being made":        {kPod, kpod(waiting("ContainerCreating")), kpod(running(at)), "", "", 0},
		"killed":            {kPod, kpod(ended(running(at), "OOMKilled", at)), kpod(running(at)), "OOMKilled " + pod, "", 0},
		"killed long ago":   {kPod, kpod(ended(running(at.Add(-time.Hour)), "OOMKilled", at.Add(-time.Hour))), kpod(running(at)), "", "", 0},
		"no room":           {kPod, unscheduled, healthy, "", "Unschedulable " + web, time.Minute},
		"evicted":           {kPod, evicted, nil, "Evicted " + web, "", 0},
		"unavailable":       {kDeploy, deploymentWith("Available", "False", "MinimumReplicasUnavailable"), deploymentWith("Available", "True", "MinimumReplicasAvailable"), "", "MinimumReplicasUnavailable " + deployment, time.Minute},
		"stuck":             {kDeploy, deploymentWith("Progressing", "False", "ProgressDeadlineExceeded"), deploymentWith("Progressing", "True", "NewReplicaSetAvailable"), "ProgressDeadlineExceeded " + deployment, "", 0},
		"quota":             {kDeploy, deploymentWith("ReplicaFailure", "True", "FailedCreate"), deploymentWith("Available", "True", ""), "FailedCreate " + deployment, "", 0},
		"pods missing":      {kSet, stateful(1, false), stateful(3, false), "", "ReplicasUnavailable StatefulSet shop/db", time.Minute},
		"a rollout":         {kSet, stateful(2, true), stateful(3, false), "", "", time.Minute},
		"a rollout stuck":   {kSet, stateful(2, true), stateful(3, false), "", "ReplicasUnavailable StatefulSet shop/db", 10 * time.Minute},
		"daemons missing":   {kDaemon, daemons, whole, "", "ReplicasUnavailable DaemonSet shop/logs", time.Minute},
		"node not ready":    {kNode, nodeWith("Ready", "Unknown"), nodeWith("Ready", "True"), "NodeNotReady Node n1", "", 0},
		"node short":        {kNode, nodeWith("MemoryPressure", "True"), nodeWith("MemoryPressure", "False"), "MemoryPressure Node n1", "", 0},
		"at the limit":      {kHPA, autoscalerWith("ScalingLimited", "True", "TooManyReplicas"), autoscalerWith("ScalingLimited", "False", "DesiredWithinRange"), "", "TooManyReplicas " + hpa, time.Minute},
		"at the low limit":  {kHPA, autoscalerWith("ScalingLimited", "True", "TooFewReplicas"), autoscalerWith("ScalingLimited", "False", "DesiredWithinRange"), "", "", time.Minute},
		"no metric":         {kHPA, autoscalerWith("ScalingActive", "False", "FailedGetResourceMetric"), autoscalerWith("ScalingActive", "True", "ValidMetricFound"), "", "FailedGetResourceMetric " + hpa, time.Minute},
		"no reason given":   {kHPA, autoscalerWith("ScalingActive", "False", ""), autoscalerWith("ScalingActive", "True", ""), "", "ScalingActive " + hpa, time.Minute},
		"no name at all":    {kNode, nodeWith("", "True"), nil, "", "", 0},
		"a warning":         {kEvent, warned("FailedCreatePodSandBox", 1, at, at), nil, "FailedCreatePodSandBox " + web + " app", "", 0},
		"a probe, twice":    {kEvent, warned("Unhealthy", 2, at, at), nil, "", "", 0},
		"a probe, thrice":   {kEvent, warned("Unhealthy", 3, at, at), nil, "Unhealthy " + web + " app", "", 0},
		"an old warning":    {kEvent, warned("FailedCreatePodSandBox", 9, at.Add(-time.Hour), at.Add(-time.Hour)), nil, "", "", 0},
		"of no known state": {kDeploy, deploymentWith("Odd", "False", "X"), nil, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &hands{at}
			k := watched(c)
			k.Put(tc.kind, tc.bad)
			want := []string{}
			if tc.at != "" {
				want = append(want, "firing "+tc.at)
			}
			first := says(t, k, want...)
			c.wait(tc.wait)
			if want = nil; tc.after != "" {
				want = append(want, "firing "+tc.after)
			}
			first = append(first, says(t, k, want...)...)
			k.Put(tc.kind, tc.bad)
			says(t, k) // again says nothing new
			if tc.good != nil {
				k.Put(tc.kind, tc.good)
			} else {
				k.Delete(tc.kind, tc.bad.GetNamespace(), tc.bad.GetName())
			}
			c.wait(5 * time.Minute)
			want = nil
			for _, s := range first {
				want = append(want, strings.TrimSpace(fmt.Sprintf("resolved %s %s %s", s.Name, s.Subject, s.Container)))
			}
			last := says(t, k, want...)
			for i, s := range last {
				if s.Fingerprint != first[i].Fingerprint || !s.StartsAt.Equal(first[i].StartsAt) || s.EndsAt.Before(s.StartsAt) || s.ID == first[i].ID {
					t.Errorf("fired %+v, resolved %+v", first[i], s)
				}
			}
			if len(k.states) != 0 || len(k.timed) != 0 {
				t.Errorf("%d objects and %d timers are kept", len(k.states), len(k.timed))
			}
		})
	}
}

// TestACrashLoopIsOneTrouble although it runs in between.
func TestACrashLoopIsOneTrouble(t *testing.T) {
	t.Parallel()
	c := &hands{at}
	k := watched(c)
	for i := range 5 {
		k.Put(kPod, kpod(ended(waiting("CrashLoopBackOff"), "OOMKilled", c.Time)))
		if i == 0 {
			says(t, k, "firing CrashLoopBackOff Pod shop/checkout-5d9-abcde app", "firing OOMKilled Pod shop/checkout-5d9-abcde app")
		}
		c.wait(time.Minute)
		died := c.Time
		k.Put(kPod, kpod(ended(running(c.Time), "OOMKilled", died)))
		c.wait(time.Minute)
		says(t, k)
	}
	runs := c.Time
	k.Put(kPod, kpod(ended(running(runs), "OOMKilled", runs)))
	c.wait(2 * time.Minute)
	for _, s := range says(t, k, "resolved CrashLoopBackOff Pod shop/checkout-5d9-abcde app", "resolved OOMKilled Pod shop/checkout-5d9-abcde app") {
		if !s.StartsAt.Equal(at) || !s.EndsAt.Equal(runs) {
			t.Errorf("%s from %v to %v, want %v to %v", s.Name, s.StartsAt, s.EndsAt, at, runs)
		}
	}
}

// TestANewWatcherGoesOn: what it finds as it was is not told again, what went meanwhile is resolved.
func TestANewWatcherGoesOn(t *testing.T) {
	t.Parallel()
	c := &hands{at}
	k := watched(c)
	stays, goes, hpa := kpod(ended(waiting("CrashLoopBackOff"), "OOMKilled", at)), nodeWith("Ready", "False"), autoscalerWith("ScalingLimited", "True", "TooManyReplicas")
	warn := warned("FailedCreatePodSandBox", 1, at, at.Add(2*time.Minute))
	k.Put(kPod, stays)
	k.Put(kNode, goes)
	k.Put(kHPA, hpa)
	k.Put(kEvent, warn)
	c.wait(2 * time.Minute)
	open := tell(t, k)
	if len(open) != 5 {
		t.Fatalf("told %v", words(open))
	}
	next := watched(c)
	next.Resume(open)
	next.Put(kPod, kpod(ended(waiting("CrashLoopBackOff"), "OOMKilled", at.Add(time.Minute)))) // it crashed again meanwhile
	next.Put(kHPA, hpa)
	next.Put(kEvent, warn)
	next.Put(kDeploy, deploymentWith("Available", "True", "MinimumReplicasAvailable"))
	says(t, next)
	next.Sweep(func(schema.GroupKind, string) bool { return true })
	says(t, next, "resolved NodeNotReady Node n1")
	if next.Firing() != 4 {
		t.Errorf("%d fire", next.Firing())
	}
}

func TestWhatIsNotTakenIsToldAgain(t *testing.T) {
	t.Parallel()
	c := &hands{at}
	k := watched(c)
	k.Put(kNode, nodeWith("Ready", "False"))
	away := errors.New("away")
	if _, err := k.flush(t.Context(), func(context.Context, []incident.Signal) (int, error) { return 0, away }); !errors.Is(err, away) {
		t.Fatal(err)
	}
	fired := says(t, k, "firing NodeNotReady Node n1")
	var calls int
	k.Put(kNode, nodeWith("Ready", "True"))
	_, err := k.flush(t.Context(), func(_ context.Context, s []incident.Signal) (int, error) {
		calls++
		k.Put(kNode, nodeWith("Ready", "False")) // while it is being published
		return 0, nil
	})
	if err != nil || calls != 1 {
		t.Fatal(err, calls)
	}
	if again := says(t, k, "firing NodeNotReady Node n1"); again[0].Fingerprint != fired[0].Fingerprint {
		t.Errorf("%+v", again)
	}
}
