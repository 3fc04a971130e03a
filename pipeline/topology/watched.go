package topology

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// byController indexes objects by what controls them: namespace/Kind/name.
const byController = "controller"

func (t *Topology) newScope(source func(kind string) cache.ListerWatcher) (*scope, error) {
	informer := func(kind string, object runtime.Object) (cache.SharedIndexInformer, error) {
		i := cache.NewSharedIndexInformer(source(kind), object, 0, cache.Indexers{
			cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
			byController:         controllerIndex,
		})
		if err := i.SetTransform(slim); err != nil {
			return nil, err
		}
		if err := i.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			t.report(ctx, kind, err)
		}); err != nil {
			return nil, err
		}
		_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: t.remember})
		return i, err
	}
	s := &scope{}
	var err error
	for _, k := range []struct {
		kind   string
		object runtime.Object
		into   *cache.SharedIndexInformer
	}{
		{"pods", &corev1.Pod{}, &s.pods}, {"replicasets", &appsv1.ReplicaSet{}, &s.replicaSets},
		{"deployments", &appsv1.Deployment{}, &s.deployments}, {"services", &corev1.Service{}, &s.services},
	} {
		if *k.into, err = informer(k.kind, k.object); err != nil {
			return nil, fmt.Errorf("prepare the watch of %s: %w", k.kind, err)
		}
	}
	return s, nil
}

// slim keeps the few fields that this room reads: a cluster has many pods and they are large.
func slim(o any) (any, error) {
	meta := func(m metav1.ObjectMeta) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion,
			Labels: m.Labels, OwnerReferences: m.OwnerReferences}
	}
	switch v := o.(type) {
	case *corev1.Pod:
		return &corev1.Pod{ObjectMeta: meta(v.ObjectMeta), Status: corev1.PodStatus{Phase: v.Status.Phase}}, nil
	case *appsv1.ReplicaSet:
		return &appsv1.ReplicaSet{ObjectMeta: meta(v.ObjectMeta)}, nil
	case *appsv1.Deployment:
		d := &appsv1.Deployment{ObjectMeta: meta(v.ObjectMeta)}
		d.Spec.Template.Labels = v.Spec.Template.Labels
		return d, nil
	case *corev1.Service:
		return &corev1.Service{ObjectMeta: meta(v.ObjectMeta), Spec: corev1.ServiceSpec{Selector: v.Spec.Selector}}, nil
	}
	return o, nil
}

func controllerIndex(o any) ([]string, error) {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil, nil
	}
	if c := metav1.GetControllerOf(m); c != nil {
		return []string{m.GetNamespace() + "/" + c.Kind + "/" + c.Name}, nil
	}
	return nil, nil
}

// remember what controlled a deleted object: its alerts outlive it.
func (t *Topology) remember(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	switch v := o.(type) {
	case *corev1.Pod:
		t.gone.put("Pod/"+v.Namespace+"/"+v.Name, metav1.GetControllerOf(v))
	case *appsv1.ReplicaSet:
		t.gone.put("ReplicaSet/"+v.Namespace+"/"+v.Name, metav1.GetControllerOf(v))
	}
}

func (t *Topology) scope(namespace string) *scope {
	if s := t.scopes[namespace]; s != nil {
		return s
	}
	return t.scopes[metav1.NamespaceAll]
}

// Owner is the workload that runs r: the Deployment of a pod or ReplicaSet, the StatefulSet, DaemonSet or Job of a pod,
// and the Deployment itself or a pod that nothing controls. Pods and ReplicaSets that are gone are still known for a
// while. It is false for what is not known.
func (t *Topology) Owner(r incident.Resource) (incident.Resource, bool) {
	s := t.scope(r.Namespace)
	if r.Cluster != t.cluster || s == nil {
		return incident.Resource{}, false
	}
	switch {
	case r.Kind == "Pod" && r.Group == "":
		return t.ownerOfPod(s, r)
	case r.Kind == "ReplicaSet" && r.Group == "apps":
		return t.ownerOfReplicaSet(s, r)
	case r.Kind == "Deployment" && r.Group == "apps":
		_, ok, _ := s.deployments.GetStore().GetByKey(r.Namespace + "/" + r.Name)
		if ok {
			return t.deployment(r.Namespace, r.Name), true
		}
	}
	return incident.Resource{}, false
}

func (t *Topology) ownerOfPod(s *scope, r incident.Resource) (incident.Resource, bool) {
	c, known := controller(t, s.pods, r)
	if !known {
		return t.guess(s, r)
	}
	if c == nil {
		r.Version = "v1"
		return r, true
	}
	gv, err := schema.ParseGroupVersion(c.APIVersion)
	if err != nil {
		return incident.Resource{}, false
	}
	up := incident.Resource{Cluster: t.cluster, Group: gv.Group, Version: gv.Version, Kind: c.Kind, Namespace: r.Namespace, Name: c.Name}
	if up.Kind == "ReplicaSet" && up.Group == "apps" {
		top, ok := t.ownerOfReplicaSet(s, up)
		if !ok { // the pod says so, though we have not seen the ReplicaSet
			return up, true
		}
		return top, ok
	}
	return up, true
}

// podName is the name of a ReplicaSet, and the end that was made up for its pod.
var podName = regexp.MustCompile(`^(.+)-([bcdfghjklmnpqrstvwxz2456789]{5})$`)

// guess the Deployment of a pod that was gone before we looked. What may be another controller's, such as a number at the
// end, which a StatefulSet's pod has, is not guessed at.
func (t *Topology) guess(s *scope, r incident.Resource) (incident.Resource, bool) {
	m := podName.FindStringSubmatch(r.Name)
	if m == nil || strings.Trim(m[2], "0123456789") == "" {
		return incident.Resource{}, false
	}
	top, ok := t.ownerOfReplicaSet(s, incident.Resource{Cluster: t.cluster, Group: "apps", Version: "v1", Kind: "ReplicaSet", Namespace: r.Namespace, Name: m[1]})
	if !ok || top.Kind != "Deployment" {
		return incident.Resource{}, false
	}
	return top, true
}

func (t *Topology) ownerOfReplicaSet(s *scope, r incident.Resource) (incident.Resource, bool) {
	c, known := controller(t, s.replicaSets, r)
	switch {
	case !known:
		return incident.Resource{}, false
	case c == nil || c.Kind != "Deployment":
		r.Version = "v1"
		return r, true
	}
	return t.deployment(r.Namespace, c.Name), true
}

// controller of r, nil when it has none; known is false when r is neither there nor remembered.
func controller(t *Topology, in cache.SharedIndexInformer, r incident.Resource) (c *metav1.OwnerReference, known bool) {
	if o, ok, err := in.GetStore().GetByKey(r.Namespace + "/" + r.Name); ok && err == nil {
		if m, ok := o.(metav1.Object); ok {
			return metav1.GetControllerOf(m), true
		}
	}
	return t.gone.get(r.Kind + "/" + r.Namespace + "/" + r.Name)
}

func (t *Topology) deployment(namespace, name string) incident.Resource {
	return incident.Resource{Cluster: t.cluster, Group: "apps", Version: "v1", Kind: "Deployment", Namespace: namespace, Name: name}
}

// Blast is who is hit when r fails: its pods that have not finished, and the services that send traffic to such pods.
func (t *Topology) Blast(r incident.Resource) incident.BlastRadius {
	s := t.scope(r.Namespace)
	if r.Cluster != t.cluster || s == nil || r.Name == "" {
		return incident.BlastRadius{}
	}
	var hit incident.BlastRadius
	var targets []labels.Set
	for _, p := range t.pods(s, r) {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			hit.Pods++
			targets = append(targets, p.Labels)
		}
	}
	if o, ok, err := s.deployments.GetStore().GetByKey(r.Namespace + "/" + r.Name); ok && err == nil && r.Kind == "Deployment" {
		targets = append(targets, o.(*appsv1.Deployment).Spec.Template.Labels) // also when no pod is left
	}
	inNamespace, _ := s.services.GetIndexer().ByIndex(cache.NamespaceIndex, r.Namespace)
	for _, o := range inNamespace {
		svc := o.(*corev1.Service)
		selects := labels.SelectorFromSet(svc.Spec.Selector)
		if len(svc.Spec.Selector) > 0 && slices.ContainsFunc(targets, func(l labels.Set) bool { return selects.Matches(l) }) {
			hit.Services = append(hit.Services, svc.Name)
		}
	}
	slices.Sort(hit.Services)
	return hit
}

// pods that r runs, by way of its ReplicaSets if it is a Deployment.
func (t *Topology) pods(s *scope, r incident.Resource) []*corev1.Pod {
	controllers := []string{r.Namespace + "/" + r.Kind + "/" + r.Name}
	if r.Kind == "Deployment" {
		sets, _ := s.replicaSets.GetIndexer().ByIndex(byController, controllers[0])
		controllers = nil
		for _, o := range sets {
			controllers = append(controllers, r.Namespace+"/ReplicaSet/"+o.(*appsv1.ReplicaSet).Name)
		}
	}
	var pods []*corev1.Pod
	if o, ok, err := s.pods.GetStore().GetByKey(r.Namespace + "/" + r.Name); ok && err == nil && r.Kind == "Pod" {
		pods = append(pods, o.(*corev1.Pod))
	}
	for _, c := range controllers {
		of, _ := s.pods.GetIndexer().ByIndex(byController, c)
		for _, o := range of {
			pods = append(pods, o.(*corev1.Pod))
		}
	}
	return pods
}
