package remediation

import (
	"context"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// outcome is how a remediation ended. One whose ending could not be told everywhere has failed, to Temporal, and still has one; one
// that somebody ended by hand has no phase, and may have merged.
func outcome(ctx context.Context, temporal client.Client, key incident.Key) (end incident.Outcome, err error) {
	err = temporal.GetWorkflow(ctx, key.Workflow(), "").Get(ctx, &end)
	var failed *sdk.WorkflowExecutionError
	if errors.As(err, &failed) {
		end, err = recorded(ctx, temporal, key)
	}
	if err != nil {
		return end, fmt.Errorf("ask how %s ended: %w", key.Workflow(), err)
	}
	return end, nil
}

// recorded reads it from what the activities were given and gave back, which whoever says retry can do without the ledger.
func recorded(ctx context.Context, temporal client.Client, key incident.Key) (end incident.Outcome, err error) {
	events := temporal.GetWorkflowHistory(ctx, key.Workflow(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	asked := map[int64]string{} // activities
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return end, err
		}
		if began := e.GetActivityTaskScheduledEventAttributes(); began != nil {
			name := began.GetActivityType().GetName()
			asked[e.GetEventId()] = name
			if name == "Close" {
				told, err := decoded[Ending](began.GetInput())
				return told.Outcome, err
			}
		}
		if done := e.GetActivityTaskCompletedEventAttributes(); done != nil {
			if end.Merged, err = inGit(end.Merged, asked[done.GetScheduledEventId()], done.GetResult()); err != nil {
				return end, err
			}
		}
	}
	if end.Merged.SHA == "" {
		end.Merged = incident.Merged{}
	}
	return end, nil
}

// inGit is what git has after this activity. Without a SHA it is only asked for.
func inGit(m incident.Merged, activity string, result *commonpb.Payloads) (incident.Merged, error) {
	switch activity {
	case "Propose", "Revise":
		change, err := decoded[incident.Change](result)
		m.Number = change.Number
		return m, err
	case "Judge":
		seen, err := decoded[Judgement](result)
		m.SHA = seen.Merge
		return m, err
	case "Merge":
		sha, err := decoded[string](result)
		m.SHA = sha
		return m, err
	case "MergeRevert": // it is taken back
		return incident.Merged{}, nil
	}
	return m, nil
}

func decoded[T any](data *commonpb.Payloads) (v T, err error) {
	err = converter.GetDefaultDataConverter().FromPayloads(data, &v)
	return v, err
}
