package remediation

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// adopt goes on from a merge that came after an earlier attempt had ended, or that it could not apply: it is a fact, and what is left
// is the gate of the apply.
func (f *flow) adopt(ctx workflow.Context) (*incident.Outcome, error) {
	in := f.start.Adopts
	f.merge = in.Merge // git has changed, whatever becomes of this
	if in.By != "" {
		f.by = []string{in.By}
		f.enter(ctx, incident.Planning, fmt.Sprintf("pull request %d of attempt %d was merged by %s after that had ended", in.Number, in.Attempt, in.By))
	} else {
		f.enter(ctx, incident.Planning, fmt.Sprintf("pull request %d of attempt %d is merged, and that could not go on", in.Number, in.Attempt))
	}
	every, until := joinEvery, workflow.Now(ctx).Add(heldFor) // whoever has the target may wait for people
	for tries := 0; ; tries++ {
		var found Adopted
		if err := f.do(ctx, slow, "Adopt", f.start, &found); err != nil {
			return nil, err
		}
		f.planned, f.change = found.Planned, found.Change
		if in.By == "" {
			f.by = found.By
		}
		if f.planned.Holder == nil {
			break
		}
		patient := workflow.GetVersion(ctx, "adopt-waits", workflow.DefaultVersion, 1) != workflow.DefaultVersion
		if patient && !workflow.Now(ctx).Before(until) || !patient && tries == joinTries {
			break
		}
		if err := workflow.Sleep(ctx, every); err != nil { // one that plans anew sees what is merged, and ends
			return nil, err
		}
		if patient {
			every = min(2*every, lookAgain)
		}
	}
	if f.planned.Holder != nil {
		return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("merged, but %s is at work on %s: it is not applied", f.planned.Holder.Workflow(), f.start.Target)}, nil
	}
	f.mergedAt, f.looked = f.began, workflow.Now(ctx)
	if err := workflow.UpsertTypedSearchAttributes(ctx, playbookAttribute.ValueSet(f.planned.Playbook)); err != nil {
		return nil, err
	}
	f.enter(ctx, incident.DryRunning, f.planned.Summary)
	return nil, f.do(ctx, slow, "DryRun", DryRunInput{Key: f.start.Key, Proposal: f.planned.Proposal, Step: f.step("dry-run")}, &f.dryRun)
}

// missed starts the attempt that goes on from a merge of which we were told on the way to another end: while a brake or a hold kept
// us from looking, or while the pull request was being closed.
func (f *flow) missed(ctx workflow.Context) error {
	f.hear(workflow.GetSignalChannel(ctx, ActionSignal))
	if f.merge != "" || f.theirs.MergeSHA == "" || workflow.GetVersion(ctx, "missed-merge", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	next := f.start
	next.Adopts = &Adopts{Attempt: f.start.Key.Attempt, Number: f.theirs.Number, Merge: f.theirs.MergeSHA, By: f.theirs.Actor}
	for range mostRetries {
		next.Key.Attempt++
		if err := follow(ctx, next); !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			f.followed = next.Key.Attempt
			return err
		}
	}
	return nil
}

// follow starts an attempt that outlives this one. An attempt that has begun already is a temporal.ChildWorkflowExecutionAlreadyStartedError.
func follow(ctx workflow.Context, next Start) error {
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: next.Key.Workflow(), TypedSearchAttributes: next.attributes(),
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE})
	return workflow.ExecuteChildWorkflow(child, WorkflowName, next).GetChildWorkflowExecution().Get(ctx, nil)
}
