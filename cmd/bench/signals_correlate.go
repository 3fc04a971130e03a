package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	perSecond = 5000 // signals a second, for the latency
	paced     = 10 * perSecond
)

// flood is ten alerts on each of ten pods of workloads in forty namespaces: of a thousand workloads where it has 100,000 signals.
type flood struct{ signals int }

func (f flood) apps() int { return max(40, f.signals/100) }

func (f flood) pod(n int) incident.Resource {
	app := n % f.apps()
	return incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: fmt.Sprintf("team-%d", app%40), Name: fmt.Sprintf("app%d-6b7f9c8d5-p%04d", app, n/f.apps()%10)}
}

func (f flood) workload(n int) incident.Resource {
	p := f.pod(n)
	name, _, _ := strings.Cut(p.Name, "-")
	return incident.Resource{Cluster: p.Cluster, Group: "apps", Version: "v1", Kind: "Deployment", Namespace: p.Namespace, Name: name}
}

// topology is who owns the pods; each workload of a namespace calls one that comes before it.
func (f flood) topology(at time.Time) (list []incident.GraphChange) {
	edge := func(from, to incident.Resource, kind incident.EdgeKind) {
		list = append(list, incident.GraphChange{At: at, Upsert: &incident.GraphItem{Edge: &incident.Edge{From: from, To: to, Kind: kind}}})
	}
	for n := range 10 * f.apps() {
		edge(f.pod(n), f.workload(n), incident.OwnedBy)
	}
	for app := 40; app < f.apps(); app++ {
		edge(f.workload(app), f.workload(app%40+(app/40-1)/3*40), incident.Calls)
	}
	return list
}

// signal number n, with what an alert carries.
func (f flood) signal(n int, at time.Time) incident.Signal {
	pod := f.pod(n)
	s := incident.Signal{Source: "alertmanager", Name: fmt.Sprintf("Alert%d", n/(10*f.apps())), Status: incident.Firing, Severity: "critical", Subject: pod, Container: "app",
		StartsAt: at.Add(-time.Second).Truncate(time.Millisecond), AcceptedAt: at}
	s.Fingerprint = incident.Digest(s.Name, pod.Name)[:16]
	s.Labels = map[string]string{"alertname": s.Name, "namespace": pod.Namespace, "pod": pod.Name, "severity": "critical", "job": "kube-state-metrics", "prometheus": "monitoring/k8s"}
	s.Annotations = map[string]string{"summary": "Container app of pod " + pod.Name + " was killed for want of memory", "runbook_url": "https://runbooks.example.com/" + s.Name}
	s.GeneratorURL = "http://prometheus.example.com/graph?g0.expr=container_oom_events_total%7Bpod%3D%22" + pod.Name + "%22%7D"
	s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	return s
}

// published are the flood's signals, as if they had been accepted within the last seconds.
func (f flood) published(ctx context.Context, b *bus.Bus) error {
	began := time.Now().Add(-5 * time.Second)
	if err := b.PublishTopology(ctx, f.topology(began.Add(-time.Hour))); err != nil {
		return err
	}
	var batch []incident.Signal
	for n := range f.signals {
		batch = append(batch, f.signal(n, began.Add(time.Duration(n)*5*time.Second/time.Duration(f.signals))))
		if len(batch) == 1000 || n == f.signals-1 {
			if _, err := b.PublishSignals(ctx, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	return nil
}

func floodBus(ctx context.Context, url, prefix string) (*bus.Bus, error) {
	return bus.Connect(ctx, bus.Options{URL: url, Prefix: prefix, Limits: bus.Limits{Signals: 1 << 30, Folds: 512 << 20}})
}

// correlating measures correlation from the stream of signals to the stored incidents, by one process on one core.
func correlating(ctx context.Context, r *run, url string) error {
	perSignal := map[int]float64{}
	for _, n := range []int{10_000, 100_000} {
		var took []float64
		peak := 0.0
		for round := range 3 {
			doing(fmt.Sprintf("%d signals, round %d of 3", n, round+1))
			prefix := fmt.Sprintf("flood-%d-%d", n, round)
			b, err := floodBus(ctx, url, prefix)
			if err != nil {
				return err
			}
			err = flood{n}.published(ctx, b)
			b.Close()
			if err != nil {
				return err
			}
			var c correlated
			mb, err := child(ctx, &c, "correlate", url, prefix, fmt.Sprint(n))
			if err != nil {
				return err
			}
			took, peak = append(took, c.Seconds), max(peak, mb)
		}
		perSignal[n] = median(took) / float64(n) * 1e6
		if n == 100_000 {
			r.atLeast("correlation from the stream, one core: signals/s", float64(n)/median(took), 50_000)
			r.limit(fmt.Sprintf("100,000 active signals over 10,000 resources, GOGC=%d: MB", gogc), peak, 0, 200)
		}
	}
	r.ratio("100,000 signals against ours with 10,000: µs per signal", perSignal[100_000], perSignal[10_000], 1.2)
	p99, err := latency(ctx, url)
	if err != nil {
		return err
	}
	r.limit("signal to provisional incident at 5,000/s, 100 of them of new workloads, p99: ms", p99, 0, 50)
	return nil
}

// latency is the 99th percentile, of workloads' first signals, in ms.
func latency(ctx context.Context, url string) (float64, error) {
	doing(fmt.Sprintf("%d signals a second for %d s", perSecond, paced/perSecond))
	const prefix = "paced"
	b, err := floodBus(ctx, url, prefix)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	const total = paced
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	working.Go(func() { var none correlated; _, _ = child(ctx, &none, "correlate", url, prefix, "0") }) // it is killed
	first := newFirsts(total)
	stop, err := first.listen(ctx, url, prefix)
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := b.PublishTopology(ctx, flood{total}.topology(time.Now().Add(-time.Hour))); err != nil {
		return 0, err
	}
	if err := first.warm(ctx, b, total); err != nil {
		return 0, err
	}
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; n < total; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		var batch []incident.Signal
		for range int(perSecond * every.Seconds()) {
			s := flood{total}.signal(n, time.Now())
			if n%50 == 0 { // of a workload of its own
				s = alone(s, fmt.Sprintf("single%d", n))
				first.sent(fmt.Sprintf("single%d", n), s.AcceptedAt)
			}
			batch = append(batch, s)
			n++
		}
		if _, err := b.PublishSignals(ctx, batch); err != nil {
			return 0, err
		}
	}
	first.wait()
	return first.p99()
}

// alone is s about a pod of a workload that nobody has heard of.
func alone(s incident.Signal, workload string) incident.Signal {
	s.Subject.Name = workload + "-6b7f9c8d5-bcdfg"
	s.Labels["pod"], s.Fingerprint = s.Subject.Name, s.Subject.Name
	s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	return s
}

// warm waits until the child owns all: a workload of each namespace has become an incident. These are not counted.
func (f *firsts) warm(ctx context.Context, b *bus.Bus, total int) error {
	var batch []incident.Signal
	for n := range 40 {
		s := alone(flood{total}.signal(n, time.Now()), fmt.Sprintf("warm%d", n))
		f.sent(fmt.Sprintf("warm%d", n), s.AcceptedAt)
		batch = append(batch, s)
	}
	if _, err := b.PublishSignals(ctx, batch); err != nil {
		return err
	}
	f.wait()
	if _, err := f.p99(); err != nil {
		return fmt.Errorf("before it is measured: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = nil
	return nil
}

// wait until all that was sent has become an incident, or for half a minute.
func (f *firsts) wait() {
	for deadline := time.Now().Add(30 * time.Second); !f.all() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
}

// firsts is when the first signal of each workload was accepted, and when its incident was there.
type firsts struct {
	mu   sync.Mutex
	at   map[string]time.Time
	took []float64
}

func newFirsts(n int) *firsts { return &firsts{at: make(map[string]time.Time, n)} }

func (f *firsts) sent(name string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[name] = at
}

// listen to what INCIDENTS has stored.
func (f *firsts) listen(ctx context.Context, url, prefix string) (stop func(), err error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	c, err := js.OrderedConsumer(ctx, prefix+"-INCIDENTS", jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return nil, err
	}
	reading, err := c.Consume(func(m jetstream.Msg) {
		var i struct{ Root incident.Resource }
		if json.Unmarshal(m.Data(), &i) != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if at, ok := f.at[i.Root.Name]; ok {
			f.took = append(f.took, float64(time.Since(at))/float64(time.Millisecond))
			delete(f.at, i.Root.Name)
		}
	})
	if err != nil {
		return nil, err
	}
	return func() { reading.Stop(); nc.Close() }, nil
}

func (f *firsts) all() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.at) == 0
}

func (f *firsts) p99() (float64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.at) > 0 || len(f.took) == 0 {
		return 0, fmt.Errorf("%d workloads became no incident, and %d did", len(f.at), len(f.took))
	}
	slices.Sort(f.took)
	return f.took[len(f.took)*99/100], nil
}
