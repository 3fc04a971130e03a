package remediation

import (
	"context"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// memos is Temporal with workflows of which the outbreak is known; -1: it was not written down then.
type memos struct {
	client.Client
	of map[string]int
}

func (m memos) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	n, ok := m.of[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	info := &workflowpb.WorkflowExecutionInfo{}
	if n >= 0 {
		p, err := converter.GetDefaultDataConverter().ToPayload(n)
		if err != nil {
			return nil, err
		}
		info.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{outbreakMemo: p}}
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

// TestAnOutbreakIsNotTakenForARetry: people may have had an earlier outbreak tried again, under the number that comes next.
func TestAnOutbreakIsNotTakenForARetry(t *testing.T) {
	t.Parallel()
	const one, two, three = "remediation/i/1", "remediation/i/2", "remediation/i/3"
	for name, c := range map[string]struct {
		reopened int
		of       map[string]int
		want     int
	}{
		"the first":                       {0, nil, 1},
		"the second":                      {1, map[string]int{one: 0}, 2},
		"the second told again":           {1, map[string]int{one: 0, two: 1}, 2},
		"the first was retried":           {1, map[string]int{one: 0, two: 0}, 3},
		"retried, and told again":         {1, map[string]int{one: 0, two: 0, three: 1}, 3},
		"of before there was such a memo": {1, map[string]int{one: -1, two: -1}, 2},
	} {
		key, err := (&Starter{Temporal: memos{of: c.of}}).attempt(t.Context(), incident.Incident{ID: "i", Reopened: c.reopened})
		if err != nil || key.Attempt != c.want {
			t.Errorf("%s: attempt %d, %v", name, key.Attempt, err)
		}
	}
}
