package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// graphFigures are of a graph of 100,000 resources.
type graphFigures struct {
	Blast, Causes float64 // p99, µs
	BytesPerEdge  float64
	Update        float64 // µs, of a record
	Resources     int
	Cut           float64 // %, of answers that say that there is more, farther away
}

// hitting asks a large graph who is hit, up and down the stream, while it changes.
func hitting(ctx context.Context, r *run, _ string) error {
	var got graphFigures
	if _, err := child(ctx, &got, "graph"); err != nil {
		return err
	}
	size := fmt.Sprintf(" in a graph of %d resources", got.Resources)
	r.limit(fmt.Sprintf("who is hit%s (%.0f %% hit more than 500 workloads, and say at least), p99: µs", size, got.Cut), got.Blast, 0, 100)
	r.limit("whose failure hits one"+size+", p99: µs", got.Causes, 0, 100)
	r.limit("the graph's memory: bytes/edge", got.BytesPerEdge, 0, 250)
	r.limit("one record taken in: µs", got.Update, 0, 10)
	return nil
}

// graphChild makes the graph, asks about each resource once, and replaces pods in between as a rollout does.
func graphChild(context.Context, []string) (any, error) {
	before := heap()
	g := topology.NewGraph()
	b := &builder{graph: g}
	b.large()
	if b.err != nil {
		return nil, b.err
	}
	_, edges := g.Len()
	out := graphFigures{Resources: len(b.all), BytesPerEdge: float64(heap()-before-b.own()) / float64(edges)}
	var down, up, updating []time.Duration
	for i := range b.all {
		r := b.all[i*7919%len(b.all)]
		blast := least(func() { cut(g.Blast(r), &out.Cut) })
		down, up = append(down, blast), append(up, least(func() { g.Causes(r) }))
		if i%100 == 0 { // ten pods, as a rollout
			began := time.Now()
			records := 0
			for n := range 10 {
				records += b.replace((i/10 + n) * 7919)
			}
			updating = append(updating, time.Since(began)/time.Duration(records))
		}
	}
	out.Cut = 100 * out.Cut / float64(len(b.all)) / asks
	slices.Sort(updating)
	out.Blast, out.Causes, out.Update = p99(down), p99(up), float64(updating[len(updating)/2].Nanoseconds())/1000
	return out, b.err
}

// asks of each resource: the shortest counts, since others share the machine.
const asks = 3

func least(ask func()) time.Duration {
	best := time.Hour
	for range asks {
		began := time.Now()
		ask()
		best = min(best, time.Since(began))
	}
	return best
}

func cut(hit incident.BlastRadius, n *float64) {
	if hit.AtLeast {
		*n++
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func p99(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*99/100].Nanoseconds()) / 1000
}

// builder makes workloads of ten pods with a Service each, in namespaces of twenty, on 600 nodes. Each calls three others,
// those with a lower number, which are nearer to the databases, and refers to a ConfigMap.
type builder struct {
	graph *topology.Graph
	all   []incident.Resource
	pods  []incident.Resource
	err   error
}

const benchWorkloads = 7_100

// own is what the builder itself keeps, in bytes, but for the names, which are the graph's.
func (b *builder) own() uint64 {
	const resource = 96
	return uint64(cap(b.all)+cap(b.pods)) * resource
}

func (b *builder) apply(c incident.GraphChange) {
	if err := b.graph.Apply(c); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *builder) node(group, kind, ns, name string) incident.Resource {
	r := incident.Resource{Cluster: "prod", Group: group, Version: "v1", Kind: kind, Namespace: ns, Name: name}
	n := incident.Node{Resource: r}
	if kind == "Deployment" {
		n.Labels = map[string]string{"tier": "tier-" + name[len(name)-1:], "owner": "team-" + ns}
		n.Revision, n.ChangedAt = "9f3c1d2", time.Unix(1_800_000_000, 0)
	}
	b.apply(incident.GraphChange{Upsert: &incident.GraphItem{Node: &n}})
	b.all = append(b.all, r)
	return r
}

func (b *builder) edge(from, to incident.Resource, kind incident.EdgeKind) {
	b.apply(incident.GraphChange{Upsert: &incident.GraphItem{Edge: &incident.Edge{From: from, To: to, Kind: kind}}})
}

func (b *builder) large() {
	var machines []incident.Resource
	for i := range 600 {
		machines = append(machines, b.node("", "Node", "", fmt.Sprintf("ip-10-0-%d-%d.eu-central-1.compute.internal", i/250, i%250)))
	}
	for i := range benchWorkloads {
		ns, name := fmt.Sprintf("team-%d", i/20), fmt.Sprintf("service-%d", i)
		d, rs := b.node("apps", "Deployment", ns, name), b.node("apps", "ReplicaSet", ns, name+"-6b7f9c8d5")
		svc, cm := b.node("", "Service", ns, name), b.node("", "ConfigMap", ns, name)
		b.edge(rs, d, incident.OwnedBy)
		b.edge(d, cm, incident.Refers)
		for p := range 10 {
			pod := b.node("", "Pod", ns, fmt.Sprintf("%s-x%04d", rs.Name, p))
			b.pods = append(b.pods, pod)
			b.edge(pod, rs, incident.OwnedBy)
			b.edge(svc, pod, incident.Selects)
			b.edge(machines[(i*10+p)%len(machines)], pod, incident.Runs)
		}
		for c := 1; c <= 3; c++ {
			if to := i - c*c*37; to >= 0 {
				b.edge(d, incident.Resource{Cluster: "prod", Version: "v1", Kind: "Service", Namespace: fmt.Sprintf("team-%d", to/20), Name: fmt.Sprintf("service-%d", to)}, incident.Calls)
			}
		}
	}
}

// replace a pod, and say how many records that took.
func (b *builder) replace(n int) int {
	pod := b.pods[n%len(b.pods)]
	rs, svc := pod, pod
	rs.Group, rs.Kind, rs.Name = "apps", "ReplicaSet", pod.Name[:len(pod.Name)-6]
	svc.Kind, svc.Name = "Service", pod.Name[:len(pod.Name)-16]
	b.apply(incident.GraphChange{Delete: &incident.GraphItem{Node: &incident.Node{Resource: pod}}})
	b.apply(incident.GraphChange{Upsert: &incident.GraphItem{Node: &incident.Node{Resource: pod}}})
	b.edge(pod, rs, incident.OwnedBy)
	b.edge(svc, pod, incident.Selects)
	return 4
}
