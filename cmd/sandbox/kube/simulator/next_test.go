package simulator

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

func pod(image, limit string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "shop", UID: types.UID("uid"), Annotations: map[string]string{model.WorkingSet: "300Mi"}},
		Spec: corev1.PodSpec{NodeName: Node, Containers: []corev1.Container{{
			Name: "app", Image: image, Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}},
		}}},
	}
}

// say puts the parts of a status that matter into words.
func say(cs corev1.ContainerStatus, phase corev1.PodPhase) string {
	s := "?"
	switch {
	case cs.State.Running != nil:
		s = "running"
	case cs.State.Terminated != nil:
		s = fmt.Sprintf("%s/%d", cs.State.Terminated.Reason, cs.State.Terminated.ExitCode)
	case cs.State.Waiting != nil:
		s = cs.State.Waiting.Reason
	}
	last := "-"
	if t := cs.LastTerminationState.Terminated; t != nil {
		last = t.Reason
	}
	return fmt.Sprintf("%s %s ready=%t restarts=%d last=%s", phase, s, cs.Ready, cs.RestartCount, last)
}

// live moves a pod through its life, in steps of 100 ms of pretended time, and lists what it became and when.
func live(p *corev1.Pod, whole time.Duration) (seen []string) {
	s := &simulator{since: map[types.UID]map[string]entry{}}
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for t := time.Duration(0); t <= whole; t += 100 * time.Millisecond {
		st, _ := s.step(p, begin.Add(t))
		p.Status = st
		line := say(st.ContainerStatuses[0], st.Phase)
		if len(seen) == 0 || seen[len(seen)-1] != line {
			seen = append(seen, line)
		}
	}
	return seen
}

func TestLives(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"it fits": {pod("web:1", "512Mi"), []string{
			"Pending ContainerCreating ready=false restarts=0 last=-",
			"Running running ready=true restarts=0 last=-",
		}},
		"it does not fit": {pod("web:1", "256Mi"), []string{
			"Pending ContainerCreating ready=false restarts=0 last=-",
			"Running running ready=true restarts=0 last=-",
			"Running OOMKilled/137 ready=false restarts=0 last=-",
			"Running running ready=true restarts=1 last=OOMKilled",
			"Running OOMKilled/137 ready=false restarts=1 last=OOMKilled",
			"Running CrashLoopBackOff ready=false restarts=1 last=OOMKilled",
			"Running running ready=true restarts=2 last=OOMKilled",
			"Running OOMKilled/137 ready=false restarts=2 last=OOMKilled",
		}},
		"no such image": {pod("web:missing-2", "512Mi"), []string{
			"Pending ContainerCreating ready=false restarts=0 last=-",
			"Pending ImagePullBackOff ready=false restarts=0 last=-",
		}},
	} {
		got := live(tc.pod, 10*time.Second+100*time.Millisecond)
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, tc.want)
		}
	}
}

func TestStepTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	s, p, now := &simulator{since: map[types.UID]map[string]entry{}}, pod("web:1", "256Mi"), time.Now()
	p.Status, _ = s.step(p, now)
	once, again := s.step(p, now)
	p.Status = once
	twice, _ := s.step(p, now)
	if fmt.Sprint(once) != fmt.Sprint(twice) || again != startTime {
		t.Errorf("%v, then %v; due in %s, want %s", once, twice, again, startTime)
	}
}

func TestConditionsFollow(t *testing.T) {
	t.Parallel()
	p := pod("web:1", "512Mi")
	live(p, time.Second)
	ready := func(st corev1.PodStatus) corev1.ConditionStatus {
		for _, c := range st.Conditions {
			if c.Type == corev1.PodReady {
				return c.Status
			}
		}
		return "?"
	}
	if ready(p.Status) != corev1.ConditionTrue {
		t.Errorf("a running pod: %+v", p.Status.Conditions)
	}
	gone := end(p, time.Now())
	if ready(gone) != corev1.ConditionFalse || gone.ContainerStatuses[0].State.Terminated == nil {
		t.Errorf("an ended pod: %+v", gone)
	}
	if p.Status.PodIP == "" || p.Status.StartTime == nil {
		t.Error("a pod has an address and a start")
	}
}
