package topology

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	dependsOn = "cortexops.io/depends-on"
	revision  = "cortexops.io/revision" // of an object that something else than Flux deploys
)

// described is what one object says.
type described struct {
	node  *incident.Node
	edges []incident.Edge
	over  bool // it has finished: its owner is remembered, and it hits nobody any more

	workload *rolled  // of a Deployment, StatefulSet or DaemonSet
	version  *version // of a workload that owns it
	applied  *applied // of a Kustomization or HelmRelease
}

// nodeLabels are those that Node.Tier and Node.Owner read.
var nodeLabels = []string{"cortexops.io/tier", "tier", "cortexops.io/owner", "owner", "team"}

func (f *Feed) resource(kind schema.GroupVersionKind, namespace, name string) incident.Resource {
	return incident.Resource{Cluster: f.Cluster, Group: kind.Group, Version: kind.Version, Kind: kind.Kind, Namespace: namespace, Name: name}
}

func (f *Feed) at(group, version, kind, namespace, name string) incident.Resource {
	return incident.Resource{Cluster: f.Cluster, Group: group, Version: version, Kind: kind, Namespace: namespace, Name: name}
}

// describe is false for what says nothing of the graph.
func (f *Feed) describe(kind schema.GroupVersionKind, o metav1.Object) (d described, ok bool) {
	self := f.resource(kind, o.GetNamespace(), o.GetName())
	d = described{node: &incident.Node{Resource: self}}
	for _, l := range nodeLabels {
		if v := o.GetLabels()[l]; v != "" {
			if d.node.Labels == nil {
				d.node.Labels = map[string]string{}
			}
			d.node.Labels[l] = v
		}
	}
	d.owned(self, o)
	if kind.Kind != "ReplicaSet" { // which has a copy of its Deployment's annotations
		d.node.Revision = o.GetAnnotations()[revision]
		f.depends(&d, self, o)
	}
	switch v := o.(type) {
	case *corev1.Pod:
		f.pod(&d, self, v)
	case *corev1.Node:
	case *appsv1.Deployment:
		f.refers(&d, self, &v.Spec.Template.Spec)
		f.workload(&d, self, o)
		for _, c := range v.Status.Conditions {
			if c.Type == appsv1.DeploymentProgressing {
				d.workload.progress = c.LastUpdateTime.UTC()
			}
		}
	case *appsv1.StatefulSet:
		f.refers(&d, self, &v.Spec.Template.Spec)
		f.workload(&d, self, o)
	case *appsv1.DaemonSet:
		f.refers(&d, self, &v.Spec.Template.Spec)
		f.workload(&d, self, o)
	case *discoveryv1.EndpointSlice:
		return f.slice(v), true
	case *networkingv1.Ingress:
		f.ingress(&d, self, v)
	case *autoscalingv2.HorizontalPodAutoscaler:
		to := v.Spec.ScaleTargetRef
		gv, err := schema.ParseGroupVersion(to.APIVersion)
		if err == nil {
			d.edge(self, f.at(gv.Group, gv.Version, to.Kind, v.Namespace, to.Name), incident.Scales)
		}
	case *metav1.PartialObjectMetadata:
		return f.bare(d, self, o), true
	case *unstructured.Unstructured:
		f.custom(&d, self, v)
	default:
		return d, false
	}
	return d, true
}

func (d *described) edge(a, b incident.Resource, kind incident.EdgeKind) {
	d.edges = append(d.edges, incident.Edge{From: a, To: b, Kind: kind})
}

// owned by the controller that its ownerReferences name.
func (d *described) owned(self incident.Resource, o metav1.Object) {
	c := metav1.GetControllerOf(o)
	if c == nil {
		return
	}
	gv, err := schema.ParseGroupVersion(c.APIVersion)
	if err != nil {
		return
	}
	up := incident.Resource{Cluster: self.Cluster, Group: gv.Group, Version: gv.Version, Kind: c.Kind, Namespace: self.Namespace, Name: c.Name}
	if up.Group == "" && up.Kind == "Node" { // of a static pod's mirror
		up.Namespace = ""
	}
	d.edge(self, up, incident.OwnedBy)
}

func (f *Feed) depends(d *described, self incident.Resource, o metav1.Object) {
	text := o.GetAnnotations()[dependsOn]
	if text == "" {
		return
	}
	wanted, err := dependencies(text, f.Cluster)
	if err != nil {
		if f.loads.refused[self] != text {
			f.loads.refused[self] = text
			f.Log.Warn("an annotation is passed over", "resource", self.String(), "annotation", dependsOn, "error", err)
		}
		return
	}
	for _, to := range wanted {
		d.edge(self, to, incident.DependsOn)
	}
}

func (f *Feed) pod(d *described, self incident.Resource, p *corev1.Pod) {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		d.over = true
		return
	}
	if p.Spec.NodeName != "" {
		d.edge(f.at("", "v1", "Node", "", p.Spec.NodeName), self, incident.Runs)
	}
	if metav1.GetControllerOf(p) == nil {
		f.refers(d, self, &p.Spec)
		return
	}
	for _, v := range p.Spec.Volumes { // a StatefulSet's claims are its pods'; the rest stands in the template
		if v.PersistentVolumeClaim != nil {
			d.edge(self, f.at("", "v1", "PersistentVolumeClaim", self.Namespace, v.PersistentVolumeClaim.ClaimName), incident.Refers)
		}
	}
}

// refers to what a pod's template names. A Secret is known by its name, and never read.
func (f *Feed) refers(d *described, self incident.Resource, spec *corev1.PodSpec) {
	to := func(kind, name string) {
		if name != "" && name != "kube-root-ca.crt" { // which every pod has
			d.edge(self, f.at("", "v1", kind, self.Namespace, name), incident.Refers)
		}
	}
	for _, v := range spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			to("ConfigMap", v.ConfigMap.Name)
		case v.Secret != nil:
			to("Secret", v.Secret.SecretName)
		case v.PersistentVolumeClaim != nil:
			to("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil {
					to("ConfigMap", s.ConfigMap.Name)
				}
				if s.Secret != nil {
					to("Secret", s.Secret.Name)
				}
			}
		}
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			for _, e := range c.EnvFrom {
				if e.ConfigMapRef != nil {
					to("ConfigMap", e.ConfigMapRef.Name)
				}
				if e.SecretRef != nil {
					to("Secret", e.SecretRef.Name)
				}
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
					to("ConfigMap", e.ValueFrom.ConfigMapKeyRef.Name)
				}
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					to("Secret", e.ValueFrom.SecretKeyRef.Name)
				}
			}
		}
	}
}

// slice is no node: it says which pods are behind a Service.
func (f *Feed) slice(s *discoveryv1.EndpointSlice) (d described) {
	service := s.Labels[discoveryv1.LabelServiceName]
	if service == "" {
		return d
	}
	for _, e := range s.Endpoints {
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && e.TargetRef.Name != "" {
			d.edge(f.at("", "v1", "Service", s.Namespace, service), f.at("", "v1", "Pod", s.Namespace, e.TargetRef.Name), incident.Selects)
		}
	}
	return d
}

func (f *Feed) ingress(d *described, self incident.Resource, v *networkingv1.Ingress) {
	to := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			d.edge(self, f.at("", "v1", "Service", self.Namespace, b.Service.Name), incident.Routes)
		}
	}
	to(v.Spec.DefaultBackend)
	for _, r := range v.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for i := range r.HTTP.Paths {
			to(&r.HTTP.Paths[i].Backend)
		}
	}
}

// bare is an object of which the metadata is known.
func (f *Feed) bare(d described, self incident.Resource, o metav1.Object) described {
	if self.Group != "apps" || self.Kind != "ReplicaSet" && self.Kind != "ControllerRevision" {
		return d
	}
	for _, e := range d.edges {
		if e.Kind == incident.OwnedBy {
			d.version = versionOf(self, e.To, o)
		}
	}
	if self.Kind == "ControllerRevision" { // nobody asks about it
		d.node, d.edges = nil, nil
	}
	return d
}
