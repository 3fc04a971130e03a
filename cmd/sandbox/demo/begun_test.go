package demo

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// begun lowers checkout's limit and waits until its remediation is in the phase.
func (h *house) begun(t *testing.T, phase string) (workflowID string) {
	t.Helper()
	known := h.remediations(t)
	if _, err := seed.LowerMemory(t.Context(), h.Stack); err != nil {
		t.Fatal(err)
	}
	return h.another(t, known, phase)
}

// another waits until a remediation that is none of those known is in the phase.
func (h *house) another(t *testing.T, known []string, phase string) (workflowID string) {
	t.Helper()
	if err := wait(t.Context(), "a remediation to be "+phase, 2*time.Minute, func(ctx context.Context) (bool, error) {
		for _, id := range h.remediations(t) {
			if !slices.Contains(known, id) {
				workflowID = id
				now, err := h.Phase(ctx, id)
				return now == phase, err
			}
		}
		return false, nil
	}); err != nil {
		t.Fatal(err)
	}
	return workflowID
}

// reaches waits until a remediation is in the phase.
func (h *house) reaches(t *testing.T, workflowID, phase string) {
	t.Helper()
	if err := wait(t.Context(), workflowID+" to be "+phase, time.Minute, func(ctx context.Context) (bool, error) {
		now, err := h.Phase(ctx, workflowID)
		return now == phase, err
	}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) remediations(t *testing.T) (ids []string) {
	t.Helper()
	list, err := h.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: h.Stack.Temporal.Namespace,
		Query: `WorkflowType="Remediate"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.GetExecutions() {
		ids = append(ids, e.GetExecution().GetWorkflowId())
	}
	return ids
}
