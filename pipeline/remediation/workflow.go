package remediation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	// WorkflowName is the registered type of Remediate.
	WorkflowName = "Remediate"
	// ActionSignal carries an incident.Action: something happened to the change, look at the forge.
	ActionSignal = "action"
	// typeUnauthorized is the error type of whatever we lack a permission or valid credentials for.
	typeUnauthorized = "Unauthorized"
	// typeRefused is the error type of a write that the forge refused.
	typeRefused = "Refused"
	// typeWithdrawn is the error type of a merge whose approval does not stand any more.
	typeWithdrawn = "Withdrawn"
	// typeMoved is the error type of a base branch that moved under what was approved.
	typeMoved = "Moved"
	// typeRival is the error type of a merge that somebody else's open pull request stands against.
	typeRival = "Rival"
	// lookAgain is how long a lost webhook can keep an approval unseen.
	lookAgain = 5 * time.Minute
	// onItsWay is longer than the bus takes to bring again what could not be handed over.
	onItsWay = 45 * time.Second
)

// The search attributes, all of type Keyword.
var (
	phaseAttribute    = temporal.NewSearchAttributeKeyKeyword("CortexOpsPhase")
	incidentAttribute = temporal.NewSearchAttributeKeyKeyword("CortexOpsIncident")
	targetAttribute   = temporal.NewSearchAttributeKeyKeyword("CortexOpsTarget")
	playbookAttribute = temporal.NewSearchAttributeKeyKeyword("CortexOpsPlaybook")
)

// Start is the input of the workflow.
type Start struct {
	Key      incident.Key `json:"key"`
	Incident string       `json:"incident"` // digest of the sealed incident's blob
	Target   string       `json:"target"`
	Adopts   *Adopts      `json:"adopts,omitempty"`   // it begins with a merge; nil: with a plan
	Outbreak *int         `json:"outbreak,omitempty"` // of the incident, from 0: how often it had broken out again; nil: one less than the attempt
}

// flow is what one run knows. Big things are digests of blobs in the ledger.
type flow struct {
	start     Start
	began     time.Time // dates of commits, so that a retried one has the same SHA
	planned   Planned
	dryRun    string // digest
	change    incident.Change
	announced Announced
	clicks    []incident.Action // in the chat
	theirs    incident.Action   // the merge of the pull request, where we were told of one
	among     []string          // who alone can approve
	news      news
	shut      bool     // the pull request is closed by a word in the chat
	by        []string // who approved
	judged    JudgeInput
	merge     string // SHA
	followed  int    // by the attempt that goes on from a merge; 0: by none
	phase     incident.Phase
	entered   bool              // any phase
	holds     int               // how often a permission was missing
	rounds    int               // of verification
	applied   map[string]string // revisions of what we applied
	appliedAt time.Time
	silent    bool // what to make of silence
	spent     bool // the merge: it is taken back, or did not help and nothing of it is left to do

	revisions  int
	vain       int               // revisions of which nobody was shown anything
	brief      bool              // a plan anew is made while people are waited for
	parameters map[string]string // that people chose
	heard      int64             // the comment up to which what people asked is answered
}

// Remediate takes one sealed incident from plan to verdict. An error of the workflow itself is a bug; everything that
// can happen is an Outcome.
func Remediate(ctx workflow.Context, start Start) (incident.Outcome, error) {
	f := &flow{start: start, began: workflow.GetInfo(ctx).WorkflowStartTime}
	if _, shown := workflow.GetTypedSearchAttributes(ctx).GetKeyword(incidentAttribute); shown { // since its start
		f.phase = incident.Planning
	} else if err := workflow.UpsertTypedSearchAttributes(ctx, incidentAttribute.ValueSet(start.Key.Incident), targetAttribute.ValueSet(start.Target)); err != nil {
		return incident.Outcome{}, err
	}
	end, err := f.journey(ctx)
	if err != nil {
		end = f.failed(err)
	}
	if end.Phase == incident.Escalated && f.merge != "" && !f.spent {
		end.Merged = incident.Merged{Number: f.change.Number, SHA: f.merge}
	}
	settled := workflow.Now(ctx)
	f.enter(ctx, end.Phase, strings.TrimSpace(end.Reason+" "+end.Rival.URL))
	// The ending is written even where the run was cancelled.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	ending := Ending{Target: start.Target, Message: f.announced.Message, Shut: f.shut, Key: start.Key, Outcome: end, Change: f.change, Proposal: f.planned.Proposal, Merge: f.merge, Playbook: f.planned.Playbook,
		Joined: f.planned.Holder != nil, Suspects: f.planned.Suspects, Late: f.unheard(ctx), Outbreak: f.outbreak()}
	if err := run(ctx, quick, "Close", ending, nil); err != nil {
		return end, err
	}
	if err := f.missed(ctx); err != nil {
		return end, err
	}
	return end, f.again(ctx, settled)
}

func (f *flow) journey(ctx workflow.Context) (incident.Outcome, error) {
	steps := []func(workflow.Context) (*incident.Outcome, error){f.plan, f.propose, f.agree}
	if f.start.Adopts != nil {
		steps = []func(workflow.Context) (*incident.Outcome, error){f.adopt, f.deliver}
	}
	for _, step := range steps {
		if end, err := step(ctx); err != nil || end != nil {
			return deref(end), err
		}
	}
	return f.verify(ctx)
}

func (f *flow) plan(ctx workflow.Context) (*incident.Outcome, error) {
	f.enter(ctx, incident.Planning, "finding the file and the smallest edit")
	if err := f.do(ctx, slow, "Plan", PlanInput{Start: f.start, Began: f.began}, &f.planned); err != nil {
		return nil, err
	}
	if f.planned.Holder != nil {
		if end, err := f.join(ctx); err != nil || end != nil {
			return end, err
		}
	}
	if f.planned.Tried != "" {
		return &incident.Outcome{Phase: incident.Escalated, Reason: f.planned.Tried}, nil
	}
	if f.planned.Advised != "" {
		return &incident.Outcome{Phase: incident.Advised, Reason: f.planned.Advised, Rival: f.planned.Rival}, nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, playbookAttribute.ValueSet(f.planned.Playbook)); err != nil {
		return nil, err
	}
	f.enter(ctx, incident.PolicyCheck, f.planned.Summary)
	if end, err := f.gate(ctx, incident.GatePlan, "policy-plan", nil); err != nil || end != nil {
		return end, err
	}
	f.enter(ctx, incident.DryRunning, f.planned.Summary)
	return nil, f.do(ctx, slow, "DryRun", DryRunInput{Key: f.start.Key, Proposal: f.planned.Proposal}, &f.dryRun)
}

func (f *flow) propose(ctx workflow.Context) (*incident.Outcome, error) {
	var decision incident.Decision
	if end, err := f.gate(ctx, incident.GateApprove, "policy-approve", &decision); err != nil || end != nil {
		return end, err
	}
	f.planned.People, f.among = decision.Approvals, decision.Approvers
	f.enter(ctx, incident.Proposed, f.planned.Summary)
	err := f.do(ctx, slow, "Propose", ProposeInput{Key: f.start.Key, Proposal: f.planned.Proposal, DryRun: f.dryRun,
		Decision: decision, Began: f.began}, &f.change)
	if err != nil {
		return nil, err
	}
	return nil, f.announce(ctx, decision)
}

func (f *flow) announce(ctx workflow.Context, decision incident.Decision) error {
	return f.do(ctx, quick, "Announce", AnnounceInput{Key: f.start.Key, Proposal: f.planned.Proposal, Deadline: f.deadline(), Change: f.change, Objects: f.planned.Objects, Risk: f.planned.Risk, Decision: decision,
		DryRun: f.dryRun, Message: f.announced.Message}, &f.announced)
}

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
		if end, err = f.moved(ctx, err); err != nil || end != nil {
			return end, err
		}
	}
}

// approval waits for people. Signals only say that something happened: what counts is what the forge says.
func (f *flow) approval(ctx workflow.Context) (*incident.Outcome, error) {
	f.pending(ctx)
	actions := workflow.GetSignalChannel(ctx, ActionSignal)
	var closed *incident.Outcome // by us: what that means, unless somebody merged it at the same time
	late := f.announced.Message == ""
	for {
		var seen Judgement
		deadline := f.deadline()
		in := JudgeInput{Key: f.start.Key, Change: f.change, People: f.planned.People, Among: f.among, Deadline: deadline, Now: workflow.Now(ctx), Clicks: f.clicks, Heard: f.heard}
		if err := f.do(ctx, quick, "Judge", in, &seen); err != nil {
			return nil, err
		}
		switch seen.State {
		case "approved", "merged":
			f.by, f.merge, f.judged = seen.By, seen.Merge, in
			return nil, nil
		case "rejected", "voided":
			if closed != nil && seen.State == "rejected" { // our own closing, by a forge whose clock is behind
				return closed, nil
			}
			f.shut = seen.Shut
			return &incident.Outcome{Phase: incident.Rejected, Reason: seen.Why}, nil
		case "expired":
			if !late { // a click counts by when it was accepted, and may still be on its way
				late = true
				f.wait(ctx, actions, workflow.Now(ctx).Add(onItsWay))
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
		f.wait(ctx, actions, deadline)
	}
}

// wait returns after the next actions, just after the deadline, or after a while, whichever is first.
func (f *flow) wait(ctx workflow.Context, actions workflow.ReceiveChannel, deadline time.Time) {
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	left := min(max(deadline.Sub(workflow.Now(ctx))+time.Second, time.Second), lookAgain)
	if soon := f.soon(); !soon.IsZero() {
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
		again := slices.ContainsFunc(f.clicks, func(c incident.Action) bool { return c.Delivery == a.Delivery })
		if a.Via == incident.ViaSlack && !again { // the forge tells of all others when it is asked
			f.clicks = append(f.clicks, a)
		}
	}
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

func (f *flow) deliver(ctx workflow.Context) (*incident.Outcome, error) {
	f.enter(ctx, incident.Merging, approvedBy(f.by))
	if f.merge == "" { // else a person merged it: a fact, not a request
		if end, err := f.gate(ctx, incident.GateApply, f.step("policy-merge"), nil); err != nil || end != nil {
			return end, err
		}
		err := f.do(ctx, slow, "Merge", &MergeInput{Message: f.announced.Message, Key: f.start.Key, Proposal: f.planned.Proposal, Change: f.change, By: f.by,
			Judged: f.judged}, &f.merge)
		if err != nil {
			return nil, err
		}
	}
	f.enter(ctx, incident.Applying, "merged as "+f.merge)
	if end, err := f.gate(ctx, incident.GateApply, "policy-apply", nil); err != nil || end != nil {
		return end, err
	}
	stuck, err := f.apply(ctx, f.merge, false)
	if err != nil || stuck == "" {
		return nil, err
	}
	end, err := f.judge(ctx, incident.Verdict{Result: incident.Fail, At: workflow.Now(ctx),
		Checks: []incident.CheckResult{{Name: "rollout", Result: incident.Fail, Value: stuck, Must: "become ready"}}})
	return &end, err
}

// failed is the ending where an activity gave up: once git has changed, a person must look.
func (f *flow) failed(err error) incident.Outcome {
	phase := incident.Failed
	if f.merge != "" || f.phase == incident.Merging || f.phase == incident.ApprovalPending { // git has changed, or may have
		phase = incident.Escalated
	}
	var end *over
	if errors.As(err, &end) {
		return end.Outcome
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		if app.Type() == typeRefused { // a rule of the forge: the pull request stays open for people
			phase = incident.Escalated
		}
		if app.Type() == typeMoved && f.phase == incident.Merging {
			f.shut = true
			return incident.Outcome{Phase: incident.Superseded, Reason: app.Message() + "; say " + f.start.Key.Retry() + ", and it is planned anew"}
		}
		var rival incident.Rival
		if app.Type() == typeRival && app.HasDetails() && app.Details(&rival) == nil {
			f.shut = true
			return incident.Outcome{Phase: incident.Superseded, Reason: app.Message(), Rival: rival}
		}
		if app.Type() == typeWithdrawn {
			var seen Judgement
			f.shut = app.HasDetails() && app.Details(&seen) == nil && seen.Shut
			return incident.Outcome{Phase: incident.Rejected, Reason: app.Message()}
		}
		return incident.Outcome{Phase: phase, Reason: fmt.Sprintf("%s: %s: %s", f.phase, app.Type(), app.Message())}
	}
	return incident.Outcome{Phase: phase, Reason: fmt.Sprintf("%s: %v", f.phase, err)}
}

func deref(o *incident.Outcome) incident.Outcome {
	if o == nil {
		return incident.Outcome{}
	}
	return *o
}
