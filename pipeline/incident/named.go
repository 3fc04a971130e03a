package incident

import (
	"cmp"
	"slices"
	"strings"
)

// isName tells what Kubernetes accepts as the name of a workload or a namespace.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' && c != '.' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return true
}

// place is a label that names an object of a kind.
type place struct{ name, group, kind string }

// loads are the labels by which kube-state-metrics and most rules name a workload.
var loads = []place{
	{"deployment", "apps", "Deployment"}, {"statefulset", "apps", "StatefulSet"}, {"daemonset", "apps", "DaemonSet"}, {"replicaset", "apps", "ReplicaSet"},
	{"cronjob", "batch", "CronJob"}, {"job_name", "batch", "Job"}, {"horizontalpodautoscaler", "autoscaling", "HorizontalPodAutoscaler"},
	{"persistentvolumeclaim", "", "PersistentVolumeClaim"},
}

// places are all of them, the likeliest first, and where each stands among them. What is read beside them stands behind.
var places, standing = func() (all []place, at map[string]int) {
	all = []place{{"exported_pod", "", "Pod"}}
	for _, l := range loads {
		all = append(all, place{"exported_" + l.name, l.group, l.kind})
	}
	all = append(append(all, loads...), place{"pod", "", "Pod"}, place{"exported_node", "", "Node"}, place{"node", "", "Node"}, place{"exported_service", "", "Service"})
	at = map[string]int{"namespace": len(all), "exported_namespace": len(all) + 1, "job": len(all) + 2, "container": len(all) + 3}
	for i, p := range all {
		at[p.name] = i
	}
	return all, at
}()

// exporters tell of others: where one of them is the job or the container, pod and service are the exporter's.
var exporters = []string{"kube-state-metrics", "node-exporter", "prometheus-node-exporter", "blackbox-exporter", "prometheus-blackbox-exporter", "cloudwatch-exporter"}

// Named lists the objects that an alert's labels name, the likeliest first; the cluster is left to the caller.
//
// A target's own labels (namespace, pod, service, container, node) are those of who was scraped. An exporter tells of others,
// so that they lie about the subject. With honor_labels off, Prometheus keeps what the exporter said as exported_NAME; with
// honor_labels on, what it said replaces the target's, and what it did not say, such as pod for a metric of a Deployment, is
// still the exporter's. So:
//
//  1. exported_pod;
//  2. a workload, exported_deployment before deployment and so on: the label pod would be that of one of its pods, or lie;
//  3. pod, in namespace: unless there is exported_namespace, by which the exporter has said that namespace is its own, or the
//     container is a known exporter's, or the job is: but where kube-state-metrics has named a container that is not its own;
//  4. exported_node and node, exported_service;
//  5. what 3 left out, last: kube-state-metrics itself may be in trouble. Of node-exporter's it is the node that runs the pod.
//
// The namespace is exported_namespace, where there is one. The topology decides between them: see Graph.Subject.
func Named(labels map[string]string) []Resource { return AppendNamed(nil, labels) }

// AppendNamed appends what Named lists.
func AppendNamed(list []Resource, labels map[string]string) []Resource {
	if len(labels) == 0 {
		return list
	}
	var room [32]string
	said := room[:len(standing)]
	for name, v := range labels { // they are fewer than those that are looked for
		if at, ok := standing[name]; ok {
			said[at] = v
		}
	}
	own, theirs, job, container := said[len(places)], said[len(places)+1], said[len(places)+2], said[len(places)+3]
	namespace := cmp.Or(theirs, own)
	lies := ofExporter(theirs, job, container, labels["pod"])
	from, pod := len(list), ""
	add := func(p *place, namespace, name string) {
		if !isName(name) || p.kind != "Node" && !isName(namespace) {
			return
		}
		r := Resource{Group: p.group, Version: version(p.group), Kind: p.kind, Namespace: namespace, Name: name}
		if p.kind == "Node" {
			r.Namespace = ""
		}
		if !slices.Contains(list[from:], r) {
			list = append(list, r)
		}
	}
	for i := range places {
		switch p := &places[i]; {
		case said[i] == "":
		case p.name != "pod":
			add(p, namespace, said[i])
		case lies:
			pod = said[i]
		default:
			add(p, own, said[i])
		}
	}
	if pod != "" {
		add(&places[0], own, pod)
	}
	return list
}

// ContainerNamed is the container that an alert's labels name: what an exporter said, and never the exporter's own.
func ContainerNamed(labels map[string]string) string {
	if said := labels["exported_container"]; said != "" {
		return said
	}
	theirs, job, own := labels["exported_namespace"], labels["job"], labels["container"]
	if (theirs != "" || exports(job)) && ofExporter(theirs, job, own, labels["pod"]) {
		return ""
	}
	return own
}

// ofExporter reports whether a target's own labels are those of an exporter. Of containers only kube-state-metrics speaks, and where
// one that is not its own is named, it was named with the pod; kube-prometheus has proxies before it.
func ofExporter(theirs, job, container, pod string) bool {
	switch container = strings.ToLower(container); {
	case theirs != "":
		return true
	case !exports(job):
		return exports(container)
	case !strings.EqualFold(job, "kube-state-metrics") || container == "":
		return true
	}
	return exports(container) || strings.HasPrefix(container, "kube-rbac-proxy-") || strings.Contains(pod, "kube-state-metrics")
}

func exports(name string) bool { return slices.Contains(exporters, strings.ToLower(name)) }

// OfNode reports whether the alert is node-exporter's, and so of the node that runs the pod of it that was scraped.
func OfNode(labels map[string]string) bool {
	return labels["job"] == "node-exporter" || labels["job"] == "prometheus-node-exporter"
}

// Naming is what Named reads of the labels, and nil where they name one object at most: then nothing is left to decide.
func Naming(labels map[string]string) map[string]string {
	var room [4]Resource
	if len(AppendNamed(room[:0], labels)) < 2 && !OfNode(labels) {
		return nil
	}
	kept := map[string]string{}
	for name, v := range labels {
		if _, read := standing[name]; read {
			kept[name] = v
		}
	}
	return kept
}

func version(group string) string {
	if group == "autoscaling" {
		return "v2"
	}
	return "v1"
}
