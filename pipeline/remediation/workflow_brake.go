package remediation

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	// fresh is how old the evidence that people approved by may be when it is acted on.
	fresh = 30 * time.Minute
	// releaseEvery is how often a brake is asked at first, and later.
	releaseEvery, releaseSeldom = 5 * time.Second, 2 * time.Minute
)

// gate asks policy; a denial ends the journey.
func (f *flow) gate(ctx workflow.Context, gate incident.Gate, step string, decision *incident.Decision) (*incident.Outcome, error) {
	var d incident.Decision
	fact := f.merge != "" && f.planned.Tool != "" && f.phase != incident.RollingBack
	end, err := f.decide(ctx, GateInput{Key: f.start.Key, Gate: gate, Step: step, Phase: f.phase, Proposal: f.planned.Proposal,
		DryRun: f.dryRun, Approvals: f.by, Fact: fact}, &d)
	if err != nil || end != nil {
		return end, err
	}
	if decision != nil {
		*decision = d
	}
	if d.Allow || fact {
		return nil, nil
	}
	if f.phase == incident.RollingBack {
		return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("it did not help, and policy refuses the revert: %v", d.Reasons)}, nil
	}
	if f.merge != "" { // it is in git already: a person must bring the two together
		return f.takeBack(ctx, fmt.Sprintf("merged, but policy refuses to apply it: %v", d.Reasons), d.Reasons)
	}
	return &incident.Outcome{Phase: incident.Denied, Reason: fmt.Sprintf("policy: %v", d.Reasons)}, nil
}

// takeBack has a pull request opened that brings git back to what is live. People merge it, or have policy allow what it takes back.
func (f *flow) takeBack(ctx workflow.Context, why string, reasons []string) (*incident.Outcome, error) {
	end := &incident.Outcome{Phase: incident.Escalated, Reason: why}
	if workflow.GetVersion(ctx, "take-back", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return end, nil
	}
	if len(reasons) == 0 {
		reasons = []string{"it gives no reason"}
	}
	in := RevertInput{Key: f.start.Key, Proposal: f.planned.Proposal, Change: f.change, Merge: f.merge, By: f.by, Date: f.began, Refused: reasons}
	soon := slow
	soon.ScheduleToCloseTimeout = slow.StartToCloseTimeout // people are called in any case, and need not wait for it
	var back incident.Change
	err := run(ctx, soon, "ProposeRevert", in, &back)
	var app *temporal.ApplicationError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &app):
		end.Reason += "; the pull request that takes it back could not be opened: " + app.Message()
	case err != nil:
		end.Reason += "; the pull request that takes it back could not be opened: " + err.Error()
	default:
		end.Reason += fmt.Sprintf("; merging pull request %d brings git back to what is live", back.Number)
	}
	return end, nil
}

// decide asks policy, and waits where it allows what a brake holds back: a pause, or too many at a time.
func (f *flow) decide(ctx workflow.Context, in GateInput, d *incident.Decision) (*incident.Outcome, error) {
	since, told, every := workflow.Now(ctx), "", releaseEvery
	for {
		in.At = workflow.Now(ctx)
		*d = incident.Decision{}
		if err := f.do(ctx, quick, "Decide", in, d); err != nil {
			return nil, err
		}
		if d.Wait != told { // at the start neither says anything
			told = d.Wait
			if err := f.brake(ctx, told); err != nil {
				return nil, err
			}
		}
		if d.Wait == "" {
			return nil, nil
		}
		if workflow.Now(ctx).Sub(since) >= fresh {
			return f.stale(d.Wait), nil
		}
		if err := workflow.Sleep(ctx, every); err != nil {
			return nil, err
		}
		every = min(2*every, releaseSeldom)
	}
}

// brake tells people what holds it back; why is empty where it goes on.
func (f *flow) brake(ctx workflow.Context, why string) error {
	if why != "" {
		f.enter(ctx, f.phase, "waits: "+why)
	}
	return run(ctx, quick, "Brake", BrakeInput{Key: f.start.Key, Phase: f.phase, Change: f.change, Why: why}, nil)
}

// stale is the ending of a change that was held back for so long that nobody knows whether it is still right.
func (f *flow) stale(why string) *incident.Outcome {
	if f.merge != "" { // git has it, the cluster has not
		return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("merged, but not applied within %s: %s", fresh, why)}
	}
	f.shut = true
	return &incident.Outcome{Phase: incident.Expired, Reason: fmt.Sprintf("it was approved, and held back for %s, after which its evidence is too old: %s", fresh, why)}
}
