package remediation

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// adopt goes on from a merge that came after an earlier attempt had ended: it is a fact, and what is left is the gate of the apply.
func (f *flow) adopt(ctx workflow.Context) (*incident.Outcome, error) {
	in := f.start.Adopts
	f.enter(ctx, incident.Planning, fmt.Sprintf("pull request %d of attempt %d was merged by %s after that had ended", in.Number, in.Attempt, in.By))
	f.merge, f.by = in.Merge, []string{in.By} // git has changed, whatever becomes of this
	for tries := 0; ; tries++ {
		var found Adopted
		if err := f.do(ctx, slow, "Adopt", f.start, &found); err != nil {
			return nil, err
		}
		f.planned, f.change = found.Planned, found.Change
		if f.planned.Holder == nil || tries == joinTries {
			break
		}
		if err := workflow.Sleep(ctx, joinEvery); err != nil { // one that plans anew sees what is merged, and ends
			return nil, err
		}
	}
	if f.planned.Holder != nil {
		return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("merged, but %s is at work on %s: it is not applied", f.planned.Holder.Workflow(), f.start.Target)}, nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, playbookAttribute.ValueSet(f.planned.Playbook)); err != nil {
		return nil, err
	}
	f.enter(ctx, incident.DryRunning, f.planned.Summary)
	return nil, f.do(ctx, slow, "DryRun", DryRunInput{Key: f.start.Key, Proposal: f.planned.Proposal}, &f.dryRun)
}
