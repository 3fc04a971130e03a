package remediation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	// RetrySignal tells a remediation that waits for a permission to try again. It carries who said so.
	RetrySignal = "retry"
	// heldFor is how long one waits for a permission before it ends.
	heldFor = 24 * time.Hour
	// renewal is how long credentials that nobody knows are tried again: a token is being rotated.
	renewal      = 2 * time.Minute
	renewalEvery = 10 * time.Second
)

// do runs one activity. Where only a person can help, by giving us a permission, it waits in its phase to be told to try
// again: `cortexops retry INCIDENT`, or the comment `/cortexops retry`.
func (f *flow) do(ctx workflow.Context, options workflow.ActivityOptions, activity string, in, out any) error {
	since := workflow.Now(ctx)
	if f.passing() {
		options.ScheduleToCloseTimeout = options.StartToCloseTimeout
		return f.run(ctx, options, activity, in, out)
	}
	for {
		err := f.run(ctx, options, activity, in, out)
		var app *temporal.ApplicationError
		if errors.As(err, &app) && app.Type() == typeLimited && workflow.Now(ctx).Sub(since) < heldFor &&
			workflow.GetVersion(ctx, "rate-limited", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
			if err := workflow.Sleep(ctx, lookAgain); err != nil { // its retries were over before the forge takes calls again
				return err
			}
			continue
		}
		if !errors.As(err, &app) || app.Type() != typeUnauthorized {
			return err
		}
		var no denied
		if app.HasDetails() && app.Details(&no) == nil && no.Unknown && workflow.Now(ctx).Sub(since) < renewal {
			if err := workflow.Sleep(ctx, renewalEvery); err != nil {
				return err
			}
			continue
		}
		if again, stop := f.held(ctx, activity, app.Message(), no.Rule); stop != nil || !again {
			return errors.Join(stop, err)
		}
		since = workflow.Now(ctx)
		if err := f.anew(ctx, activity, in); err != nil {
			return err
		}
	}
}

// over is an ending that came up in the middle of a step.
type over struct{ incident.Outcome }

func (o *over) Error() string { return o.Reason }

// anew asks again what was asked before a hold: it may have taken a day, and by now policy or a person may say no.
func (f *flow) anew(ctx workflow.Context, activity string, in any) error {
	if !slices.Contains([]string{"Merge", "Apply", "MergeRevert"}, activity) ||
		workflow.GetVersion(ctx, "anew-after-hold", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	if merge, ok := in.(*MergeInput); ok {
		f.hear(workflow.GetSignalChannel(ctx, ActionSignal))
		merge.Judged.Clicks = f.clicks
	}
	end, err := f.askAnew(ctx, activity, fmt.Sprintf("policy-after-hold-%d", f.holds))
	if err == nil && end != nil {
		err = &over{*end}
	}
	return err
}

func (f *flow) askAnew(ctx workflow.Context, activity, step string) (*incident.Outcome, error) {
	switch activity {
	case "Merge":
		return f.mayMerge(ctx, step)
	case "Apply":
		f.looked = workflow.Now(ctx) // who says retry has looked at what is merged
		return f.mayApply(ctx, step)
	}
	return f.gate(ctx, incident.GateApply, step, nil)
}

// held tells people what is missing and waits for their word; again is false when nobody came.
func (f *flow) held(ctx workflow.Context, activity, why, rule string) (again bool, err error) {
	f.holds++
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** %s waits in %s for a permission\n\n%s\n\nthen: `%s`",
		f.phase, f.start.Target, activity, why, f.start.Key.Retry()))
	words := workflow.GetSignalChannel(ctx, RetrySignal)
	for words.ReceiveAsync(nil) { // said before there was anything to retry
	}
	err = run(ctx, quick, "Hold", HoldInput{Key: f.start.Key, Target: f.start.Target, Phase: f.phase, Change: f.change, Activity: activity, Why: why, Rule: rule, N: f.holds}, nil)
	if err != nil {
		return false, err
	}
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	workflow.NewSelector(ctx).
		AddFuture(workflow.NewTimerWithOptions(timerCtx, heldFor, workflow.TimerOptions{Summary: "waits for a permission"}), func(workflow.Future) {}).
		AddReceive(words, func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(ctx, nil)
			again = true
		}).
		Select(ctx)
	if again {
		f.enter(ctx, f.phase, "trying again")
	}
	return again, ctx.Err()
}

// silence asks a person, once, what to make of metrics that say nothing. Nothing is reverted on silence.
func (f *flow) silence(ctx workflow.Context, verdict incident.Verdict) (incident.Outcome, error) {
	escalated := incident.Outcome{Phase: incident.Escalated, Reason: explainVerdict(verdict)}
	if f.silent {
		return escalated, nil
	}
	f.silent = true
	in := AskInput{Key: f.start.Key, Change: f.change, Proposal: f.planned.Proposal, Verdict: verdict, Asked: workflow.Now(ctx),
		Deadline: workflow.Now(ctx).Add(f.planned.Within), Revertible: f.planned.Rollback == "revert"}
	f.enter(ctx, incident.Verifying, fmt.Sprintf("%s\n\nno data: [pull request %d](%s) asks what to do until %s", explainVerdict(verdict),
		f.change.Number, f.change.URL, in.Deadline.UTC().Format("15:04:05 MST")))
	if err := f.do(ctx, quick, "Ask", in, nil); err != nil {
		return incident.Outcome{}, err
	}
	actions := workflow.GetSignalChannel(ctx, ActionSignal)
	for {
		late := workflow.Now(ctx).After(in.Deadline)
		var said Said
		if err := f.do(ctx, quick, "Answer", in, &said); err != nil {
			return incident.Outcome{}, err
		}
		switch {
		case said.Word == "keep":
			return incident.Outcome{Phase: incident.Succeeded, Reason: said.By + " looked and kept it; " + explainVerdict(verdict)}, nil
		case said.Word == "revert" && in.Revertible:
			return f.rollBack(ctx, verdict)
		case said.Word == "wait":
			return f.verify(ctx)
		case late:
			escalated.Reason += "; nobody said what to do"
			return escalated, nil
		}
		f.wait(ctx, actions, in.Deadline, time.Time{}) // evidence changes nothing here
	}
}
