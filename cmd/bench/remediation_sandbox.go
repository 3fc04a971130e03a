package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.yaml.in/yaml/v3"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
	remediations "github.com/cortexops/cortexops/pipeline/remediation"
)

const (
	sandboxProgram = "bin/sandbox"
	normal         = "raise-memory-limit" // the demo's other one is approved by two people on Slack
)

// errNoSandbox is returned where it is not built.
var errNoSandbox = errors.New("no bin/sandbox, and what a remediation takes cannot be measured: run cmd/sandbox/build.sh")

// stack is what of a sandbox is measured.
type stack struct {
	dir      string
	Temporal struct{ Address, Namespace string }
	Product  struct{ Config string }
}

// inSandbox lets the demo tell its three incidents, and then asks the Temporal that it has left.
func (r *run) inSandbox(ctx context.Context) (err error) {
	if _, err := os.Stat(sandboxProgram); err != nil {
		return errNoSandbox
	}
	s := &stack{dir: filepath.Join(r.dir, "sandbox")}
	demo := exec.CommandContext(ctx, sandboxProgram, "demo", "--auto", "--dir", s.dir)
	demo.Stdout, demo.Stderr = os.Stderr, os.Stderr
	demo.Cancel = func() error { return demo.Process.Signal(os.Interrupt) }
	if err := demo.Run(); err != nil {
		return fmt.Errorf("the sandbox's demo: %w", err)
	}
	stop, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	temporal, err := client.DialContext(ctx, client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: log.NewStructuredLogger(nil)})
	if err != nil {
		return fmt.Errorf("dial the sandbox's Temporal: %w", err)
	}
	defer temporal.Close()
	if err := r.told(ctx, s, temporal); err != nil {
		return err
	}
	return r.many(ctx, temporal)
}

// start what the demo has left of Temporal.
func (s *stack) start(ctx context.Context) (stop func() error, err error) {
	addresses := filepath.Join(s.dir, "addresses.json")
	up := exec.CommandContext(ctx, sandboxProgram, "up", "--keep", "--parts", "temporal", "--dir", s.dir, "--addresses", addresses)
	up.Stderr = os.Stderr
	up.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if err := up.Start(); err != nil {
		return nil, fmt.Errorf("start the sandbox's Temporal: %w", err)
	}
	stop = func() error { return errors.Join(up.Process.Signal(os.Interrupt), up.Wait()) }
	for {
		data, err := os.ReadFile(addresses)
		if err == nil && json.Unmarshal(data, s) == nil {
			return stop, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), stop())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// told measures the remediations of the demo.
func (r *run) told(ctx context.Context, s *stack, temporal client.Client) error {
	book, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	defer book.Close()
	list, err := temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = '" + remediations.WorkflowName + "'", PageSize: 100})
	if err != nil {
		return fmt.Errorf("list the demo's remediations: %w", err)
	}
	var opened []float64
	for _, w := range list.GetExecutions() {
		id := w.GetExecution().GetWorkflowId()
		var end incident.Outcome
		if err := temporal.GetWorkflow(ctx, id, "").Get(ctx, &end); err != nil {
			return fmt.Errorf("how %s ended: %w", id, err)
		}
		took, err := untilOpen(ctx, temporal, id, book)
		if err != nil {
			return err
		}
		if took > 0 {
			opened = append(opened, took)
		}
		var playbook string
		if err := converter.GetDefaultDataConverter().FromPayload(w.GetSearchAttributes().GetIndexedFields()["CortexOpsPlaybook"], &playbook); err != nil {
			return fmt.Errorf("the playbook of %s: %w", id, err)
		}
		if end.Phase != incident.Succeeded || playbook != normal {
			continue
		}
		d, err := temporal.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return fmt.Errorf("describe %s: %w", id, err)
		}
		events, bytes := d.GetWorkflowExecutionInfo().GetHistoryLength(), d.GetWorkflowExecutionInfo().GetHistorySizeBytes()
		r.limit("history of a remediation that one person approved and that succeeded: events", float64(events), 0, 100)
		r.limit("the same: KB", float64(bytes)/1000, 0, 50)
	}
	if len(opened) < 3 {
		return fmt.Errorf("the demo has left %d remediations with a pull request, want 3", len(opened))
	}
	r.limit("incident sealed to pull request open, in the sandbox without a model: s", median(opened), 0, 3)
	return nil
}

// ledger of the demo's product.
func (s *stack) ledger(ctx context.Context) (*ledger.Ledger, error) {
	data, err := os.ReadFile(s.Product.Config)
	if err != nil {
		return nil, fmt.Errorf("read the demo's configuration: %w", err)
	}
	var c struct{ Ledger struct{ Path string } }
	if err := yaml.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read the demo's configuration: %w", err)
	}
	return ledger.Open(ctx, c.Ledger.Path)
}

// untilOpen is how many seconds lie between the incident's sealing and the end of the activity that opens its pull request; 0
// where none was opened.
func untilOpen(ctx context.Context, temporal client.Client, id string, book *ledger.Ledger) (float64, error) {
	var sealed, opened time.Time
	propose := int64(0)
	events := temporal.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return 0, fmt.Errorf("read the history of %s: %w", id, err)
		}
		if began := e.GetWorkflowExecutionStartedEventAttributes(); began != nil {
			var start remediations.Start
			if err := converter.GetDefaultDataConverter().FromPayloads(began.GetInput(), &start); err != nil {
				return 0, fmt.Errorf("read how %s began: %w", id, err)
			}
			data, err := book.Blob(ctx, start.Incident)
			if err != nil {
				return 0, err
			}
			var inc incident.Incident
			if err := json.Unmarshal(data, &inc); err != nil {
				return 0, fmt.Errorf("read the incident of %s: %w", id, err)
			}
			sealed = inc.SealedAt
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == "Propose" {
			propose = e.GetEventId()
		}
		if a := e.GetActivityTaskCompletedEventAttributes(); a != nil && a.GetScheduledEventId() == propose {
			opened = e.GetEventTime().AsTime()
		}
	}
	if opened.IsZero() {
		return 0, nil
	}
	return opened.Sub(sealed).Seconds(), nil
}
