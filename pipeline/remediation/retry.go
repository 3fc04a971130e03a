package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Over is the error of a retry that has nothing to try.
type Over struct{ Why string }

func (e *Over) Error() string { return e.Why }

// Retry is the word of a person: the remediation that waits for a permission goes on, and one that has ended, other than
// well, is followed by the next attempt, which plans anew, or goes on from what is merged and not applied. at is the one that was told. Said again, it starts no third.
func Retry(ctx context.Context, temporal client.Client, queues Queues, key incident.Key, who string) (at incident.Key, err error) {
	err = temporal.SignalWorkflow(ctx, key.Workflow(), "", RetrySignal, who)
	var gone *serviceerror.NotFound
	if err == nil {
		return key, nil
	}
	if !errors.As(err, &gone) {
		return key, fmt.Errorf("signal %s: %w", key.Workflow(), err)
	}
	end, err := outcome(ctx, temporal, key)
	switch {
	case errors.As(err, &gone):
		return key, &Over{key.Workflow() + " never began, or Temporal has forgotten it"}
	case err != nil:
		return key, err
	case end.Phase == incident.Succeeded:
		return key, &Over{key.Workflow() + " has succeeded"}
	}
	start, err := started(ctx, temporal, key) // however it ended: also by hand
	if err != nil {
		return key, err
	}
	start.Key.Attempt = key.Attempt + 1
	switch {
	case end.Phase == incident.RolledBack: // what it had adopted is not there any more
		start.Adopts = nil
	case start.Adopts == nil && end.Merged.SHA != "": // git has it: a plan would find nothing to do
		start.Adopts = &Adopts{Attempt: key.Attempt, Number: end.Merged.Number, Merge: end.Merged.SHA}
	}
	_, err = temporal.SignalWithStartWorkflow(ctx, start.Key.Workflow(), RetrySignal, who, client.StartWorkflowOptions{
		TaskQueue: queues.about(start.Target), TypedSearchAttributes: start.attributes(), WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
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
func started(ctx context.Context, temporal client.Client, key incident.Key) (Start, error) {
	return input[Start](ctx, temporal, key.Workflow())
}

// input is what the newest run of a workflow was started with.
func input[T any](ctx context.Context, temporal client.Client, id string) (start T, err error) {
	events := temporal.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return start, fmt.Errorf("read how %s began: %w", id, err)
		}
		if began := e.GetWorkflowExecutionStartedEventAttributes(); began != nil {
			return decoded[T](began.GetInput())
		}
	}
	return start, fmt.Errorf("the history of %s has no beginning", id)
}

// afterwards takes what a person did to the pull request of a remediation that has ended: one that is opened again is followed by an
// attempt that plans anew, and one that is merged by an attempt that goes on from there.
func (s *Starter) afterwards(ctx context.Context, key incident.Key, a incident.Action) error {
	log := slog.With("workflow", key.Workflow(), "kind", a.Kind, "actor", a.Actor)
	if a.Kind == incident.Reopen {
		merged, err := s.Shut(ctx, a.Number)
		if err != nil || merged { // by whoever opened it again: we are told of that, too
			return err
		}
		next, err := Retry(ctx, s.Temporal, s.Queues, key, a.Actor)
		var over *Over
		if errors.As(err, &over) {
			log.InfoContext(ctx, "there is nothing to try again", "why", over.Why)
			return s.Followed(ctx, a.Number, key, over.Why)
		}
		if err != nil { // the bus brings it again
			return err
		}
		return s.Followed(ctx, a.Number, next, "")
	}
	end, err := outcome(ctx, s.Temporal, key)
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		log.InfoContext(ctx, "a merge of a remediation that Temporal has forgotten")
		return nil
	case err != nil: // nobody knows: the bus brings it again
		return err
	case end.Phase == "":
		log.WarnContext(ctx, "a merge of a remediation that did not end by itself") // it was terminated: people do what is left
		return nil
	case !slices.Contains([]incident.Phase{incident.Expired, incident.Rejected, incident.Superseded, incident.Denied, incident.Failed, incident.Escalated}, end.Phase):
		return nil // its own merge
	}
	if own, err := s.Merged(ctx, key); err != nil || own {
		return err
	}
	start, err := started(ctx, s.Temporal, key)
	if err != nil {
		return err
	}
	start.Adopts = &Adopts{Attempt: key.Attempt, Number: a.Number, Merge: a.MergeSHA, By: a.Actor}
	for range mostRetries {
		start.Key.Attempt++
		err = s.begin(ctx, start)
		var again *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &again) {
			return err
		}
		other, err := started(ctx, s.Temporal, start.Key)
		if err != nil {
			return err
		}
		if other.Adopts != nil && other.Adopts.Merge == a.MergeSHA { // told twice
			return nil
		}
	}
	log.WarnContext(ctx, "a merge after so many attempts is left to people")
	return nil
}

// begin starts an attempt that begins with a merge.
func (s *Starter) begin(ctx context.Context, start Start) error {
	_, err := s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: start.Key.Workflow(), TaskQueue: s.Queues.about(start.Target), TypedSearchAttributes: start.attributes(),
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("attempt %d on %s, merged by %s", start.Key.Attempt, start.Target, start.Adopts.By)}, WorkflowName, start)
	if err != nil {
		return fmt.Errorf("start %s: %w", start.Key.Workflow(), err)
	}
	return nil
}
