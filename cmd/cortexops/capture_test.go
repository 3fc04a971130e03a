package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestWhatIsCapturedCanBeReplayed: from the live stream into a file, and by replay the incident that it was.
func TestWhatIsCapturedCanBeReplayed(t *testing.T) {
	t.Parallel()
	prefix := fmt.Sprintf("capture%d", time.Now().UnixNano())
	cleared(t, prefix) // behind the replica, which would declare them again
	r := newReplica(t, prefix)
	began := time.Now()
	d := incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	pod := incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: "shop", Name: "any-name"}
	if err := r.events.PublishTopology(t.Context(), []incident.GraphChange{
		{At: began, Upsert: &incident.GraphItem{Node: &incident.Node{Resource: d}}}, {At: began, Upsert: &incident.GraphItem{Node: &incident.Node{Resource: pod}}},
		{At: began, Upsert: &incident.GraphItem{Edge: &incident.Edge{From: pod, To: d, Kind: incident.OwnedBy}}}}); err != nil {
		t.Fatal(err)
	}
	signals := []incident.Signal{}
	for i := range 3 {
		s := incident.Signal{Source: "alertmanager", Name: fmt.Sprint("Alert", i), Status: incident.Firing, Subject: pod, Fingerprint: fmt.Sprint(i), StartsAt: began, AcceptedAt: time.Now(),
			Labels: map[string]string{"alertname": fmt.Sprint("Alert", i), "namespace": "shop", "pod": pod.Name}}
		s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
		signals = append(signals, s)
	}
	if _, err := r.events.PublishSignals(t.Context(), signals); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(t.TempDir(), "captured.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	said := &bytes.Buffer{}
	cmd := &cobra.Command{}
	cmd.SetErr(said)
	done := make(chan error, 1)
	looking, err := bus.Look(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	defer looking.Close()
	go func() { done <- capture(ctx, cmd, looking, file, began.Add(-time.Minute)) }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(file); bytes.Count(b, []byte(`"type":"signal"`)) == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never captured")
		}
	}
	cancel()
	if err := <-done; err != nil || said.String() != "3 signals and 3 records of the topology\n" {
		t.Fatalf("%v, said %q", err, said)
	}
	if err := capture(t.Context(), cmd, r.events, file, began); err == nil {
		t.Error("a file that is there is written over")
	}
	var table, trouble bytes.Buffer
	if err := run(t.Context(), []string{"replay", file, "--output", "json"}, &table, &trouble); err != nil {
		t.Fatal(err)
	}
	if out := table.String(); strings.Count(out, `"sealed"`) != 1 || !strings.Contains(out, `"checkout"`) {
		t.Errorf("replayed %s", out)
	}
}

// TestWhoOnlyLooksDeclaresNothing: a mistyped prefix is told, and leaves no streams behind.
func TestWhoOnlyLooksDeclaresNothing(t *testing.T) {
	t.Parallel()
	url, prefix := started(t).NATS.URL, fmt.Sprintf("mistyped%d", time.Now().UnixNano())
	if _, err := bus.Look(t.Context(), bus.Options{URL: url, Prefix: prefix}); err == nil || !strings.Contains(err.Error(), prefix) || !strings.Contains(err.Error(), "nats.prefix") {
		t.Errorf("%v", err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context(), jetstream.WithStreamListSubject(prefix+".>")).Name() {
		t.Error("declared", name)
	}
}

// TestWhatWasBeforeTheNewestGraphIsCaptured: a graph was kept, signals came, and another was kept. What is captured since the signals
// replays to the incident that they were, judged by the first graph.
func TestWhatWasBeforeTheNewestGraphIsCaptured(t *testing.T) {
	t.Parallel()
	prefix := fmt.Sprintf("before%d", time.Now().UnixNano())
	cleared(t, prefix)
	events, err := bus.Connect(t.Context(), bus.Options{URL: started(t).NATS.URL, Prefix: prefix, Limits: stormLimits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Close)
	sealed := make(chan incident.Incident, 10)
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan error, 1)
	go func() {
		told <- events.ConsumeIncidents(ctx, func(_ context.Context, i incident.Incident) error {
			if i.State == incident.Sealed {
				sealed <- i
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-told })
	pod := func(app string) incident.Resource {
		return incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: "shop", Name: "a-pod-of-" + app}
	}
	owner := func(app string) incident.Resource {
		return incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: app}
	}
	for _, app := range []string{"cart", "checkout"} {
		at, edge := time.Now(), incident.Edge{From: pod(app), To: owner(app), Kind: incident.OwnedBy}
		if err := events.PublishTopology(t.Context(), []incident.GraphChange{{At: at, Upsert: &incident.GraphItem{Node: &incident.Node{Resource: owner(app)}}},
			{At: at, Upsert: &incident.GraphItem{Edge: &edge}}}); err != nil {
			t.Fatal(err)
		}
	}
	outbreak := func(app string) (since time.Time, was incident.Incident) {
		t.Helper()
		r := newReplica(t, prefix)
		defer r.stop() // and the graph is kept
		since = time.Now()
		s := incident.Signal{Source: "alertmanager", Name: "Slow", Status: incident.Firing, Subject: pod(app), Fingerprint: app, StartsAt: since, AcceptedAt: since,
			Labels: map[string]string{"alertname": "Slow", "namespace": "shop", "pod": pod(app).Name}}
		s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
		if _, err := events.PublishSignals(t.Context(), []incident.Signal{s}); err != nil {
			t.Fatal(err)
		}
		select {
		case was = <-sealed:
		case <-time.After(time.Minute):
			t.Fatalf("%s was never an incident: %s", app, r.log)
		}
		return since, was
	}
	outbreak("cart")
	since, was := outbreak("checkout")
	file := filepath.Join(t.TempDir(), "captured.jsonl")
	cmd := &cobra.Command{}
	cmd.SetErr(&bytes.Buffer{})
	done := make(chan error, 1)
	until, stop := context.WithCancel(t.Context())
	go func() { done <- capture(until, cmd, events, file, since) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(file); bytes.Count(b, []byte(`"type":"signal"`)) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never captured")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var out, trouble bytes.Buffer
	if err := run(t.Context(), []string{"replay", file, "--output", "json", "--settle", liveSettle.String()}, &out, &trouble); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), was.ID) || was.Root != owner("checkout") {
		t.Errorf("it was %s on %s, and replayed %s", was.ID, was.Root, out.String())
	}
}
