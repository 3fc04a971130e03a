package incident

import (
	"slices"
	"testing"
)

// TestWhatAnAlertIsAbout with the labels that real rules on real exporters have.
func TestWhatAnAlertIsAbout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		labels map[string]string
		want   []string
	}{
		"a container, from cAdvisor": {map[string]string{"namespace": "shop", "pod": "web-1", "container": "app", "node": "n1", "job": "kubelet"}, []string{"Pod shop/web-1", "Node n1"}},
		"a program's own metric":     {map[string]string{"namespace": "shop", "pod": "web-1", "service": "web", "job": "web"}, []string{"Pod shop/web-1"}},
		"kube-state-metrics on a pod, honor_labels off": {map[string]string{"namespace": "monitoring", "pod": "kube-state-metrics-1", "job": "kube-state-metrics",
			"exported_namespace": "shop", "exported_pod": "web-1"}, []string{"Pod shop/web-1", "Pod monitoring/kube-state-metrics-1"}},
		"kube-state-metrics on a Deployment, honor_labels off": {map[string]string{"namespace": "monitoring", "pod": "kube-state-metrics-1", "job": "x",
			"exported_namespace": "shop", "deployment": "web"}, []string{"Deployment shop/web", "Pod monitoring/kube-state-metrics-1"}},
		"kube-state-metrics on a Deployment, honor_labels on": {map[string]string{"namespace": "shop", "deployment": "web", "pod": "kube-state-metrics-1",
			"container": "kube-state-metrics"}, []string{"Deployment shop/web", "Pod shop/kube-state-metrics-1"}},
		"the same under another job's name": {map[string]string{"namespace": "shop", "deployment": "web", "pod": "ksm-1"}, []string{"Deployment shop/web", "Pod shop/ksm-1"}},
		"kube-state-metrics on a node":      {map[string]string{"namespace": "monitoring", "pod": "ksm-1", "job": "kube-state-metrics", "node": "n1"}, []string{"Node n1", "Pod monitoring/ksm-1"}},
		"node-exporter":                     {map[string]string{"namespace": "monitoring", "pod": "ne-1", "job": "node-exporter", "exported_node": "n1"}, []string{"Node n1", "Pod monitoring/ne-1"}},
		"an autoscaler":                     {map[string]string{"namespace": "shop", "horizontalpodautoscaler": "web", "job": "kube-state-metrics", "pod": "ksm-1"}, []string{"HorizontalPodAutoscaler shop/web", "Pod shop/ksm-1"}},
		"kube-state-metrics itself":         {map[string]string{"namespace": "monitoring", "pod": "ksm-1", "job": "kube-state-metrics"}, []string{"Pod monitoring/ksm-1"}},
		"a pod of a labelled Deployment":    {map[string]string{"namespace": "shop", "deployment": "web", "pod": "web-1"}, []string{"Deployment shop/web", "Pod shop/web-1"}},
		"nothing":                           {map[string]string{"namespace": "shop", "instance": "10.0.0.1:9090"}, nil},
		"no namespace":                      {map[string]string{"pod": "web-1"}, nil},
		"not names":                         {map[string]string{"namespace": "shop", "pod": "../../etc", "deployment": "Web"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, r := range Named(c.labels) {
				got = append(got, r.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
