package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// told waits for so many signals of the source.
func told(t *testing.T, source *intake.Kubernetes, n int) (list []incident.Signal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := source.Run(ctx, func(_ context.Context, some []incident.Signal) (int, error) {
		if list = append(list, some...); len(list) >= n {
			cancel()
		}
		return 0, nil
	})
	if err != nil || len(list) != n {
		t.Fatalf("told %d signals, want %d: %v", len(list), n, err)
	}
	return list
}

// TestTheNextWatchTakesUpWhatWasFolded: of many troubles of one workload most go through the first stage without their text. What
// went while nobody watched is resolved all the same.
func TestTheNextWatchTakesUpWhatWasFolded(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC)
	source := func() *intake.Kubernetes {
		return intake.NewKubernetes(intake.KubernetesOptions{Cluster: "prod", Now: func() time.Time { return at }})
	}
	const pods = 6
	first := source()
	for i := range pods {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("checkout-5d9-abcd%d", i)}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		first.Put(corev1.SchemeGroupVersion.WithKind("Pod"), p)
		first.Put(eventsv1.SchemeGroupVersion.WithKind("Event"), &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: p.Name + ".1"},
			Reason: "FailedCreatePodSandBox", Type: corev1.EventTypeWarning, EventTime: metav1.NewMicroTime(at), // of another object than what it is about
			Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: p.Name}})
	}
	fired := told(t, first, 2*pods)

	graph := topology.NewGraph()
	joiner := correlate.NewJoiner(correlate.JoinerOptions{Graph: graph, Apply: graph.Apply})
	folded := 0
	for _, s := range correlate.NewDedupe().Fold(fired).Signals {
		if s.Annotations == nil && s.Labels["reason"] == "" {
			folded++
		}
		joiner.Add(s)
	}
	if folded == 0 {
		t.Fatal("every signal has its text: nothing is tested")
	}
	var open []incident.Signal
	for _, r := range joiner.Finish() {
		open = append(open, r.Signals...)
	}

	next := source()
	next.Resume(open)
	next.Sweep(func(schema.GroupKind, string) bool { return true })
	over := told(t, next, len(fired))
	for _, s := range fired {
		if !slices.ContainsFunc(over, func(o incident.Signal) bool {
			return o.Status == incident.Resolved && o.Fingerprint == s.Fingerprint && o.StartsAt.Equal(s.StartsAt) && o.Subject == s.Subject
		}) {
			t.Errorf("%s of %s is never resolved", s.Name, s.Subject)
		}
	}
}
