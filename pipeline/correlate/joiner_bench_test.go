package correlate

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// forest is a graph of workloads app-0, app-1, …, each of which depends on one of a third of its number, within groups of
// forty that have nothing to do with each other.
type forest struct{}

func (forest) number(r incident.Resource) int {
	n, err := strconv.Atoi(strings.TrimPrefix(r.Name, "app"))
	if err != nil {
		return -1
	}
	return n
}

func (forest) Owner(r incident.Resource) (incident.Resource, bool) { return owner(r) }

func (f forest) Near(r incident.Resource) []incident.Neighbour {
	n := f.number(r)
	if n < 0 {
		return nil
	}
	group, i := n/40*40, n%40
	var list []incident.Neighbour
	for up, hops := i, 1; up > 0 && hops <= 3; hops++ {
		up /= 3
		list = append(list, incident.Neighbour{Resource: deployment(fmt.Sprint("app", group+up)), Hops: hops, Upstream: true})
	}
	for low, high, hops := i*3, i*3+3, 1; i > 0 && hops <= 3; low, high, hops = low*3, high*3, hops+1 {
		for down := low; down < min(high, 40); down++ {
			list = append(list, incident.Neighbour{Resource: deployment(fmt.Sprint("app", group+down)), Hops: hops})
		}
	}
	return list
}

func (forest) Rollout(incident.Resource) incident.Rollout { return incident.Rollout{} }

func (forest) Blast(incident.Resource) incident.BlastRadius { return incident.BlastRadius{} }

func (forest) Digest() string { return "forest" }

// flood is n signals on n/10 pods of n/100 workloads within twenty seconds, each with what an alert carries.
func flood(n int) []incident.Signal {
	list := make([]incident.Signal, n)
	for i := range list {
		at := float64(i) * 20 / float64(n)
		s := fire(fmt.Sprintf("Alert%d", i/(n/10)), fmt.Sprintf("app%d-%d", i%(n/100), i/(n/100)%10), float64(int(at)), at)
		s.Labels = map[string]string{"alertname": s.Name, "namespace": "shop", "pod": s.Subject.Name, "severity": "critical", "job": "kube-state-metrics", "prometheus": "monitoring/k8s"}
		s.Annotations = map[string]string{"summary": "Container app of pod " + s.Subject.Name + " was killed for want of memory", "runbook_url": "https://runbooks.example.com/" + s.Name}
		s.GeneratorURL = "http://prometheus.example.com/graph?g0.expr=container_oom_events_total%7Bpod%3D%22" + s.Subject.Name + "%22%7D"
		list[i] = s
	}
	return list
}

func join(list []incident.Signal) (*Joiner, int) {
	j := NewJoiner(JoinerOptions{Graph: forest{}, Settle: settle, Tell: time.Second})
	stage := NewDedupe()
	told := 0
	for i, s := range list {
		if stage.New(s) {
			j.Add(s)
		}
		if i%500 == 499 {
			told += len(j.Advance(s.AcceptedAt))
		}
	}
	return j, told + len(j.Finish())
}

// BenchmarkJoiner is one core from the decoded signal to the revision. Its time per signal must not grow with the flood.
func BenchmarkJoiner(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := flood(n)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				join(list)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "signals/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/signal")
		})
	}
}

// BenchmarkJoinerMemory is what 100,000 active signals over 10,000 resources hold, their texts included.
func BenchmarkJoinerMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		j, _ := join(flood(100_000))
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		b.ReportMetric(float64(len(j.alerts)), "active")
		runtime.KeepAlive(j)
	}
}
