package remediation

import (
	"context"
	"slices"
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
	Book   Book
	Policy Policy
	Brakes Brakes
	Bot    string // our own login on the forge
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
}

// Decide asks one gate and writes the answer into the ledger; a denial is a policy_violation there.
func (g *Gatekeeper) Decide(ctx context.Context, in GateInput) (incident.Decision, error) {
	proposal, err := get[incident.Proposal](ctx, g.Book, in.Proposal)
	if err != nil {
		return incident.Decision{}, err
	}
	question := g.question(proposal, in)
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
	d := incident.Decision{Gate: in.Gate, Allow: said.Allow, Approvals: said.Approvals, Reasons: said.Reasons,
		Revision: said.Revision, InputDigest: said.InputDigest}
	if d.Allow && in.Gate == incident.GateApply && in.Phase != incident.RollingBack { // what did harm is taken back in any case
		if d.Wait, err = g.Brakes.Act(ctx, proposal.Incident.Root, in.Key, time.Now()); err != nil || d.Wait != "" {
			return d, err
		}
	}
	step := in.Step
	if !d.Allow {
		step = "policy_violation"
		if _, err := g.Book.PutBlob(ctx, said.Input); err != nil { // under InputDigest, so that the decision can be repeated
			return incident.Decision{}, err
		}
	}
	return d, note(ctx, g.Book, in.Key, in.Phase, step, incident.Event, actor, d)
}

func (g *Gatekeeper) question(p incident.Proposal, in GateInput) policies.Input {
	t := p.Edits[0].Resource
	q := policies.Input{
		Cluster: t.Cluster, Environment: t.Namespace, Incident: in.Key.Incident, Actor: g.Bot,
		Playbook: policies.Playbook{Name: p.Playbook.Name, Risk: p.Playbook.Risk, People: p.Playbook.People},
		Target:   object(t),
		Blast:    policies.Blast{Pods: p.Incident.Blast.Pods, Services: p.Incident.Blast.Services},
		Time:     in.At,
	}
	for _, e := range p.Edits {
		q.Edits = append(q.Edits, policies.Edit{Field: e.Field, From: e.From, To: e.To, File: e.File})
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
			if i := slices.IndexFunc(out.Fields, func(have policies.Field) bool { return asked && have.Field == f.Field }); i >= 0 {
				out.Fields[i].From = f.From // what is live
				continue
			}
			out.Fields = append(out.Fields, policies.Field{Field: f.Field, From: f.From, To: f.To})
		}
	}
	return out
}

func object(r incident.Resource) policies.Object {
	return policies.Object{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}
