package topology

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// large is a graph of 100,000 resources: workloads of ten pods with a Service each, in namespaces of twenty, on a thousand
// nodes. Each calls three others, and refers to a ConfigMap.
func large(b *testing.B) (*Graph, []incident.Resource) {
	g := NewGraph()
	var all []incident.Resource
	apply := func(c incident.GraphChange) {
		if err := g.Apply(c); err != nil {
			b.Fatal(err)
		}
	}
	named := func(kind, ns, name string) incident.Resource {
		r := of(kind, name)
		r.Namespace = ns
		return r
	}
	node := func(r incident.Resource) incident.Resource {
		n := incident.Node{Resource: r}
		if r.Kind == "Deployment" {
			n.Labels = map[string]string{"tier": "tier-" + r.Name[len(r.Name)-1:], "owner": "team-" + r.Namespace}
			n.Revision, n.ChangedAt = "9f3c1d2", midday
		}
		apply(put(n))
		all = append(all, r)
		return r
	}
	const workloads = 7_100
	var machines []incident.Resource
	for i := range 600 {
		machines = append(machines, node(named("Node", "", fmt.Sprintf("ip-10-0-%d-%d.eu-central-1.compute.internal", i/250, i%250))))
	}
	service := func(i int) incident.Resource {
		return named("Service", fmt.Sprintf("team-%d", i/20), fmt.Sprintf("service-%d", i))
	}
	for i := range workloads {
		ns, name := fmt.Sprintf("team-%d", i/20), fmt.Sprintf("service-%d", i)
		d, rs, svc, cm := node(named("Deployment", ns, name)), node(named("ReplicaSet", ns, name+"-6b7f9c8d5")), node(service(i)), node(named("ConfigMap", ns, name))
		apply(bind(rs, d, incident.OwnedBy))
		apply(bind(d, cm, incident.Refers))
		for p := range 10 {
			pod := node(named("Pod", ns, fmt.Sprintf("%s-6b7f9c8d5-x%04d", name, p)))
			apply(bind(pod, rs, incident.OwnedBy))
			apply(bind(svc, pod, incident.Selects))
			apply(bind(machines[(i*10+p)%len(machines)], pod, incident.Runs))
		}
		for c := 1; c <= 3; c++ { // those with a lower number are nearer to the databases
			if to := i - c*c*37; to >= 0 {
				apply(bind(d, service(to), incident.Calls))
			}
		}
	}
	return g, all
}

func BenchmarkBlastRadius(b *testing.B) {
	g, all := large(b)
	took := make([]time.Duration, 0, 1<<20)
	runtime.GC()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		r := all[i*7919%len(all)]
		began := time.Now()
		if i%2 == 0 {
			g.Blast(r)
		} else {
			g.Causes(r)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(len(all)), "resources")
}

func BenchmarkNear(b *testing.B) {
	g, all := large(b)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		g.Near(all[i*7919%len(all)])
	}
}

// BenchmarkGraphUpdate replaces a pod: what a rollout sends.
func BenchmarkGraphUpdate(b *testing.B) {
	g, all := large(b)
	var pods []incident.Resource
	for _, r := range all {
		if r.Kind == "Pod" {
			pods = append(pods, r)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	records := 0
	for i := 0; b.Loop(); i++ {
		pod := pods[i*7919%len(pods)]
		rs, svc := pod, pod
		rs.Group, rs.Kind, rs.Name = "apps", "ReplicaSet", pod.Name[:len(pod.Name)-6]
		svc.Kind, svc.Name = "Service", pod.Name[:len(pod.Name)-16]
		for _, c := range []incident.GraphChange{remove(pod), put(incident.Node{Resource: pod}), bind(pod, rs, incident.OwnedBy), bind(svc, pod, incident.Selects)} {
			if err := g.Apply(c); err != nil {
				b.Fatal(err)
			}
			records++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/update")
}

func BenchmarkGraphMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		g, all := large(b)
		clear(all)
		runtime.GC()
		runtime.ReadMemStats(&after)
		nodes, edges := g.Len()
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(edges), "bytes/edge")
		b.ReportMetric(float64(nodes), "nodes")
		b.ReportMetric(float64(edges), "edges")
		runtime.KeepAlive(g)
		_ = all
	}
}
