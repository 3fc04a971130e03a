package remediation

import (
	"context"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// begun is Temporal with workflows of which the outbreak is known; -1: it was not written down then.
type begun struct {
	client.Client
	of map[string]int
}

func (b begun) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	n, ok := b.of[id]
	start := Start{Outbreak: &n}
	if n < 0 {
		start.Outbreak = nil
	}
	return &first{start: start, ok: ok}
}

// first is a history that begins with that event.
type first struct {
	start any
	ok    bool
	more  []*historypb.HistoryEvent
	read  int
}

func (f *first) HasNext() bool { return f.read <= len(f.more) }

func (f *first) Next() (*historypb.HistoryEvent, error) {
	if !f.ok {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	if f.read++; f.read > 1 {
		return f.more[f.read-2], nil
	}
	input, err := converter.GetDefaultDataConverter().ToPayloads(f.start)
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: input}}}, err
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
		"the first":                     {0, nil, 1},
		"the second":                    {1, map[string]int{one: 0}, 2},
		"the second told again":         {1, map[string]int{one: 0, two: 1}, 2},
		"the first was retried":         {1, map[string]int{one: 0, two: 0}, 3},
		"of before it was written down": {1, map[string]int{one: -1, two: -1}, 2},
		"retried, and told again":       {1, map[string]int{one: 0, two: 0, three: 1}, 3},
	} {
		key, err := (&Starter{Temporal: begun{of: c.of}}).attempt(t.Context(), incident.Incident{ID: "i", Reopened: c.reopened})
		if err != nil || key.Attempt != c.want {
			t.Errorf("%s: attempt %d, %v", name, key.Attempt, err)
		}
	}
}
