// Package simulator stands in for the scheduler, the nodes and the kubelets of the sandbox. Nothing is run: it writes
// the statuses that pods would have, in the order and the words of a kubelet, so that everything above them (rollouts,
// endpoints, metrics, alerts) is real. A pod is bound to the one node, whatever it asks for, and is Ready half a second
// later. Its fate is read from its spec: a first container whose memory limit is below the working set that its
// annotation names is OOM-killed again and again, and an image whose tag starts with "missing" is never pulled. It knows
// no probes, init containers, volumes, ports, resources of the node, or pods that end by themselves.
package simulator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Node is the name of the only one.
const Node = "sandbox"

// resync looks at every pod again, in case a write was lost on the way.
const resync = 30 * time.Second

type simulator struct {
	client kubernetes.Interface
	pods   listers.PodLister
	queue  workqueue.TypedRateLimitingInterface[cache.ObjectName]
	lg     *slog.Logger

	mu    sync.Mutex
	since map[types.UID]map[string]entry // by container
}

// entry says since when a container is in a state. It is forgotten at a restart of the simulator, and the time in the
// state begins anew.
type entry struct {
	state string
	at    time.Time
}

// Run simulates until ctx ends.
func Run(ctx context.Context, rc *rest.Config, lg *slog.Logger) error {
	client, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make the simulator's client: %w", err)
	}
	if err := addNode(ctx, client); err != nil {
		return err
	}
	f := informers.NewSharedInformerFactory(client, resync)
	pods := f.Core().V1().Pods()
	s := &simulator{
		client: client, pods: pods.Lister(), lg: lg, since: map[types.UID]map[string]entry{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](20*time.Millisecond, time.Second)),
	}
	enqueue := func(obj any) {
		if name, err := cache.DeletionHandlingObjectToName(obj); err == nil {
			s.queue.Add(name)
		}
	}
	_, err = pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, obj any) { enqueue(obj) }, DeleteFunc: func(obj any) { enqueue(obj); s.forget(obj) },
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	f.Start(ctx.Done())
	f.WaitForCacheSync(ctx.Done())
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for s.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	s.queue.ShutDown()
	running.Wait()
	f.Shutdown()
	return nil
}

func addNode(ctx context.Context, client kubernetes.Interface) error {
	amount := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("500"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: Node, Labels: map[string]string{"kubernetes.io/hostname": Node, "kubernetes.io/os": "linux"},
			Annotations: map[string]string{"sandbox.cortexops.io/simulated": "true"},
		},
		Status: corev1.NodeStatus{
			Capacity: amount, Allocatable: amount,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Simulated",
				Message: "no kubelet: the sandbox writes the statuses of its pods",
			}},
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "simulated"},
		},
	}
	_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("add the simulated node: %w", err)
	}
	return nil
}

func (s *simulator) forget(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, pod.UID)
}

// work handles one pod and reports whether there can be more.
func (s *simulator) work(ctx context.Context) bool {
	name, closed := s.queue.Get()
	if closed {
		return false
	}
	defer s.queue.Done(name)
	again, err := s.reconcile(ctx, name)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.queue.Forget(name)
		if again > 0 {
			s.queue.AddAfter(name, again)
		}
	default:
		// A conflict is only an older view of the pod: the newer one is on its way.
		if !apierrors.IsConflict(err) {
			s.lg.WarnContext(ctx, "could not move a pod on, trying again", "pod", name.String(), "error", err)
		}
		s.queue.AddRateLimited(name)
	}
	return true
}

// reconcile takes the pod one step on, if it is due, and says when to look again. Doing it twice does nothing.
func (s *simulator) reconcile(ctx context.Context, name cache.ObjectName) (time.Duration, error) {
	pod, err := s.pods.Pods(name.Namespace).Get(name.Name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	now := time.Now()
	switch {
	case pod.DeletionTimestamp != nil:
		return 0, s.remove(ctx, pod, now)
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return 0, nil
	case pod.Spec.NodeName == "":
		return 0, s.bind(ctx, pod)
	case pod.Spec.NodeName != Node:
		return 0, nil
	}
	st, again := s.step(pod, now)
	return again, s.write(ctx, pod, st)
}

// step computes the pod's next status, and when the one after it is due.
func (s *simulator) step(pod *corev1.Pod, now time.Time) (corev1.PodStatus, time.Duration) {
	st := *pod.Status.DeepCopy()
	if st.StartTime == nil {
		t := metav1.NewTime(now)
		st.StartTime = &t
		st.PodIP, st.HostIP = address(pod), "127.0.0.1"
		st.PodIPs, st.HostIPs = []corev1.PodIP{{IP: st.PodIP}}, []corev1.HostIP{{IP: st.HostIP}}
	}
	var again time.Duration
	statuses := make([]corev1.ContainerStatus, len(pod.Spec.Containers))
	for i, c := range pod.Spec.Containers {
		var cs corev1.ContainerStatus
		if at := slices.IndexFunc(st.ContainerStatuses, func(cs corev1.ContainerStatus) bool { return cs.Name == c.Name }); at >= 0 {
			cs = st.ContainerStatuses[at]
		}
		var due time.Duration
		statuses[i], due = next(pod, i, cs, s.elapsed(pod.UID, c.Name, state(cs), now), now)
		if due > 0 && (again == 0 || due < again) {
			again = due
		}
	}
	st.ContainerStatuses = statuses
	summarize(&st, len(pod.Spec.Containers), now)
	return st, again
}

func (s *simulator) elapsed(uid types.UID, container, state string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since[uid] == nil {
		s.since[uid] = map[string]entry{}
	}
	e := s.since[uid][container]
	if e.state != state {
		e = entry{state, now}
		s.since[uid][container] = e
	}
	return now.Sub(e.at)
}

func (s *simulator) bind(ctx context.Context, pod *corev1.Pod) error {
	return s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: Node},
	}, metav1.CreateOptions{})
}

func (s *simulator) write(ctx context.Context, pod *corev1.Pod, st corev1.PodStatus) error {
	if equality.Semantic.DeepEqual(pod.Status, st) {
		return nil
	}
	changed := pod.DeepCopy()
	changed.Status = st
	_, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// remove ends the containers first, so that endpoints see the pod unready, and then the pod.
func (s *simulator) remove(ctx context.Context, pod *corev1.Pod, now time.Time) error {
	if pod.Spec.NodeName == Node {
		if err := s.write(ctx, pod, end(pod, now)); err != nil {
			return err
		}
	}
	var none int64
	err := s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &none, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
