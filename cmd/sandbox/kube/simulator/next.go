package simulator

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

// How long a container stays in a state. A kubelet's back-off grows from 10 s to 5 min; here it stays short.
const (
	startTime   = 500 * time.Millisecond
	fillTime    = 2 * time.Second // until a program that does not fit has filled its memory
	restartTime = 300 * time.Millisecond
	backOff     = 2 * time.Second
)

const (
	reasonCreating = "ContainerCreating"
	reasonBackOff  = "CrashLoopBackOff"
	reasonPull     = "ImagePullBackOff"
	reasonOOM      = "OOMKilled"

	oomExit = 137 // 128 + SIGKILL
)

// state names what a container is in, so that the time spent in it can be measured. It changes with every
// transition, also with one back to where it was before.
func state(cs corev1.ContainerStatus) string {
	at := "none"
	switch {
	case cs.State.Running != nil:
		at = "running"
	case cs.State.Terminated != nil:
		at = "terminated"
	case cs.State.Waiting != nil:
		at = cs.State.Waiting.Reason
	}
	return fmt.Sprintf("%s/%d", at, cs.RestartCount)
}

// next is what becomes of a container that is in its state since elapsed: its new status, or the same one and how
// long to wait.
func next(pod *corev1.Pod, i int, cs corev1.ContainerStatus, elapsed time.Duration, now time.Time) (corev1.ContainerStatus, time.Duration) {
	c := pod.Spec.Containers[i]
	var p model.Program
	if i == 0 {
		p = model.Of(pod.Annotations, pod.Spec.Containers)
	}
	w := cs.State.Waiting
	switch {
	case cs.State.Running != nil && p.Fits(model.MemoryLimit(c)):
		return cs, 0
	case cs.State.Running != nil:
		return after(elapsed, fillTime, cs, func() corev1.ContainerStatus { return kill(cs, now) })
	case cs.State.Terminated != nil && cs.RestartCount == 0: // a kubelet's first restart is at once
		return after(elapsed, restartTime, cs, func() corev1.ContainerStatus { return restart(cs, now) })
	case cs.State.Terminated != nil:
		return after(elapsed, restartTime, cs, func() corev1.ContainerStatus { return wait(cs) })
	case w != nil && w.Reason == reasonBackOff:
		return after(elapsed, backOff, cs, func() corev1.ContainerStatus { return restart(cs, now) })
	case w != nil && (w.Reason == reasonCreating || w.Reason == reasonPull) && !model.Pullable(c.Image):
		return pull(cs, c.Image), 0
	case w != nil && (w.Reason == reasonCreating || w.Reason == reasonPull):
		return after(elapsed, startTime, cs, func() corev1.ContainerStatus { return run(cs, c.Image, now) })
	default:
		return corev1.ContainerStatus{
			Name: c.Name, Image: c.Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reasonCreating}},
		}, 0
	}
}

func after(elapsed, due time.Duration, cs corev1.ContainerStatus, then func() corev1.ContainerStatus) (corev1.ContainerStatus, time.Duration) {
	if elapsed < due {
		return cs, due - elapsed
	}
	return then(), 0
}

func run(cs corev1.ContainerStatus, image string, now time.Time) corev1.ContainerStatus {
	started := true
	cs.Image, cs.ImageID = image, "sandbox://"+image
	cs.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now)}}
	cs.Ready, cs.Started = true, &started
	cs.ContainerID = fmt.Sprintf("sandbox://%s-%d", cs.Name, cs.RestartCount)
	return cs
}

func kill(cs corev1.ContainerStatus, now time.Time) corev1.ContainerStatus {
	cs.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: oomExit, Reason: reasonOOM, StartedAt: cs.State.Running.StartedAt, FinishedAt: metav1.NewTime(now), ContainerID: cs.ContainerID,
	}}
	return stopped(cs)
}

func wait(cs corev1.ContainerStatus) corev1.ContainerStatus {
	cs.LastTerminationState = cs.State
	cs.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: reasonBackOff, Message: "back-off " + backOff.String() + " restarting failed container " + cs.Name,
	}}
	return stopped(cs)
}

func restart(cs corev1.ContainerStatus, now time.Time) corev1.ContainerStatus {
	if cs.State.Terminated != nil {
		cs.LastTerminationState = cs.State
	}
	cs.RestartCount++
	return run(cs, cs.Image, now)
}

func pull(cs corev1.ContainerStatus, image string) corev1.ContainerStatus {
	cs.Image = image
	cs.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: reasonPull, Message: fmt.Sprintf("Back-off pulling image %q: not found", image),
	}}
	return stopped(cs)
}

func stopped(cs corev1.ContainerStatus) corev1.ContainerStatus {
	started := false
	cs.Ready, cs.Started = false, &started
	return cs
}

// end is the status of a pod whose containers were asked to stop, and did.
func end(pod *corev1.Pod, now time.Time) corev1.PodStatus {
	st := *pod.Status.DeepCopy()
	for i, cs := range st.ContainerStatuses {
		if r := cs.State.Running; r != nil {
			cs.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: r.StartedAt, FinishedAt: metav1.NewTime(now), ContainerID: cs.ContainerID,
			}}
		}
		st.ContainerStatuses[i] = stopped(cs)
	}
	summarize(&st, len(pod.Spec.Containers), now)
	return st
}

// summarize derives phase and conditions from the containers' statuses.
func summarize(st *corev1.PodStatus, containers int, now time.Time) {
	ready, began := 0, false
	var not []string
	for _, cs := range st.ContainerStatuses {
		if cs.Ready {
			ready++
		} else {
			not = append(not, cs.Name)
		}
		w := cs.State.Waiting
		began = began || w == nil || w.Reason == reasonBackOff
	}
	if st.Phase = corev1.PodPending; began {
		st.Phase = corev1.PodRunning
	}
	yes := func(t corev1.PodConditionType) { condition(st, t, corev1.ConditionTrue, "", "", now) }
	yes(corev1.PodReadyToStartContainers)
	yes(corev1.PodInitialized)
	yes(corev1.PodScheduled)
	if ready == containers {
		yes(corev1.ContainersReady)
		yes(corev1.PodReady)
		return
	}
	why := fmt.Sprintf("containers with unready status: [%s]", strings.Join(not, " "))
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		condition(st, t, corev1.ConditionFalse, "ContainersNotReady", why, now)
	}
}

func condition(st *corev1.PodStatus, t corev1.PodConditionType, v corev1.ConditionStatus, reason, message string, now time.Time) {
	for i := range st.Conditions {
		c := &st.Conditions[i]
		if c.Type != t {
			continue
		}
		if c.Status != v {
			c.LastTransitionTime = metav1.NewTime(now)
		}
		c.Status, c.Reason, c.Message = v, reason, message
		return
	}
	st.Conditions = append(st.Conditions, corev1.PodCondition{
		Type: t, Status: v, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(now),
	})
}

// address is derived from the pod's identity: it stays the same, and no packet ever goes there.
func address(pod *corev1.Pod) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(pod.UID))
	n := h.Sum32()
	return fmt.Sprintf("10.244.%d.%d", n>>8&0xff, n&0xff)
}
