package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// contexts of two clusters; as kubectl, we are who the current one says unless another is named.
const contexts = `apiVersion: v1
kind: Config
current-context: eu
clusters:
  - {name: eu, cluster: {server: "https://eu.example.com"}}
  - {name: us, cluster: {server: "https://us.example.com"}}
users:
  - {name: eu, user: {token: of-eu}}
  - {name: us, user: {token: of-us}}
contexts:
  - {name: eu, context: {cluster: eu, user: eu}}
  - {name: us, context: {cluster: us, user: us}}
`

// TestAWorkerIsWhoItsContextSays, and no other.
func TestAWorkerIsWhoItsContextSays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(contexts), 0o600); err != nil {
		t.Fatal(err)
	}
	for context, want := range map[string]string{"": "eu", "eu": "eu", "us": "us"} {
		rc, err := kubernetes(file, context)
		if err != nil {
			t.Fatal(err)
		}
		if rc.Host != "https://"+want+".example.com" || rc.BearerToken != "of-"+want {
			t.Errorf("context %q is %s as %s", context, rc.Host, rc.BearerToken)
		}
	}
	if _, err := kubernetes(file, "asia"); err == nil || !strings.Contains(err.Error(), "asia") {
		t.Errorf("a context that is not there: %v", err)
	}
}

// TestTheIdentityNamesTheCluster, as Temporal shows it beside every task.
func TestTheIdentityNamesTheCluster(t *testing.T) {
	t.Parallel()
	var c Config
	c.Cluster, c.Temporal.TaskQueue = "prod-eu-1", "cortexops"
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.identity(); !strings.HasPrefix(got, "prod-eu-1/"+host+"/") {
		t.Error(got)
	}
	if got := c.queues().Of(c.Cluster); got != "cortexops@prod-eu-1" {
		t.Error(got)
	}
}

// TestWhatBeganOnTheFormerQueueGoesOn with the workers of its own cluster, on the real Temporal; others leave it alone.
func TestWhatBeganOnTheFormerQueueGoesOn(t *testing.T) {
	t.Parallel()
	at := started(t).Temporal
	queues := remediation.Queues{Base: fmt.Sprintf("the former %d/eu", time.Now().UnixNano()), Own: "prod"}
	dial := func(identity string) client.Client {
		c, err := client.Dial(client.Options{HostPort: at.Address, Namespace: at.Namespace, Identity: identity, Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	temporal := dial("ours")
	if ours, err := queues.Former(temporal)(t.Context()); err != nil || ours {
		t.Fatalf("with nothing there: %t, %v", ours, err)
	}
	id := queues.Base + "/1"
	target := incident.Resource{Cluster: queues.Own, Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}.Key()
	attributes := sdk.NewSearchAttributes(sdk.NewSearchAttributeKeyKeyword("CortexOpsTarget").ValueSet(target))
	if _, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queues.Base, TypedSearchAttributes: attributes},
		remediation.WorkflowName, remediation.Start{Target: target}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = temporal.TerminateWorkflow(context.Background(), id, "", "the test is over") })
	within, expire := context.WithTimeout(t.Context(), time.Minute)
	defer expire()
	look := queues.Former(temporal)
	for shown := false; !shown; { // Temporal lists it a moment later
		ours, err := look(within)
		if err != nil {
			t.Fatal(err)
		}
		shown = ours
	}
	if theirs, err := (remediation.Queues{Base: queues.Base, Own: "another"}).Former(temporal)(t.Context()); err != nil || theirs {
		t.Errorf("another cluster takes it: %t, %v", theirs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	work := &tasks{temporal: temporal, queues: queues}
	done := make(chan error, 1)
	go func() { done <- work.former(ctx) }()
	events := temporal.GetWorkflowHistory(within, id, "", true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for by := ""; by == ""; {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if by = e.GetWorkflowTaskStartedEventAttributes().GetIdentity(); by != "" && by != "ours" {
			t.Errorf("%s goes on with it", by)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	work.stop()
}
