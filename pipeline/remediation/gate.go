package remediation

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/policies"
)

// Policy decides. An error of it is never an allowance.
type Policy interface {
	Evaluate(ctx context.Context, gate string, in policies.Input) (policies.Decision, error)
}

// Gatekeeper is the activity that asks policy.
type Gatekeeper struct {
	Book    Book
	Policy  Policy
	Brakes  Brakes
	Bot     string // our own login on the forge
	Freezes []policies.Freeze
	// History of a target since then. nil: policy is told of none.
	History func(ctx context.Context, target string, since time.Time) ([]incident.Past, error)
}

// remembered is how long an earlier remediation concerns policy.
const remembered = 30 * 24 * time.Hour

// decided is the row of a decision: with what it is about, so that a target's history can be read.
type decided struct {
	incident.Decision
	Target   string `json:"target"`
	Playbook string `json:"playbook"`
}

// GateInput is one question.
type GateInput struct {
	Key       incident.Key   `json:"key"`
	Gate      incident.Gate  `json:"gate"`
	Step      string         `json:"step"` // names the row in the ledger
	Phase     incident.Phase `json:"phase"`
	Proposal  string         `json:"proposal"`
	DryRun    string         `json:"dryRun,omitempty"`
	Approvals []string       `json:"approvals,omitempty"`
	At        time.Time      `json:"at"`
	Holder    incident.Key   `json:"holder,omitzero"` // of the target; zero: Key
	Fact      bool           `json:"fact,omitempty"`  // it is merged, and a tool delivers it: nothing is held back by the answer
}

// Decide asks one gate and writes the answer into the ledger; a denial is a policy_violation there.
func (g *Gatekeeper) Decide(ctx context.Context, in GateInput) (incident.Decision, error) {
	proposal, err := get[incident.Proposal](ctx, g.Book, in.Proposal)
	if err != nil {
		return incident.Decision{}, err
	}
	question := g.question(proposal, in)
	if question.History, err = g.history(ctx, proposal, in); err != nil {
		return incident.Decision{}, err
	}
	if in.DryRun != "" {
		dry, err := get[incident.DryRun](ctx, g.Book, in.DryRun)
		if err != nil {
			return incident.Decision{}, err
		}
		question.DryRun = dryRunInput(proposal, dry)
	}
	said, err := g.Policy.Evaluate(ctx, string(in.Gate), question)
	if err != nil {
		return incident.Decision{}, err
	}
	d := incident.Decision{Gate: in.Gate, Allow: said.Allow, Approvals: said.Approvals, Approvers: said.Approvers, Rules: said.Rules,
		Reasons: said.Reasons, Revision: said.Revision, InputDigest: said.InputDigest}
	if d.Allow && in.Gate == incident.GateApply && in.Phase != incident.RollingBack { // what did harm is taken back in any case
		holder := in.Key
		if in.Holder != (incident.Key{}) {
			holder = in.Holder
		}
		if d.Wait, err = g.Brakes.Act(ctx, proposal.Incident.Root, holder, time.Now()); err != nil || d.Wait != "" && !in.Fact {
			return d, err
		}
		d.Wait = ""
	}
	step, row := in.Step, decided{d, proposal.Incident.Root.Key(), proposal.Playbook.Name}
	if !d.Allow {
		step = violation(in.Step)
		slog.WarnContext(ctx, "policy denies", "workflow", in.Key.Workflow(), "phase", in.Phase, "gate", d.Gate, "target", row.Target, "playbook", row.Playbook,
			"rules", d.Rules, "reasons", d.Reasons, "revision", d.Revision, "inputDigest", d.InputDigest)
		if _, err := g.Book.PutBlob(ctx, said.Input); err != nil { // under InputDigest, so that the decision can be repeated
			return incident.Decision{}, err
		}
	}
	return d, note(ctx, g.Book, in.Key, in.Phase, step, incident.Event, actor, row)
}

// violation names the row of a denial: where one did not end the attempt, or it acts once more after its end, there may be another.
func violation(step string) string {
	if slices.Contains([]string{"policy-plan", "policy-approve", "policy-merge", "policy-apply"}, step) {
		return "policy_violation"
	}
	return "policy_violation-" + strings.TrimPrefix(step, "policy-")
}

// history is what became of the other remediations of the target.
func (g *Gatekeeper) history(ctx context.Context, p incident.Proposal, in GateInput) (out []policies.Past, err error) {
	if g.History == nil {
		return nil, nil
	}
	all, err := g.History(ctx, p.Incident.Root.Key(), in.At.Add(-remembered))
	for _, past := range all {
		if past.Key != in.Key {
			out = append(out, policies.Past{Incident: past.Key.Incident, Attempt: past.Key.Attempt, Playbook: past.Playbook, Outcome: string(past.Outcome), At: past.At})
		}
	}
	return out, err
}

func (g *Gatekeeper) question(p incident.Proposal, in GateInput) policies.Input {
	t := p.Edits[0].Resource
	q := policies.Input{
		Cluster: t.Cluster, Environment: t.Namespace, Incident: in.Key.Incident, Actor: g.Bot,
		Playbook: policies.Playbook{Name: p.Playbook.Name, Risk: p.Playbook.Risk, People: p.Playbook.People},
		Target:   object(t),
		Blast:    policies.Blast{Pods: p.Incident.Blast.Pods, Services: p.Incident.Blast.Services},
		Revert:   in.Phase == incident.RollingBack,
		Freezes:  g.Freezes,
		Time:     in.At,
	}
	for _, e := range p.Edits {
		q.Edits = append(q.Edits, policies.Edit{Object: object(e.Resource), Field: e.Field, From: e.From, To: e.To, File: e.File})
	}
	for _, who := range in.Approvals {
		q.Approvals = append(q.Approvals, policies.Approval{User: who})
	}
	return q
}

// dryRunInput counts the changed fields that no edit asked for: those that the apply would take back from what is live
// are among them.
func dryRunInput(p incident.Proposal, dry incident.DryRun) *policies.DryRun {
	out := &policies.DryRun{}
	for _, o := range dry.Objects {
		out.Objects = append(out.Objects, object(o.Resource))
		for _, f := range slices.Concat(o.Fields, o.Drift) {
			asked := slices.ContainsFunc(p.Edits, func(e incident.Edit) bool { return e.Resource.Key() == o.Resource.Key() && e.Field == f.Field })
			if !asked {
				out.FieldsOutsideEdit++
			}
			if i := slices.IndexFunc(out.Fields, func(have policies.Field) bool {
				return asked && have.Object == object(o.Resource) && have.Field == f.Field
			}); i >= 0 {
				out.Fields[i].From = f.From // what is live
				continue
			}
			out.Fields = append(out.Fields, policies.Field{Object: object(o.Resource), Field: f.Field, From: f.From, To: f.To})
		}
	}
	return out
}

func object(r incident.Resource) policies.Object {
	return policies.Object{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}
