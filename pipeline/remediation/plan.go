package remediation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Planning turns a sealed incident into a proposal over the files of one commit. It is pure: what it needs of the past it
// is given, or says.
type Planning interface {
	// Places are where the incident's workloads are set; a commit that changed none of them is no suspect.
	Places(inc incident.Incident, files locate.Files, way *chain.Chain) []repo.Place
	// Changed tells what lies between two commits of the first of the incident's workloads that they render differently.
	Changed(inc incident.Incident, before, after locate.Files) (r incident.Resource, fields []incident.FieldChange, known bool)
	// Propose returns the proposal, or what is wanted first, or *incident.NoPlan.
	Propose(ctx context.Context, r PlanRequest) (incident.Proposal, Wanted, error)
}

// PlanRequest is what a proposal is made of.
type PlanRequest struct {
	Key       incident.Key
	Began     time.Time
	Incident  incident.Incident
	Advisory  incident.Advisory
	BaseSHA   string
	Files     locate.Files
	Way       *chain.Chain
	Live      incident.Live
	Suspects  []incident.Suspect
	Histories map[string][]repo.Value
	Reverts   map[string]repo.Reverted
	Clashes   map[string]error

	Parameters map[string]string
}

// Wanted is what git has to be asked first: one of the two.
type Wanted struct {
	History *repo.Field
	Revert  string
}

// Mirror is the repository as it is read.
type Mirror interface {
	Fetch(ctx context.Context) error
	Head(branch string) (string, error)
	Snapshot(sha string) (*repo.Snapshot, error)
}

// Past is what the repository remembers.
type Past interface {
	Parents(sha string) ([]string, error)
	Suspects(ctx context.Context, q repo.SuspectQuery) ([]repo.Suspect, error)
	FieldHistory(ctx context.Context, q repo.FieldQuery) ([]repo.Value, error)
	Revert(ctx context.Context, commit, head string) (repo.Reverted, error)
}

// Planner is the activity of PLANNING.
type Planner struct {
	Book Book
	Repo interface {
		Mirror
		Past
	}
	Base string // the branch that is deployed
	Make Planning
	// Way is how Flux and Argo CD deliver what is in the files. Nil: they deliver nothing.
	Way func(ctx context.Context, files locate.Files) (*chain.Chain, error)
	// Live never fails: what cannot be read is not known. Nil: nobody asks the cluster.
	Live func(ctx context.Context, root incident.Resource) incident.Live
	// Advise never fails, and answers within its own deadline. What it says is words for people: Make decides nothing by it.
	Advise func(ctx context.Context, inc incident.Incident) incident.Advisory
	Claims Claims
	Tool   string // that delivers what is merged: flux or argocd; empty: we apply it
	Rivals *Rivals
	// History of a target since then.
	History func(ctx context.Context, target string, since time.Time) ([]incident.Past, error)
}

// PlanInput is what Plan is asked.
type PlanInput struct {
	Start Start
	Began time.Time // of the workflow

	// Where there is a pull request already:
	Earlier    string            `json:",omitempty"` // digest of its proposal
	Revision   int               `json:",omitempty"` // from 1
	Parameters map[string]string `json:",omitempty"` // that people chose
}

// step is the name of the row of this plan.
func (in PlanInput) step() string {
	if in.Revision == 0 {
		return "plan"
	}
	return fmt.Sprintf("plan-%d", in.Revision)
}

// Planned is what the workflow needs to know of a proposal.
type Planned struct {
	Advised  string             `json:"advised,omitempty"`  // why there is no proposal
	Suspects []incident.Suspect `json:"suspects,omitempty"` // where there is no proposal
	Rival    incident.Rival     `json:"rival,omitzero"`     // that we stand back from, where it is Advised
	Holder   *incident.Key      `json:"holder,omitempty"`   // another remediation, which is at work on the target
	Tried    string             `json:"tried,omitempty"`    // why it is not tried again
	Proposal string             `json:"proposal"`           // digest
	Summary  string             `json:"summary"`
	Playbook string             `json:"playbook"`
	People   int                `json:"people"`
	Within   time.Duration      `json:"within"`
	Window   time.Duration      `json:"window"`
	Rollback string             `json:"rollback"`
	Objects  int                `json:"objects"` // that the edits change
	Risk     string             `json:"risk"`
	Tool     string             `json:"tool,omitempty"` // that delivers what is merged; empty: we apply it
	Same     bool               `json:"same,omitempty"` // as the earlier one: nothing else is set here
}

// Plan finds the playbook, the file and the smallest edit.
func (p *Planner) Plan(ctx context.Context, in PlanInput) (Planned, error) {
	defer beat(ctx)()
	holder, err := p.Claims.Take(ctx, in.Start.Target, in.Start.Key, time.Now())
	if err != nil {
		return Planned{}, err
	}
	if holder != in.Start.Key {
		return Planned{Holder: &holder}, nil
	}
	inc, err := get[incident.Incident](ctx, p.Book, in.Start.Incident)
	if err != nil {
		return Planned{}, err
	}
	if err := p.Repo.Fetch(ctx); err != nil {
		return Planned{}, classify(err)
	}
	sha, err := p.Repo.Head(p.Base)
	if err != nil {
		return Planned{}, classify(err)
	}
	files, err := p.Repo.Snapshot(sha)
	if err != nil {
		return Planned{}, err
	}
	key := in.Start.Key
	var way *chain.Chain
	if p.Way != nil {
		if way, err = p.Way(ctx, files); err != nil {
			return Planned{}, err
		}
	}
	suspects, err := p.suspects(ctx, inc, sha, files, way)
	if err != nil {
		return Planned{}, err
	}
	advisory, err := p.advisory(ctx, in, inc)
	if err != nil {
		return Planned{}, err
	}
	request := PlanRequest{Key: key, Began: in.Began, Incident: inc, Advisory: advisory, BaseSHA: sha, Files: files, Way: way, Suspects: suspects, Parameters: in.Parameters}
	if p.Live != nil {
		request.Live = p.Live(ctx, inc.Root)
	}
	proposal, err := p.propose(ctx, request)
	var none *incident.NoPlan
	if errors.As(err, &none) {
		return Planned{Advised: none.Why, Suspects: suspects}, note(ctx, p.Book, key, incident.Planning, in.step(), incident.Event, actor,
			map[string]any{"advised": none.Why, "suspects": suspects})
	}
	if err != nil {
		return Planned{}, classify(err)
	}
	failed, err := p.failures(ctx, in.Start.Target, proposal.Playbook.Name)
	if err != nil {
		return Planned{}, err
	}
	if failed >= tries {
		why := fmt.Sprintf("%s did not help %s %d times in %s, and is not tried again", proposal.Playbook.Name, inc.Root, failed, cooldown)
		return Planned{Tried: why}, note(ctx, p.Book, key, incident.Planning, in.step(), incident.Event, actor, map[string]string{"tried": why})
	}
	if in.Earlier != "" {
		if same, err := p.same(ctx, in.Earlier, proposal); err != nil || same {
			return Planned{Same: same}, err
		}
	}
	if out, err := p.standBack(ctx, in, proposal); err != nil || out.Advised != "" {
		return out, err
	}
	digest, err := put(ctx, p.Book, proposal)
	if err != nil {
		return Planned{}, err
	}
	out := planned(proposal, digest, p.Tool)
	pb := proposal.Playbook
	row, err := entry(key, incident.Planning, in.step(), incident.Event, actor, map[string]any{
		"proposal": digest, "playbook": pb.Name, "playbookDigest": pb.Digest, "base": sha, "edit": out.Summary})
	if err != nil {
		return Planned{}, err
	}
	fresh, err := p.Book.Append(ctx, row)
	if err == nil && !fresh { // this is a retry, and may have other words than the row that is there: those of a model, or of the memory
		err = note(ctx, p.Book, key, incident.Planning, "plan-"+short(digest), incident.Event, actor, map[string]string{"proposal": digest})
	}
	return out, err
}

func planned(p incident.Proposal, digest, tool string) Planned {
	pb := p.Playbook
	return Planned{Proposal: digest, Summary: summary(p), Playbook: pb.Name, People: pb.People, Within: pb.Within,
		Window: pb.Window, Rollback: pb.Rollback, Objects: len(p.Objects), Risk: pb.Risk, Tool: tool}
}

// advisory is the earlier one where there is one: words about the same incident.
func (p *Planner) advisory(ctx context.Context, in PlanInput, inc incident.Incident) (incident.Advisory, error) {
	if in.Earlier == "" {
		return p.Advise(ctx, inc), nil
	}
	was, err := get[incident.Proposal](ctx, p.Book, in.Earlier)
	return was.Advisory, err
}

// failures counts how often the playbook did not help the target lately.
func (p *Planner) failures(ctx context.Context, target, playbook string) (n int, err error) {
	past, err := p.History(ctx, target, time.Now().Add(-cooldown))
	for _, e := range past {
		if e.Playbook == playbook && !e.Untried && (e.Outcome == incident.RolledBack || e.Outcome == incident.Escalated) {
			n++
		}
	}
	return n, err
}

// summary is the change in one line.
func summary(p incident.Proposal) string {
	e := p.Edits[0]
	out := fmt.Sprintf("%s: %s %s → %s in %s:%d", e.Resource, e.Field, e.From, e.To, e.File, e.Line)
	if more := len(p.Edits) - 1; more > 0 {
		out += fmt.Sprintf(", and %d more", more)
	}
	if p.Reverts != nil {
		out = fmt.Sprintf("revert %s: %s", p.Reverts.Short(), out)
	}
	return out
}
