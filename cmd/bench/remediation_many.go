package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	openNow  = 10_000 // remediations that wait for somebody
	starters = 16
	page     = 1000
	looks    = 15
	nobody   = "bench" // a task queue without a worker: these only stand there, with what they have said of themselves
)

// many asks Temporal about ten thousand remediations that are open.
func (r *run) many(ctx context.Context, t client.Client) error {
	if err := openMany(ctx, t); err != nil {
		return err
	}
	query := fmt.Sprintf("CortexOpsPhase = '%s' AND ExecutionStatus = 'Running'", incident.ApprovalPending)
	var listed, counted []float64
	for range looks {
		ms, err := timed(func() error {
			res, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: page})
			if err == nil && len(res.GetExecutions()) != page {
				err = fmt.Errorf("a page has %d, want %d", len(res.GetExecutions()), page)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("list a phase: %w", err)
		}
		listed = append(listed, ms)
		ms, err = timed(func() error {
			res, err := t.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
			if err == nil && res.GetCount() != openNow/2 {
				err = fmt.Errorf("%d are counted, want %d", res.GetCount(), openNow/2)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("count a phase: %w", err)
		}
		counted = append(counted, ms)
	}
	r.limit("10,000 open remediations, the first 1,000 of a phase: ms", median(listed), 0, 200)
	r.limit("the same, the count of a phase: ms", median(counted), 0, 200)
	return nil
}

// openMany starts half of them in the phase that is asked about, the others in the rest.
func openMany(ctx context.Context, t client.Client) error {
	phase, about := temporal.NewSearchAttributeKeyKeyword("CortexOpsPhase"), temporal.NewSearchAttributeKeyKeyword("CortexOpsIncident")
	target, playbook := temporal.NewSearchAttributeKeyKeyword("CortexOpsTarget"), temporal.NewSearchAttributeKeyKeyword("CortexOpsPlaybook")
	others := []incident.Phase{incident.Planning, incident.Proposed, incident.Merging, incident.Applying, incident.Verifying}
	var all sync.WaitGroup
	errs := make([]error, starters)
	for s := range starters {
		all.Go(func() {
			for n := s; n < openNow && errs[s] == nil; n += starters {
				in := incident.ApprovalPending
				if n%2 == 1 {
					in = others[n/2%len(others)]
				}
				id := fmt.Sprintf("%012x", n)
				_, errs[s] = t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "remediation/" + id + "/1", TaskQueue: nobody,
					TypedSearchAttributes: temporal.NewSearchAttributes(phase.ValueSet(string(in)), about.ValueSet(id),
						target.ValueSet(fmt.Sprintf("prod/apps/Deployment/team-%d/service-%d", n/20, n)), playbook.ValueSet("raise-memory-limit"))}, "Open")
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("open remediations: %w", err)
	}
	for { // what is told of them comes a little later
		res, err := t.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowType = 'Open' AND ExecutionStatus = 'Running'"})
		if err == nil && res.GetCount() == openNow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
