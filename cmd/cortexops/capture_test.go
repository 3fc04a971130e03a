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

	"github.com/spf13/cobra"

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
	go func() { done <- capture(ctx, cmd, r.events, file, began.Add(-time.Minute)) }()
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
