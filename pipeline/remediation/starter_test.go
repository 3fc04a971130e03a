package remediation

import (
	"context"
	"slices"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func (c *clerk) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	if slices.Contains(c.running, id) {
		status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	} else if _, ended := c.ended[id]; !ended {
		return nil, serviceerror.NewNotFound("workflow not found")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status}}, nil
}

func (c *clerk) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if _, ended := c.ended[o.ID]; ended && o.WorkflowExecutionErrorWhenAlreadyStarted {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already", "", "")
	}
	c.begun = args[0].(Start)
	c.told, c.queue = append(c.told, o.ID), o.TaskQueue
	return nil, nil
}

// shelf is a Book that takes everything.
type shelf struct{ Book }

func (shelf) PutBlob(context.Context, []byte) (string, error) { return "digest", nil }

func TestWhatStartsWhichAttempt(t *testing.T) {
	t.Parallel()
	const id = "0123456789ab"
	first := incident.Key{Incident: id, Attempt: 1}.Workflow()
	for name, tc := range map[string]struct {
		inc     incident.Incident
		running []string
		ended   map[string]incident.Phase
		want    []string
	}{
		"provisional":                      {inc: incident.Incident{State: incident.Provisional}},
		"sealed":                           {inc: incident.Incident{State: incident.Sealed}, want: []string{first}},
		"healed":                           {inc: incident.Incident{State: incident.Healed, Reopened: 1}},
		"in a maintenance window":          {inc: incident.Incident{State: incident.Sealed, Window: "upgrade"}},
		"reopened":                         {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, ended: map[string]incident.Phase{first: incident.Succeeded}, want: []string{incident.Key{Incident: id, Attempt: 2}.Workflow()}},
		"reopened, and the first one runs": {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, running: []string{first}},
		"reopened, and there was no first": {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, want: []string{incident.Key{Incident: id, Attempt: 2}.Workflow()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clerk{running: tc.running, ended: tc.ended}
			s := &Starter{Temporal: c, Book: shelf{}, Ended: func(context.Context, incident.Key) (bool, error) { return false, nil }}
			tc.inc.ID = id
			if err := s.Incident(t.Context(), tc.inc); err != nil || !slices.Equal(c.told, tc.want) {
				t.Errorf("started %v, %v, want %v", c.told, err, tc.want)
			}
		})
	}
}
