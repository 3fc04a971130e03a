package remediation

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// apply applies a merged revision and waits for it; stuck says why it will never be ready.
func (f *flow) apply(ctx workflow.Context, sha string, revert bool) (stuck string, err error) {
	in := ApplyInput{Key: f.start.Key, Proposal: f.planned.Proposal, Merge: sha, Revert: revert}
	var applied Applied
	if err := f.do(ctx, slow, "Apply", in, &applied); err != nil {
		return "", err
	}
	if !revert {
		f.appliedAt = workflow.Now(ctx)
	}
	var rollout Rollout
	err = f.do(ctx, watch(10*time.Minute), "Wait", in, &rollout)
	if f.applied = applied.Revisions; f.applied == nil {
		f.applied = rollout.Revisions
	}
	return rollout.Stuck, err
}

func (f *flow) verify(ctx workflow.Context) (incident.Outcome, error) {
	f.tried = true
	f.enter(ctx, incident.Verifying, "watching the metrics")
	var verdict incident.Verdict
	f.rounds++
	in := VerifyInput{Key: f.start.Key, Proposal: f.planned.Proposal, Round: f.rounds, Applied: f.applied}
	if err := f.do(ctx, watch(f.planned.Window+10*time.Minute), "Verify", in, &verdict); err != nil {
		return incident.Outcome{}, err
	}
	return f.judge(ctx, verdict)
}

// judge turns a verdict into an ending. Silence of the metrics never reverts.
func (f *flow) judge(ctx workflow.Context, verdict incident.Verdict) (incident.Outcome, error) {
	f.tried = true
	switch verdict.Result {
	case incident.Pass:
		return incident.Outcome{Phase: incident.Succeeded, Reason: explainVerdict(verdict)}, nil
	case incident.Fail:
		if f.planned.Rollback == "revert" {
			return f.rollBack(ctx, verdict)
		}
		f.spent = true
		return incident.Outcome{Phase: incident.Escalated, Reason: explainVerdict(verdict) + "; a revert would not undo it: a person is needed"}, nil
	case incident.NoData:
		return f.silence(ctx, verdict)
	}
	return incident.Outcome{Phase: incident.Escalated, Reason: explainVerdict(verdict)}, nil
}

// rollBack undoes our own commit. It was approved together with the change.
func (f *flow) rollBack(ctx workflow.Context, verdict incident.Verdict) (incident.Outcome, error) {
	f.enter(ctx, incident.RollingBack, explainVerdict(verdict))
	in := RevertInput{Key: f.start.Key, Proposal: f.planned.Proposal, Change: f.change, Merge: f.merge, Verdict: verdict,
		By: f.by, Date: f.began, Applied: f.appliedAt}
	var reverted incident.Change
	if err := f.do(ctx, slow, "ProposeRevert", in, &reverted); err != nil {
		return incident.Outcome{}, err
	}
	if end, err := f.gate(ctx, incident.GateApply, "policy-revert", nil); err != nil || end != nil {
		return deref(end), err
	}
	rehearsal := ApplyInput{Key: f.start.Key, Proposal: f.planned.Proposal, Merge: reverted.HeadSHA, Revert: true}
	if err := f.do(ctx, slow, "Rehearse", rehearsal, nil); err != nil {
		return incident.Outcome{}, err
	}
	var sha string
	if err := f.do(ctx, slow, "MergeRevert", RevertMergeInput{RevertInput: in, Revert: reverted}, &sha); err != nil {
		return incident.Outcome{}, err
	}
	f.spent = true
	stuck, err := f.apply(ctx, sha, true)
	if err != nil {
		return incident.Outcome{}, err
	}
	if stuck != "" {
		return incident.Outcome{Phase: incident.Escalated, Reason: explainVerdict(verdict) + "; reverted in git, but: " + stuck}, nil
	}
	return incident.Outcome{Phase: incident.RolledBack, Reason: fmt.Sprintf(
		"%s; reverted by pull request %d, and the cluster is back at what git said before", explainVerdict(verdict), reverted.Number)}, nil
}
