package remediation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// mostClicks are kept as they come; of more than that, those that say something new.
const mostClicks = 50

// deadline of the approval.
func (f *flow) deadline() time.Time { return f.change.Since().Add(f.planned.Within) }

// pending shows that people are waited for.
func (f *flow) pending(ctx workflow.Context) {
	f.enter(ctx, incident.ApprovalPending, fmt.Sprintf("%s\n\n[pull request %d](%s) waits for %d approval(s) until %s",
		f.planned.Summary, f.change.Number, f.change.URL, f.planned.People, f.deadline().UTC().Format("15:04:05 MST")))
}

// agree asks people and delivers what they approve, and asks again where that is not what would be delivered any more.
func (f *flow) agree(ctx workflow.Context) (*incident.Outcome, error) {
	for {
		if end, err := f.approval(ctx); err != nil || end != nil {
			return end, err
		}
		end, err := f.deliver(ctx)
		if err == nil || end != nil {
			return end, err
		}
		if errors.Is(err, errAsked) {
			continue
		}
		if end, err = f.moved(ctx, err); err != nil || end != nil {
			return end, err
		}
	}
}

// approval waits for people. Signals only say that something happened: what counts is what the forge says.
func (f *flow) approval(ctx workflow.Context) (*incident.Outcome, error) {
	closed := f.closed // by us: what that means, unless somebody merged it at the same time
	if closed == nil {
		f.pending(ctx)
	}
	actions := workflow.GetSignalChannel(ctx, ActionSignal)
	var until time.Time // what is on its way is waited for
	for {
		var seen Judgement
		deadline := f.deadline()
		in := JudgeInput{Key: f.start.Key, Change: f.change, People: f.planned.People, Among: f.among, Deadline: deadline, Now: workflow.Now(ctx), Clicks: f.clicks, Heard: f.heard}
		if err := f.do(ctx, quick, "Judge", in, &seen); err != nil {
			return nil, err
		}
		switch seen.State {
		case "approved", "merged":
			if closed != nil && closed.Phase == incident.Superseded && seen.State == "approved" && asksAgain(ctx) { // by a forge that shows our closing late
				return closed, nil
			}
			f.by, f.merge, f.judged = seen.By, seen.Merge, in
			if f.merge != "" { // whoever merged it has looked
				f.mergedAt, f.looked = workflow.Now(ctx), workflow.Now(ctx)
			}
			return nil, nil
		case "rejected", "voided":
			if closed != nil && seen.State == "rejected" { // our own closing, by a forge whose clock is behind
				return closed, nil
			}
			f.shut = seen.Shut
			return &incident.Outcome{Phase: incident.Rejected, Reason: seen.Why}, nil
		case "expired":
			if now, first := workflow.Now(ctx), until.IsZero(); f.announced.Message != "" && (first || now.Before(until) &&
				workflow.GetVersion(ctx, "waits-all-the-way", workflow.DefaultVersion, 1) != workflow.DefaultVersion) {
				if first { // a click counts by when it was accepted, and may still be on its way
					until = now.Add(onItsWay)
				}
				f.wait(ctx, actions, until, time.Time{})
				continue
			}
			if closed != nil {
				return closed, nil
			}
			// Close, then look once more: somebody may have merged in between.
			if err := f.do(ctx, quick, "Expire", in, nil); err != nil {
				return nil, err
			}
			closed = &incident.Outcome{Phase: incident.Expired, Reason: seen.Why}
			continue
		}
		if closed != nil { // our own closing is not a person's
			return closed, nil
		}
		if seen.Asks != nil {
			if err := f.asked(ctx, *seen.Asks); err != nil {
				return nil, err
			}
			continue
		}
		end, err := f.living(ctx)
		if err != nil {
			return nil, err
		}
		if end != nil {
			if err := f.do(ctx, quick, "Withdraw", WithdrawInput{Key: f.start.Key, Change: f.change, Why: end.Reason}, nil); err != nil {
				return nil, err
			}
			closed = end
			continue
		}
		f.wait(ctx, actions, deadline, f.soon())
	}
}

// wait returns after the next actions or evidence, just after the deadline, soon where that is some time, or after a while, whichever is
// first.
func (f *flow) wait(ctx workflow.Context, actions workflow.ReceiveChannel, deadline, soon time.Time) {
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	left := min(max(deadline.Sub(workflow.Now(ctx))+time.Second, time.Second), lookAgain)
	if !soon.IsZero() {
		left = min(left, max(soon.Sub(workflow.Now(ctx)), time.Second))
	}
	workflow.NewSelector(ctx).
		AddFuture(workflow.NewTimerWithOptions(timerCtx, left, workflow.TimerOptions{Summary: "approval deadline"}), func(workflow.Future) {}).
		AddReceive(actions, func(c workflow.ReceiveChannel, _ bool) { f.hear(c) }).
		AddReceive(workflow.GetSignalChannel(ctx, EvidenceSignal), func(c workflow.ReceiveChannel, _ bool) { f.listen(c) }).
		Select(ctx)
}

// hear takes what has come in.
func (f *flow) hear(actions workflow.ReceiveChannel) {
	for a := (incident.Action{}); actions.ReceiveAsync(&a); a = (incident.Action{}) {
		if a.Kind == incident.Merge && a.MergeSHA != "" && a.Number == f.change.Number {
			f.theirs = a
		}
		again := slices.ContainsFunc(f.clicks, func(c incident.Action) bool {
			return c.Delivery == a.Delivery || len(f.clicks) >= mostClicks && repeats(a, c)
		})
		if a.Via == incident.ViaSlack && !again { // the forge tells of all others when it is asked
			f.clicks = append(f.clicks, a)
		}
	}
}

// repeats tells whether a click says what that one has said: the earlier one counts.
func repeats(a, c incident.Action) bool {
	return a.Actor == c.Actor && a.Kind == c.Kind && a.Number == c.Number && a.HeadSHA == c.HeadSHA
}

// unheard are clicks that came while it was being closed.
func (f *flow) unheard(ctx workflow.Context) []incident.Action {
	if f.merge != "" {
		return nil
	}
	heard := len(f.clicks)
	f.hear(workflow.GetSignalChannel(ctx, ActionSignal))
	return f.clicks[heard:]
}
