package remediation

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// errAsked is the error of a merge that people, or the forge, must be asked before once more.
var errAsked = errors.New("it is asked again before the merge")

// asksAgain tells whether this run asks before the merge and before the apply whether what was approved is still wanted.
func asksAgain(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "still-open", workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// known is since when nothing new is known of the incident: it was planned by that, or we were told.
func (f *flow) known(now time.Time) time.Time {
	at := f.looked
	for _, e := range f.news.list {
		if e.ID == f.start.Key.Incident && e.AsOf.After(at) && !e.AsOf.After(now) { // a clock ahead of ours makes nothing younger
			at = e.AsOf
		}
	}
	return at
}

// current asks before the merge whether the incident is open still, and its evidence young. anew: it was planned anew, while policy and
// the brakes may have changed their mind. What has been quiet for less than healedFor may fire again, and is open.
func (f *flow) current(ctx workflow.Context) (anew bool, end *incident.Outcome, err error) {
	if !asksAgain(ctx) {
		return false, nil, nil
	}
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	if healed, err := f.healed(ctx, f.healing()); err != nil || healed != nil {
		if err == nil {
			err = f.withdraw(ctx, healed)
		}
		return false, nil, err
	}
	now := workflow.Now(ctx)
	if now.Sub(f.known(now)) < fresh {
		return false, nil, nil
	}
	same, end, err := f.afresh(ctx, fmt.Sprintf("it was approved, and what is known of the incident is older than %s", fresh))
	if err != nil || end != nil {
		return false, end, err
	}
	if !same {
		return false, nil, errAsked
	}
	f.enter(ctx, incident.Merging, approvedBy(f.by)) // who plans does not act, so that the brakes are to be asked again
	return true, nil, nil
}

// healed is the ending of an incident that has been quiet since then, for long enough, and whose target is ready.
func (f *flow) healed(ctx workflow.Context, since time.Time) (*incident.Outcome, error) {
	if since.IsZero() || workflow.Now(ctx).Sub(since) < healedFor {
		return nil, nil
	}
	f.news.asked = workflow.Now(ctx)
	var ready bool
	if err := f.do(ctx, quick, "Ready", ReadyInput{Key: f.start.Key, Proposal: f.planned.Proposal}, &ready); err != nil || !ready {
		return nil, err
	}
	return &incident.Outcome{Phase: incident.Superseded, Reason: fmt.Sprintf("it healed by itself: nothing has fired since %s, and the target is ready", clock(since))}, nil
}

// withdraw closes a pull request that was approved and is not needed any more. Whether somebody has merged it meanwhile the forge says.
func (f *flow) withdraw(ctx workflow.Context, end *incident.Outcome) error {
	if err := f.do(ctx, quick, "Withdraw", WithdrawInput{Key: f.start.Key, Change: f.change, Why: end.Reason}, nil); err != nil {
		return err
	}
	f.closed = end
	return errAsked
}

// applicable asks the same before the apply, where that is ours. The merge is a fact, so that nothing can be planned anew: where
// the incident has healed since, or the merge is long ago, people bring git and the cluster together. Their retry applies it.
func (f *flow) applicable(ctx workflow.Context) (*incident.Outcome, error) {
	if f.planned.Tool != "" || !asksAgain(ctx) {
		return nil, nil
	}
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	if since := f.healing(); since.After(f.mergedAt) { // who merged while it was quiet wanted it nonetheless
		if healed, err := f.healed(ctx, since); err != nil || healed != nil {
			return f.unapplied(healed), err
		}
	}
	if now := workflow.Now(ctx); now.Sub(f.known(now)) >= fresh {
		return f.unapplied(&incident.Outcome{Reason: fmt.Sprintf("that was not done within %s, and what is known of the incident is too old by now", fresh)}), nil
	}
	return nil, nil
}

func (f *flow) unapplied(why *incident.Outcome) *incident.Outcome {
	if why == nil {
		return nil
	}
	return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("merged, but not applied: %s; `%s` applies it, a revert brings git back", why.Reason, f.start.Key.Retry())}
}

// clock is a time of day as people read it.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 MST") }
