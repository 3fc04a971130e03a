package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// joiner is one life of a process that joins, which ends with end.
func joiner(t *testing.T, prefix string) (g *joining, events *bus.Bus, end func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	const mib = 1 << 20
	events, err := bus.Connect(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix, Log: log,
		Limits: bus.Limits{Signals: 8 * mib, Actions: mib, Incidents: 8 * mib, Folds: 8 * mib, Graph: 4 * mib}})
	if err != nil {
		t.Fatal(err)
	}
	g = &joining{settle: time.Second, metrics: correlate.NewMetrics(prometheus.NewRegistry()), log: log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- events.Own(ctx, bus.Shares{Join: g.run, Fold: func(ctx context.Context, p *bus.Partition) error { return correlate.Fold(ctx, p, g.metrics) }})
	}()
	return g, events, func() { cancel(); <-done; events.Close() }
}

// kept has the topology told until a snapshot holds it, which is made at the end of a life, and returns its position.
func kept(t *testing.T, prefix string) uint64 {
	t.Helper()
	for n := range 20 {
		_, events, end := joiner(t, prefix)
		c := incident.GraphChange{At: time.Now(), Upsert: &incident.GraphItem{Node: &incident.Node{Resource: incident.Resource{Cluster: "prod", Kind: "Pod", Namespace: "n", Name: fmt.Sprint("pod-", n)}}}}
		err := events.PublishTopology(t.Context(), []incident.GraphChange{c})
		for range 3 { // told to be whole
			if err == nil {
				err = events.PublishTopology(t.Context(), nil)
			}
			time.Sleep(time.Second)
		}
		if err != nil {
			t.Fatal(err)
		}
		g, err := events.Graph(t.Context())
		end()
		if err != nil {
			t.Fatal(err)
		}
		if g != nil {
			return g.Position
		}
	}
	t.Fatal("no graph was kept")
	return 0
}

// TestAGraphThatCannotBeTakenUp holds up the joiner, which says so: it must not begin with another, and keep that in its place.
func TestAGraphThatCannotBeTakenUp(t *testing.T) {
	t.Parallel()
	prefix := fmt.Sprintf("graph%d", time.Now().UnixNano())
	cleared(t, prefix)
	position := kept(t, prefix)
	nc, err := nats.Connect(started(t).NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for stream, subject := range map[string]string{prefix + "-FOLDS": ">", "OBJ_" + prefix + "-GRAPH": "$O." + prefix + "-GRAPH.C.>"} {
		s, err := js.Stream(t.Context(), stream)
		if err == nil {
			err = s.Purge(t.Context(), jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g, events, end := joiner(t, prefix)
	defer end()
	for deadline := time.Now().Add(time.Minute); g.advances(t.Context()) == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not say that it cannot begin")
		}
	}
	if now, err := events.Graph(t.Context()); err == nil {
		t.Errorf("the graph at %d has another in its place: %+v", position, now)
	}
}
