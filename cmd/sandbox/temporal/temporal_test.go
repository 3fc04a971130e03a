package temporal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// TestRestartKeepsState starts the server twice on one folder: what the first
// was told, by search attribute too, the second still knows.
func TestRestartKeepsState(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	s, err := stack.Choose(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	stop := serve(ctx, t, s, cancel)
	c := dial(ctx, t, s)
	d, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.Temporal.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); got != 90*24*time.Hour {
		t.Errorf("retention is %s, want 90 days", got)
	}
	var known []sdk.SearchAttributeUpdate
	for _, a := range attributes {
		known = append(known, sdk.NewSearchAttributeKeyKeyword(a).ValueSet("x"+a))
	}
	_, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "remediation/INC-1/1", TaskQueue: "nobody", TypedSearchAttributes: sdk.NewSearchAttributes(known...),
	}, "story")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attributes {
		awaitListed(ctx, t, c, fmt.Sprintf("%s = 'x%s'", a, a))
	}
	await(ctx, t, func() error { return get(ctx, s.Temporal.UI+"/namespaces/cortexops/workflows") })
	c.Close()
	stop()

	defer serve(ctx, t, s, cancel)()
	c = dial(ctx, t, s)
	defer c.Close()
	awaitListed(ctx, t, c, "CortexOpsPhase = 'xCortexOpsPhase'")
}

// TestUnfinishedDatabaseIsReplaced covers a start that was cut short while it
// made the schema.
func TestUnfinishedDatabaseIsReplaced(t *testing.T) {
	t.Parallel()
	db := database(t.TempDir())
	if err := os.WriteFile(db.DatabaseName, []byte("half a schema"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := create(db, "cortexops"); err != nil {
		t.Fatal(err)
	}
	if err := create(db, "cortexops"); err != nil {
		t.Fatalf("a second time on a finished database: %v", err)
	}
}

// serve ends the whole test when the server ends by itself.
func serve(ctx context.Context, t *testing.T, s *stack.Stack, giveUp func()) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := Run(ctx, s, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("Run: %v", err)
			giveUp()
		}
	}()
	return func() { cancel(); <-done }
}

// dial comes back once the namespace answers.
func dial(ctx context.Context, t *testing.T, s *stack.Stack) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{
		HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, func() error { _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); return err })
	return c
}

func awaitListed(ctx context.Context, t *testing.T, c client.Client, query string) {
	t.Helper()
	await(ctx, t, func() error {
		r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return err
		}
		if len(r.GetExecutions()) != 1 {
			return fmt.Errorf("%q lists %d workflows, want 1", query, len(r.GetExecutions()))
		}
		return nil
	})
}

func await(ctx context.Context, t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return nil
}
