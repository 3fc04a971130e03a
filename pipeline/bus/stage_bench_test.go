package bus

import (
	"fmt"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// BenchmarkStage is what a signal costs the bus on its way to the joiner, beside the network: read from a parcel, written into a
// fold, without its text as most are in a storm, and read from that.
func BenchmarkStage(b *testing.B) {
	const n = 1000
	var list []incident.Signal
	for i := range n {
		s := signal(i)
		s.Fingerprint, s.AcceptedAt, s.Severity, s.Container = incident.Digest(fmt.Sprint(i))[:16], t0.Add(time.Duration(i)*50*time.Microsecond), "critical", "app"
		s.Subject = incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("app%d-6b7f9c8d5-p%04d", i/100, i%100)}
		s.Labels = map[string]string{"alertname": s.Name, "namespace": "shop", "pod": s.Subject.Name, "severity": "critical", "job": "kube-state-metrics", "prometheus": "monitoring/k8s"}
		s.Annotations = map[string]string{"summary": "Container app of pod " + s.Subject.Name + " was killed for want of memory", "runbook_url": "https://runbooks.example.com/" + s.Name}
		s.GeneratorURL = "http://prometheus.example.com/graph?g0.expr=container_oom_events_total%7Bpod%3D%22" + s.Subject.Name + "%22%7D"
		list = append(list, s)
	}
	parcels, err := pack(list)
	if err != nil {
		b.Fatal(err)
	}
	first, second := newDecoder(), newDecoder()
	first.lean = true
	var got []incident.Signal
	var raw [][]byte
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		got, raw = got[:0], raw[:0]
		for _, p := range parcels {
			if got, raw, err = first.signals(p.body, got, raw); err != nil {
				b.Fatal(err)
			}
		}
		told := incident.Fold{Signals: append([]incident.Signal(nil), got...)}
		for i := range told.Signals {
			if i%10 > 2 {
				told.Signals[i].Labels, told.Signals[i].Annotations, told.Signals[i].GeneratorURL = nil, nil, ""
			}
		}
		if body, err = encoded(body[:0], told, got, raw); err != nil {
			b.Fatal(err)
		}
		if f, err := second.fold(body); err != nil || len(f.Signals) != n {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/signal")
}
