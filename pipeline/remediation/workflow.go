package remediation

import (
	"cmp"
	"errors"
	"fmt"
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
	// typeLimited is the error type of calls that the forge takes no more of for a while.
	typeLimited = "RateLimited"
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
	merge     string            // SHA
	mergedAt  time.Time         // when we knew of it
	looked    time.Time         // when it was last known that this is the change for what is known
	closed    *incident.Outcome // by us although it was approved: what that means
	followed  int               // by the attempt that goes on from a merge; 0: by none
	phase     incident.Phase
	entered   bool              // any phase
	holds     int               // how often a permission was missing
	rounds    int               // of verification
	applied   map[string]string // revisions of what we applied
	appliedAt time.Time
	tried     bool // the change: it was applied, and is looked at
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
	end.Untried = end.Phase == incident.Escalated && !f.tried
	settled := workflow.Now(ctx)
	f.enter(ctx, end.Phase, strings.TrimSpace(end.Reason+" "+end.Rival.URL))
	// The ending is written even where the run was cancelled.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	ending := Ending{Target: start.Target, Message: f.announced.Message, Shut: f.shut, Key: start.Key, Outcome: end, Change: f.change, Proposal: f.planned.Proposal, Merge: f.merge, Playbook: f.planned.Playbook,
		Joined: f.planned.Holder != nil, Suspects: f.planned.Suspects, Late: f.unheard(ctx), Outbreak: f.outbreak()}
	unclosed := run(ctx, telling, "Close", ending, nil)
	if unclosed != nil && workflow.GetVersion(ctx, "on-though-unclosed", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return end, unclosed
	}
	if err := f.missed(ctx); err != nil {
		return end, err
	}
	return end, cmp.Or(f.again(ctx, settled), unclosed)
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
	if end := f.overdue(ctx); end != nil {
		return end, nil
	}
	if err := f.do(ctx, slow, "Plan", PlanInput{Start: f.start, Began: f.began}, &f.planned); err != nil {
		return nil, err
	}
	if f.planned.Holder != nil {
		if end, err := f.join(ctx); err != nil || end != nil {
			return end, err
		}
	}
	f.looked = workflow.Now(ctx)
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
	return nil, f.do(ctx, slow, "DryRun", DryRunInput{Key: f.start.Key, Proposal: f.planned.Proposal, Step: f.step("dry-run")}, &f.dryRun)
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
	return f.do(ctx, slow, "Announce", AnnounceInput{Key: f.start.Key, Proposal: f.planned.Proposal, Deadline: f.deadline(), Change: f.change, Objects: f.planned.Objects, Risk: f.planned.Risk, Decision: decision,
		DryRun: f.dryRun, Message: f.announced.Message}, &f.announced)
}

func (f *flow) deliver(ctx workflow.Context) (*incident.Outcome, error) {
	f.enter(ctx, incident.Merging, approvedBy(f.by))
	if f.merge == "" { // else a person merged it: a fact, not a request
		if end, err := f.mayMerge(ctx, f.step("policy-merge")); err != nil || end != nil {
			return end, err
		}
		f.hear(workflow.GetSignalChannel(ctx, ActionSignal)) // what was clicked while it was held back
		f.judged.Clicks = f.clicks
		err := f.do(ctx, slow, "Merge", &MergeInput{Message: f.announced.Message, Key: f.start.Key, Proposal: f.planned.Proposal, Change: f.change, By: f.by,
			Judged: f.judged}, &f.merge)
		if err != nil {
			return nil, err
		}
		f.mergedAt, f.looked = workflow.Now(ctx), workflow.Now(ctx)
	}
	f.enter(ctx, incident.Applying, "merged as "+f.merge)
	if end, err := f.mayApply(ctx, "policy-apply"); err != nil || end != nil {
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

// mayMerge asks policy, and whether the change is still wanted; policy once more where it was planned anew.
func (f *flow) mayMerge(ctx workflow.Context, step string) (*incident.Outcome, error) {
	for {
		if end, err := f.gate(ctx, incident.GateApply, step, nil); err != nil || end != nil {
			return end, err
		}
		if anew, end, err := f.current(ctx); err != nil || end != nil || !anew {
			return end, err
		}
	}
}

// mayApply asks both before the apply.
func (f *flow) mayApply(ctx workflow.Context, step string) (*incident.Outcome, error) {
	if end, err := f.gate(ctx, incident.GateApply, step, nil); err != nil || end != nil {
		return end, err
	}
	return f.applicable(ctx)
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
