package remediation

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Over is the error of a retry that has nothing to try.
type Over struct{ Why string }

func (e *Over) Error() string { return e.Why }

// Retry is the word of a person: the remediation that waits for a permission goes on, and one that has ended, other than
// well, is followed by the next attempt, which plans anew. at is the one that was told. Said again, it starts no third.
func Retry(ctx context.Context, temporal client.Client, taskQueue string, key incident.Key, who string) (at incident.Key, err error) {
	err = temporal.SignalWorkflow(ctx, key.Workflow(), "", RetrySignal, who)
	var gone *serviceerror.NotFound
	if err == nil {
		return key, nil
	}
	if !errors.As(err, &gone) {
		return key, fmt.Errorf("signal %s: %w", key.Workflow(), err)
	}
	var end incident.Outcome
	switch err := temporal.GetWorkflow(ctx, key.Workflow(), "").Get(ctx, &end); {
	case errors.As(err, &gone):
		return key, &Over{key.Workflow() + " never began, or Temporal has forgotten it"}
	case err == nil && end.Phase == incident.Succeeded:
		return key, &Over{key.Workflow() + " has succeeded"}
	}
	start, err := started(ctx, temporal, key) // however it ended: also by hand
	if err != nil {
		return key, err
	}
	start.Key.Attempt = key.Attempt + 1
	_, err = temporal.SignalWithStartWorkflow(ctx, start.Key.Workflow(), RetrySignal, who, client.StartWorkflowOptions{
		TaskQueue: taskQueue, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary: fmt.Sprintf("attempt %d on %s, by the word of %s", start.Key.Attempt, start.Target, who),
	}, WorkflowName, start)
	var again *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &again) {
		return key, &Over{start.Key.Workflow() + " has ended too: say " + start.Key.Retry()}
	}
	if err != nil {
		return key, fmt.Errorf("start %s: %w", start.Key.Workflow(), err)
	}
	return start.Key, nil
}

// started is what a workflow was started with.
func started(ctx context.Context, temporal client.Client, key incident.Key) (start Start, err error) {
	events := temporal.GetWorkflowHistory(ctx, key.Workflow(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return start, fmt.Errorf("read how %s began: %w", key.Workflow(), err)
		}
		if began := e.GetWorkflowExecutionStartedEventAttributes(); began != nil {
			err = converter.GetDefaultDataConverter().FromPayloads(began.GetInput(), &start)
			return start, err
		}
	}
	return start, fmt.Errorf("the history of %s has no beginning", key.Workflow())
}
