package incident

import (
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

// label names an object of a kind.
type label struct{ name, exported, group, kind string }

// loads are the labels by which kube-state-metrics and most rules name a workload.
var loads = []label{
	{"deployment", "exported_deployment", "apps", "Deployment"}, {"statefulset", "exported_statefulset", "apps", "StatefulSet"}, {"daemonset", "exported_daemonset", "apps", "DaemonSet"}, {"replicaset", "exported_replicaset", "apps", "ReplicaSet"},
	{"cronjob", "exported_cronjob", "batch", "CronJob"}, {"job_name", "exported_job_name", "batch", "Job"}, {"horizontalpodautoscaler", "exported_horizontalpodautoscaler", "autoscaling", "HorizontalPodAutoscaler"},
	{"persistentvolumeclaim", "exported_persistentvolumeclaim", "", "PersistentVolumeClaim"},
}

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
//     job or container is a known exporter's;
//  4. exported_node and node, exported_service;
//  5. what 3 left out, last: kube-state-metrics itself may be in trouble.
//
// The namespace is exported_namespace, where there is one. The topology decides between them: see Graph.Subject.
func Named(labels map[string]string) []Resource {
	theirs, namespace := labels["exported_namespace"], labels["namespace"]
	own := namespace
	if theirs != "" {
		namespace = theirs
	}
	var list []Resource
	add := func(group, kind, namespace, name string) {
		if !isName(name) || kind != "Node" && !isName(namespace) {
			return
		}
		r := Resource{Group: group, Version: version(group), Kind: kind, Namespace: namespace, Name: name}
		if kind == "Node" {
			r.Namespace = ""
		}
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	add("", "Pod", namespace, labels["exported_pod"])
	for _, l := range loads {
		add(l.group, l.kind, namespace, labels[l.exported])
	}
	for _, l := range loads {
		add(l.group, l.kind, namespace, labels[l.name])
	}
	lies := theirs != "" || slices.Contains(exporters, strings.ToLower(labels["job"])) || slices.Contains(exporters, strings.ToLower(labels["container"]))
	if !lies {
		add("", "Pod", own, labels["pod"])
	}
	add("", "Node", "", labels["exported_node"])
	add("", "Node", "", labels["node"])
	add("", "Service", namespace, labels["exported_service"])
	add("", "Pod", own, labels["pod"])
	return list
}

// Naming is what Named reads of the labels, and nil where they name one object at most: then nothing is left to decide.
func Naming(labels map[string]string) map[string]string {
	if len(Named(labels)) < 2 {
		return nil
	}
	kept := map[string]string{}
	keep := func(names ...string) {
		for _, name := range names {
			if v, ok := labels[name]; ok {
				kept[name] = v
			}
		}
	}
	for _, l := range loads {
		keep(l.name, l.exported)
	}
	keep("namespace", "exported_namespace", "pod", "exported_pod", "node", "exported_node", "exported_service", "job", "container")
	return kept
}

func version(group string) string {
	if group == "autoscaling" {
		return "v2"
	}
	return "v1"
}
