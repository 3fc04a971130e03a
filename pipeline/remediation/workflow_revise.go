package remediation

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// mostRevisions of one pull request: after that, people know better than we do.
const mostRevisions = 5

// mostVain are the values that people chose and nobody was shown, since something refuses them. They are no revisions.
const mostVain = 15

// revises tells whether this run may revise at all, and once more.
func (f *flow) revises(ctx workflow.Context) bool {
	if workflow.GetVersion(ctx, "revise", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return false
	}
	if f.vain > 0 && f.revisions >= mostRevisions && workflow.GetVersion(ctx, "vain-apart", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		return f.revisions-f.vain < mostRevisions && f.vain < mostVain
	}
	return f.revisions < mostRevisions
}

// replan plans anew while the pull request is open, with the newest that is known of the incident.
func (f *flow) replan(ctx workflow.Context, parameters map[string]string) (next Planned, err error) {
	f.revisions++
	start := f.start
	for _, e := range f.news.list {
		if e.ID == start.Key.Incident {
			start.Incident = e.Incident
		}
	}
	err = f.do(ctx, slow, "Plan", PlanInput{Start: start, Began: f.began, Earlier: f.planned.Proposal, Revision: f.revisions, Parameters: parameters}, &next)
	if err == nil && next.reason() == "" {
		f.looked = workflow.Now(ctx)
	}
	return next, err
}

// reason why a plan leads to no pull request.
func (p Planned) reason() string {
	switch {
	case p.Holder != nil:
		return p.Holder.Workflow() + " holds the target"
	case p.Tried != "":
		return p.Tried
	}
	return p.Advised
}

// revise takes another plan through the gates to people, in the pull request that is open. What was approved of the one before
// is void.
func (f *flow) revise(ctx workflow.Context, next Planned, why string, asked *Word) (end *incident.Outcome, err error) {
	before := *f
	defer func() {
		if end != nil || err != nil { // what people were shown is still what is there
			f.planned, f.dryRun, f.change, f.among = before.planned, before.dryRun, before.change, before.among
		}
	}()
	f.planned, f.dryRun, f.by, f.judged = next, "", nil, JudgeInput{}
	f.enter(ctx, incident.PolicyCheck, next.Summary)
	if end, err = f.gate(ctx, incident.GatePlan, f.step("policy-plan"), nil); err != nil || end != nil {
		return end, err
	}
	f.enter(ctx, incident.DryRunning, next.Summary)
	if err := f.do(ctx, slow, "DryRun", DryRunInput{Key: f.start.Key, Proposal: next.Proposal, Step: f.step("dry-run")}, &f.dryRun); err != nil {
		return nil, err
	}
	var decision incident.Decision
	if end, err = f.gate(ctx, incident.GateApprove, f.step("policy-approve"), &decision); err != nil || end != nil {
		return end, err
	}
	f.planned.People, f.among = decision.Approvals, decision.Approvers
	f.enter(ctx, incident.Proposed, next.Summary)
	var change incident.Change
	err = f.do(ctx, slow, "Revise", ReviseInput{Key: f.start.Key, Proposal: next.Proposal, DryRun: f.dryRun, Decision: decision, Change: before.change,
		N: f.revisions, When: workflow.Now(ctx), Why: why, Asked: asked}, &change)
	if err != nil {
		return nil, err
	}
	if change.HeadSHA == before.change.HeadSHA { // somebody was quicker: the forge says who
		f.planned, f.dryRun, f.among = before.planned, before.dryRun, before.among
		return nil, nil
	}
	f.change = change
	return nil, f.announce(ctx, decision)
}

// step is the name of a row in the ledger that every revision has.
func (f *flow) step(name string) string {
	if f.revisions == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, f.revisions)
}

// moved plans anew where the base branch is not any more what people approved a change of.
func (f *flow) moved(ctx workflow.Context, why error) (*incident.Outcome, error) {
	var app *temporal.ApplicationError
	if !errors.As(why, &app) || app.Type() != typeMoved || f.phase != incident.Merging || !f.revises(ctx) {
		return nil, why
	}
	_, end, err := f.afresh(ctx, app.Message()) // the same: it moved back
	return end, err
}

// afresh plans anew what was approved, for that reason. What is not the same any more has become another question to people.
func (f *flow) afresh(ctx workflow.Context, why string) (same bool, end *incident.Outcome, err error) {
	if !f.revises(ctx) {
		f.shut = true
		return false, &incident.Outcome{Phase: incident.Superseded, Reason: why + "; say " + f.start.Key.Retry() + ", and it is planned anew"}, nil
	}
	f.enter(ctx, incident.Planning, why+": planning anew")
	next, err := f.replan(ctx, f.parameters)
	if err != nil || next.Same {
		return next.Same, nil, err
	}
	if none := next.reason(); none != "" {
		f.shut = true
		return false, &incident.Outcome{Phase: incident.Superseded, Reason: why + "; now " + none}, nil
	}
	end, err = f.revise(ctx, next, why, nil)
	return false, end, err
}

// rethink plans anew after new evidence. That there would be no plan any more is no reason to take the open one away.
func (f *flow) rethink(ctx workflow.Context) error {
	if !f.revises(ctx) {
		return nil
	}
	f.brief = true
	defer func() { f.brief = false }()
	next, err := f.replan(ctx, f.parameters)
	if err != nil && ctx.Err() == nil { // the open one is as good as before
		workflow.GetLogger(ctx).Warn("there is no other plan after new evidence", "error", err)
		err = nil
		next.Same = true
	}
	if err != nil || next.Same || next.reason() != "" {
		f.revisions-- // nobody was shown anything
		return err
	}
	why, err := refusal(f.revise(ctx, next, "what is known of the incident has changed", nil))
	if err != nil && ctx.Err() == nil && f.passing() {
		why, err = err.Error(), nil
	}
	if why != "" {
		workflow.GetLogger(ctx).Warn("another plan after new evidence was refused, the open one stays", "why", why)
	}
	f.pending(ctx)
	return err
}

// passing tells whether what is done now is for the sake of an open pull request only, so that whoever answers that need not wait for it.
func (f *flow) passing() bool { return f.brief && f.phase != incident.Proposed }

// refusal is why another plan does not get as far as people; other errors stay errors.
func refusal(end *incident.Outcome, err error) (string, error) {
	var app *temporal.ApplicationError
	switch {
	case end != nil:
		return end.Reason, nil
	case errors.As(err, &app) && slices.Contains([]string{"Invalid", "Conflict", "Mismanaged"}, app.Type()):
		return app.Message(), nil
	}
	return "", err
}

// asked does what somebody asks in a comment, or says why not.
func (f *flow) asked(ctx workflow.Context, w Word) error {
	f.heard = w.ID
	why, err := w.Wrong, error(nil)
	if why == "" && w.Word == "approve" {
		if why, err = f.choose(ctx, w); err != nil || why == "" {
			return err
		}
	}
	return f.do(ctx, quick, "Reply", ReplyInput{Key: f.start.Key, Change: f.change, Proposal: f.planned.Proposal, Word: w, Why: why}, nil)
}

// choose plans anew with the values that a person chose. It returns why it does not.
func (f *flow) choose(ctx workflow.Context, w Word) (why string, err error) {
	if !f.revises(ctx) {
		return fmt.Sprintf("this was revised %d times already, and %d values were refused", f.revisions-f.vain, f.vain), nil
	}
	defer func() {
		if err == nil && why != "" {
			f.vain++
		}
	}()
	chosen := maps.Clone(f.parameters)
	if chosen == nil {
		chosen = map[string]string{}
	}
	said := w.By + " asks for"
	for _, name := range workflow.DeterministicKeys(w.Parameters) {
		chosen[name] = w.Parameters[name]
		said += fmt.Sprintf(" %s %s", name, chosen[name])
	}
	next, err := f.replan(ctx, chosen)
	switch {
	case err != nil:
		return "", err
	case next.reason() != "":
		return next.reason(), nil
	case next.Same:
		return "it is like that already", nil
	}
	if why, err = refusal(f.revise(ctx, next, said, &w)); err == nil && why == "" {
		f.parameters = chosen
	}
	f.pending(ctx)
	return why, err
}
