package intake

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// What is a trouble, and since when:
//
//	container   waits for any reason but to be made (CrashLoopBackOff, ImagePullBackOff, …), or has ended with any reason but
//	            Completed (OOMKilled, Error, …): since that end, else since the pod is not ready. Over when it has run for Steady.
//	pod         cannot be scheduled for Patient; or has failed with a reason (Evicted)
//	finished    what a pod that runs no more has failed or ended with is over when it is gone, or has lain about for an hour
//	Deployment  Available is False for Patient; Progressing is False; ReplicaFailure is True: since the condition is so
//	StatefulSet, DaemonSet   pods are missing for Patient, or for ten times that while a rollout is under way
//	Node        Ready is not True; another that ends in Ready, such as KernelReady, is False; any other is True: since it is so
//	HPA         wants more replicas than it may (TooManyReplicas) for Patient; cannot scale or has no metric: of its target
//	Event       a Warning; one that a healthy cluster also has, from the third time on. Over when none has come for Quiet.
const (
	critical = "critical"
	warning  = "warning"

	eventKind = "Event"
)

// look says which object's state it is, and what is wrong with it; false where there is nothing to say of its kind.
func (k *Kubernetes) look(kind schema.GroupVersionKind, o metav1.Object, now time.Time) (holder, finding, bool) {
	h := holder{kind.GroupKind(), o.GetNamespace(), o.GetName()}
	self := incident.Resource{Cluster: k.Cluster, Group: kind.Group, Version: kind.Version, Kind: kind.Kind, Namespace: h.namespace, Name: h.name}
	f := finding{calm: map[string]time.Time{}, cleared: map[string]time.Time{}}
	if o.GetDeletionTimestamp() != nil {
		return h, f, kind.Kind != eventKind
	}
	switch v := o.(type) {
	case *corev1.Pod:
		k.pod(&f, self, v)
	case *corev1.Node:
		node(&f, self, v)
	case *appsv1.Deployment:
		k.deployment(&f, self, v)
	case *appsv1.StatefulSet:
		if v.Spec.Replicas != nil && v.Status.ObservedGeneration == v.Generation {
			k.missing(&f, self, *v.Spec.Replicas, v.Status.AvailableReplicas, v.Status.CurrentRevision != v.Status.UpdateRevision)
		}
	case *appsv1.DaemonSet:
		if v.Status.ObservedGeneration == v.Generation {
			k.missing(&f, self, v.Status.DesiredNumberScheduled, v.Status.NumberAvailable, v.Status.UpdatedNumberScheduled < v.Status.DesiredNumberScheduled)
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		k.autoscaler(&f, self, v)
	case *eventsv1.Event:
		return k.event(&f, v, now)
	default:
		return h, f, false
	}
	return h, f, true
}

// add a trouble. One without a name could not be told from others.
func (f *finding) add(t trouble) {
	if t.name != "" {
		f.troubles = append(f.troubles, t)
	}
}

func (k *Kubernetes) pod(f *finding, self incident.Resource, p *corev1.Pod) {
	unready, failed := p.CreationTimestamp.Time, time.Time{}
	if p.Status.StartTime == nil { // it was refused at once
		failed = unready
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodReady && c.Status != corev1.ConditionTrue:
			unready, failed = c.LastTransitionTime.Time, c.LastTransitionTime.Time
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable:
			f.add(trouble{name: c.Reason, severity: warning, subject: self, message: c.Message, since: c.LastTransitionTime.Time, wait: k.Patient})
		}
	}
	finished := p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
	if finished {
		for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
			for _, c := range list {
				f.calm[c.Name] = unready
			}
		}
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if !finished {
				k.container(f, self, c, unready)
			} else if e := c.State.Terminated; e != nil {
				f.calm[c.Name] = e.FinishedAt.Time
				f.ended(trouble{severity: critical, subject: self, container: c.Name, calm: e.FinishedAt.Time, keep: lying}, e)
			}
		}
	}
	if p.Status.Phase == corev1.PodFailed && p.Status.Reason != "" {
		f.add(trouble{name: p.Status.Reason, severity: warning, subject: self, message: p.Status.Message, since: unready, calm: failed, keep: lying})
	}
}

// lying is how long it counts what a pod has ended with that lies about: nobody may ever take it away.
const lying = time.Hour

// ended adds t where a container has ended badly, and reports that.
func (f *finding) ended(t trouble, e *corev1.ContainerStateTerminated) bool {
	if e.Reason == "" || e.Reason == "Completed" {
		return false
	}
	t.name, t.since, t.message = e.Reason, e.FinishedAt.Time, fmt.Sprintf("exit code %d", e.ExitCode)
	if e.Message != "" {
		t.message += ": " + e.Message
	}
	f.add(t)
	return true
}

func (k *Kubernetes) container(f *finding, self incident.Resource, c corev1.ContainerStatus, unready time.Time) {
	ended := c.State.Terminated
	if ended == nil {
		ended = c.LastTerminationState.Terminated
	}
	t := trouble{severity: critical, subject: self, container: c.Name}
	if r := c.State.Running; r != nil {
		f.calm[c.Name] = r.StartedAt.Time
		t.calm, t.keep = r.StartedAt.Time, k.Steady
	}
	if ended != nil && !f.ended(t, ended) && c.State.Terminated != nil {
		f.calm[c.Name] = ended.FinishedAt.Time
	}
	w := c.State.Waiting
	if w == nil || w.Reason == "" || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" {
		return
	}
	t.name, t.message, t.since = w.Reason, w.Message, unready
	if t.name == "ErrImagePull" { // they take turns
		t.name = "ImagePullBackOff"
	}
	if ended != nil {
		t.since = ended.FinishedAt.Time
	}
	f.add(t)
}

// condition is a trouble while its status is bad.
func (f *finding) condition(t trouble, bad bool, since metav1.Time) {
	if bad {
		t.since = since.Time
		f.add(t)
		return
	}
	f.cleared[t.name] = since.Time
}

func node(f *finding, self incident.Resource, n *corev1.Node) {
	for _, c := range n.Status.Conditions {
		t := trouble{name: string(c.Type), severity: warning, subject: self, message: strings.TrimSpace(c.Reason + ": " + c.Message)}
		bad := c.Status == corev1.ConditionTrue
		switch name, good := strings.CutSuffix(t.name, "Ready"); {
		case c.Type == corev1.NodeReady:
			t.name, t.severity, bad = "NodeNotReady", critical, c.Status != corev1.ConditionTrue
		case good: // such as KernelReady, of the agents of EKS and others
			t.name, bad = name+"NotReady", c.Status == corev1.ConditionFalse
		}
		f.condition(t, bad, c.LastTransitionTime)
	}
}

func (k *Kubernetes) deployment(f *finding, self incident.Resource, d *appsv1.Deployment) {
	for _, c := range d.Status.Conditions {
		t := trouble{severity: critical, subject: self, message: c.Message}
		switch c.Type {
		case appsv1.DeploymentAvailable:
			t.name, t.wait = "MinimumReplicasUnavailable", k.Patient
			f.condition(t, c.Status == corev1.ConditionFalse, c.LastTransitionTime)
		case appsv1.DeploymentProgressing:
			t.name = "ProgressDeadlineExceeded"
			f.condition(t, c.Status == corev1.ConditionFalse, c.LastTransitionTime)
		case appsv1.DeploymentReplicaFailure:
			t.name = "FailedCreate"
			f.condition(t, c.Status == corev1.ConditionTrue, c.LastTransitionTime)
		}
	}
}

func (k *Kubernetes) missing(f *finding, self incident.Resource, wanted, available int32, rolling bool) {
	if available >= wanted {
		return
	}
	t := trouble{name: "ReplicasUnavailable", severity: warning, subject: self, message: fmt.Sprintf("%d of %d pods are available", available, wanted), wait: k.Patient}
	if available == 0 {
		t.severity = critical
	}
	if rolling {
		t.wait *= 10
	}
	f.add(t)
}

func (k *Kubernetes) autoscaler(f *finding, self incident.Resource, h *autoscalingv2.HorizontalPodAutoscaler) {
	to := h.Spec.ScaleTargetRef
	if gv, err := schema.ParseGroupVersion(to.APIVersion); err == nil {
		self.Group, self.Version, self.Kind, self.Name = gv.Group, gv.Version, to.Kind, to.Name
	}
	for _, c := range h.Status.Conditions {
		t := trouble{name: cmp.Or(c.Reason, string(c.Type)), severity: warning, subject: self, message: "HorizontalPodAutoscaler " + h.Name + ": " + c.Message, wait: k.Patient}
		switch c.Type {
		case autoscalingv2.ScalingLimited:
			since := c.LastTransitionTime // of True, which TooFewReplicas is, too
			if last := h.Status.LastScaleTime; last != nil && last.After(since.Time) {
				since = *last
			}
			f.condition(t, c.Status == corev1.ConditionTrue && c.Reason == "TooManyReplicas", since)
		case autoscalingv2.AbleToScale, autoscalingv2.ScalingActive:
			f.condition(t, c.Status == corev1.ConditionFalse && c.Reason != "ScalingDisabled", c.LastTransitionTime)
		}
	}
}

// often are Warnings that a healthy cluster has too, such as of a probe while a program starts.
var often = map[string]bool{"Unhealthy": true, "FailedScheduling": true, "FailedMount": true, "FailedAttachVolume": true, "FailedToUpdateEndpoint": true,
	"FailedToUpdateEndpointSlices": true, "FailedGetResourceMetric": true, "FailedComputeMetricsReplicas": true, "DNSConfigForming": true, "BackOff": true}

// event holds its state by what it is about: Kubernetes makes a new Event of the same thing when the former has expired.
func (k *Kubernetes) event(f *finding, e *eventsv1.Event, now time.Time) (holder, finding, bool) {
	on := e.Regarding
	gv, err := schema.ParseGroupVersion(on.APIVersion)
	if err != nil || on.Kind == "" || on.Name == "" || e.Reason == "" || e.Type != corev1.EventTypeWarning {
		return holder{}, *f, false
	}
	first, last, count := e.EventTime.Time, e.EventTime.Time, e.DeprecatedCount
	if first.IsZero() {
		first, last = e.DeprecatedFirstTimestamp.Time, e.DeprecatedLastTimestamp.Time
	}
	if e.Series != nil {
		last, count = e.Series.LastObservedTime.Time, e.Series.Count
	}
	if first.IsZero() || last.IsZero() || now.Sub(last) >= k.Quiet || often[e.Reason] && count < 3 {
		return holder{}, *f, false
	}
	container := ""
	if _, rest, ok := strings.Cut(on.FieldPath, "ontainers{"); ok { // spec.containers{app}, spec.initContainers{setup}
		container = strings.TrimSuffix(rest, "}")
	}
	subject := incident.Resource{Cluster: k.Cluster, Group: gv.Group, Version: gv.Version, Kind: on.Kind, Namespace: on.Namespace, Name: on.Name}
	f.add(trouble{name: e.Reason, severity: warning, subject: subject, container: container, message: e.Note, since: first, calm: last, keep: k.Quiet})
	h := holder{schema.GroupKind{Group: eventsv1.GroupName, Kind: eventKind}, on.Namespace, strings.Join([]string{gv.Group, on.Kind, on.Name, e.Reason, container}, "/")}
	return h, *f, true
}
