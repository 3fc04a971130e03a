package incident

import "testing"

func BenchmarkNamed(b *testing.B) {
	l := map[string]string{"alertname": "X", "namespace": "shop", "pod": "app-1-bcdfg", "severity": "critical", "job": "kube-state-metrics", "prometheus": "monitoring/k8s"}
	b.ReportAllocs()
	for b.Loop() {
		if Naming(l) != nil {
			b.Fatal()
		}
	}
}
