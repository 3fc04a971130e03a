package watch

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// kind is one that is watched.
type kind struct {
	gvk      schema.GroupVersionKind
	resource string
	cluster  bool           // it is in no namespace
	optional bool           // a CRD, which need not be there
	typed    runtime.Object // nil: metadata only, or unstructured where it is optional
	only     string         // a field selector
}

func of(gv schema.GroupVersion, name, resource string) kind {
	return kind{gvk: gv.WithKind(name), resource: resource}
}

func typed(gv schema.GroupVersion, name, resource string, object runtime.Object) kind {
	k := of(gv, name, resource)
	k.typed = object
	return k
}

func crd(group, version, name, resource string) kind {
	k := of(schema.GroupVersion{Group: group, Version: version}, name, resource)
	k.optional = true
	return k
}

// kinds are all that is read of a cluster. ConfigMaps, Secrets and claims are not: that a workload refers to one stands in
// the workload, so no right to read them is needed. manifests/watched gives the rights to the rest.
var kinds = func() []kind {
	core, apps := corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion
	batch := schema.GroupVersion{Group: "batch", Version: "v1"}
	nodes := typed(core, "Node", "nodes", &corev1.Node{})
	nodes.cluster = true
	warnings := typed(eventsv1.SchemeGroupVersion, "Event", "events", &eventsv1.Event{})
	warnings.only = fields.OneTermEqualSelector("type", corev1.EventTypeWarning).String()
	return []kind{
		nodes,
		typed(apps, "Deployment", "deployments", &appsv1.Deployment{}),
		typed(apps, "StatefulSet", "statefulsets", &appsv1.StatefulSet{}),
		typed(apps, "DaemonSet", "daemonsets", &appsv1.DaemonSet{}),
		of(apps, "ReplicaSet", "replicasets"),
		of(apps, "ControllerRevision", "controllerrevisions"),
		of(batch, "Job", "jobs"),
		of(batch, "CronJob", "cronjobs"),
		typed(core, "Pod", "pods", &corev1.Pod{}),
		of(core, "Service", "services"),
		typed(discoveryv1.SchemeGroupVersion, "EndpointSlice", "endpointslices", &discoveryv1.EndpointSlice{}),
		typed(networkingv1.SchemeGroupVersion, "Ingress", "ingresses", &networkingv1.Ingress{}),
		typed(autoscalingv2.SchemeGroupVersion, "HorizontalPodAutoscaler", "horizontalpodautoscalers", &autoscalingv2.HorizontalPodAutoscaler{}),
		warnings,
		crd("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
		crd("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
		crd("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"),
		crd("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases"),
		crd("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"),
		crd("source.toolkit.fluxcd.io", "v1", "OCIRepository", "ocirepositories"),
	}
}()

func (k kind) gvr() schema.GroupVersionResource { return k.gvk.GroupVersion().WithResource(k.resource) }

// example is an object of the type that the reflector must find.
func (k kind) example() runtime.Object {
	switch {
	case k.typed != nil:
		return k.typed
	case !k.optional:
		return &metav1.PartialObjectMetadata{}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(k.gvk)
	return u
}

type clients struct {
	typed    kubernetes.Interface
	metadata metadata.Interface
	dynamic  dynamic.Interface
	discover discovery.DiscoveryInterface
}

func connect(config *rest.Config) (c clients, err error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100 // what is slow must be slow because of the server
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return c, err
	}
	c.typed, c.discover = set, set.Discovery()
	if c.metadata, err = metadata.NewForConfig(config); err != nil {
		return c, err
	}
	c.dynamic, err = dynamic.NewForConfig(config)
	return c, err
}

func (c clients) rest(gv schema.GroupVersion) rest.Interface {
	switch gv.Group {
	case corev1.GroupName:
		return c.typed.CoreV1().RESTClient()
	case appsv1.GroupName:
		return c.typed.AppsV1().RESTClient()
	case discoveryv1.GroupName:
		return c.typed.DiscoveryV1().RESTClient()
	case networkingv1.GroupName:
		return c.typed.NetworkingV1().RESTClient()
	case autoscalingv2.GroupName:
		return c.typed.AutoscalingV2().RESTClient()
	case eventsv1.GroupName:
		return c.typed.EventsV1().RESTClient()
	}
	panic(fmt.Sprintf("watch: no client for %s", gv)) // a line of kinds without its client
}

func (c clients) lister(k kind, namespace string) *cache.ListWatch {
	switch {
	case k.typed != nil:
		return cache.NewFilteredListWatchFromClient(c.rest(k.gvk.GroupVersion()), k.resource, namespace, func(o *metav1.ListOptions) { o.FieldSelector = k.only })
	case k.optional:
		in := c.dynamic.Resource(k.gvr()).Namespace(namespace)
		return listWatch(in.List, in.Watch)
	}
	in := c.metadata.Resource(k.gvr()).Namespace(namespace)
	return listWatch(in.List, in.Watch)
}
