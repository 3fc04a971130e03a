package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// TestDependencies are what the root depends on directly, of our cluster, and rolls out.
func TestDependencies(t *testing.T) {
	t.Parallel()
	at := func(cluster, kind, name string) incident.Resource {
		return incident.Resource{Cluster: cluster, Group: "apps", Kind: kind, Namespace: "shop", Name: name}
	}
	root, db, far, elsewhere := at("a", "Deployment", "checkout"), at("a", "StatefulSet", "orders-db"), at("a", "Deployment", "far"), at("b", "Deployment", "payments")
	node, caller := incident.Resource{Cluster: "a", Kind: "Node", Name: "n1"}, at("a", "Deployment", "web")
	graph := topology.NewGraph()
	for _, e := range []incident.Edge{{From: root, To: db, Kind: incident.DependsOn}, {From: db, To: far, Kind: incident.DependsOn}, {From: root, To: elsewhere, Kind: incident.DependsOn},
		{From: caller, To: root, Kind: incident.Calls}, {From: root, To: node, Kind: incident.DependsOn}} {
		for _, r := range []incident.Resource{e.From, e.To} {
			if err := graph.Apply(incident.GraphChange{At: time.Unix(1, 0), Upsert: &incident.GraphItem{Node: &incident.Node{Resource: r}}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := graph.Apply(incident.GraphChange{At: time.Unix(1, 0), Upsert: &incident.GraphItem{Edge: &e}}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(graph.Snapshot(z, time.Unix(2, 0)), z.Close()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		kept *bus.GraphSnapshot
		err  error
		want []incident.Resource
	}{
		"kept":     {&bus.GraphSnapshot{Body: b.Bytes()}, nil, []incident.Resource{db}},
		"none":     {nil, nil, nil},
		"away":     {nil, errors.New("NATS is away"), nil},
		"no graph": {&bus.GraphSnapshot{Body: []byte("?")}, nil, nil},
	} {
		got := dependencies(func(context.Context) (*bus.GraphSnapshot, error) { return c.kept, c.err }, "a")(t.Context(), root)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
