// Package plan is pure: an incident, the playbooks and the files of one commit become a proposal, or the reason why
// there is none. It never guesses: a file that cannot be proven to set the field is an answer too. What it needs of the
// past it says, and is asked again with it.
package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// Planner holds what does not change from one incident to the next.
type Planner struct {
	Playbooks []playbooks.Playbook
	Overlays  []string // the kustomizations that this cluster runs
}

// Request is what a proposal is made of.
type Request struct {
	Key      incident.Key
	Began    time.Time // the remediation: the one time that a stamp may write
	Incident incident.Incident
	Advisory incident.Advisory
	BaseSHA  string
	Files    locate.Files // of BaseSHA
	Way      *chain.Chain // of these, along which Flux or Argo CD delivers; nil: there is none
	Live     incident.Live
	Suspects []incident.Suspect
	// What was Wanted so far: the values of fields by their Key, the newest first, and what undoes commits on BaseSHA, or
	// why nothing does.
	Histories map[string][]repo.Value
	Reverts   map[string]repo.Reverted
	Clashes   map[string]error

	Parameters map[string]string // what people chose in the place of the playbook's values, by name
}

// Wanted is what git has to be asked before there can be a proposal: one of the two.
type Wanted struct {
	History *repo.Field
	Revert  string // the SHA of a commit
}

// errWanted ends a proposal until what is wanted is there.
type errWanted struct{ Wanted }

func (*errWanted) Error() string { return "git has to be asked first" }

// Propose makes the proposal, or returns what is wanted first, or *incident.NoPlan.
func (p *Planner) Propose(ctx context.Context, r Request) (incident.Proposal, Wanted, error) {
	out, err := p.propose(ctx, r)
	var first *errWanted
	if errors.As(err, &first) {
		return incident.Proposal{}, first.Wanted, nil
	}
	return out, Wanted{}, err
}

// propose follows the first of the playbooks that fit which is not refused.
func (p *Planner) propose(ctx context.Context, r Request) (incident.Proposal, error) {
	w := work{Request: r, overlays: p.Overlays, root: r.Incident.Root, before: tree{files: r.Files, live: r.Live}}
	if delivered(r.Way, r.Incident.Root, p.Overlays) {
		w.before.way = r.Way
	} else {
		w.before.beside = r.Way
	}
	w.now = w.before
	seen := facts(r.Incident, r.Suspects)
	if seen.Container == "" {
		seen.Container = w.onlyContainer()
	}
	fits, why := playbooks.Fits(p.Playbooks, seen)
	if len(fits) == 0 {
		return incident.Proposal{}, &incident.NoPlan{Why: "no playbook fits: " + join(why)}
	}
	var refused []string
	for _, book := range fits {
		out, err := w.follow(ctx, book, seen.Container)
		var none *incident.NoPlan
		switch {
		case errors.As(err, &none) && len(fits) == 1:
			return incident.Proposal{}, none
		case errors.As(err, &none):
			refused = append(refused, fmt.Sprintf("playbook %s fits, but: %s", book.Name, strings.TrimPrefix(none.Why, fmt.Sprintf("playbook %s fits, but: ", book.Name))))
			continue
		case err == nil && len(refused) > 0:
			out.Edits[0].Why = slices.Concat(out.Edits[0].Why, refused)
		}
		return out, err
	}
	return incident.Proposal{}, &incident.NoPlan{Why: strings.Join(refused, "; ")}
}

// follow makes the edits of one playbook.
func (w work) follow(ctx context.Context, book *playbooks.Playbook, container string) (incident.Proposal, error) {
	r, inc := w.Request, w.Incident
	w.changed = map[string][]byte{}
	if inc.Root.Kind == "Secret" && inc.Root.Group == "" {
		return incident.Proposal{}, &incident.NoPlan{Why: fmt.Sprintf("playbook %s fits, but: a Secret's values are shown to nobody, so that nobody could approve", book.Name)}
	}
	bound, err := playbooks.Bind(*book, playbooks.Binding{Namespace: inc.Root.Namespace, Name: inc.Root.Name, Container: container})
	if err != nil {
		return incident.Proposal{}, &incident.NoPlan{Why: fmt.Sprintf("playbook %s fits, but: %v", book.Name, err)}
	}
	out := incident.Proposal{Key: r.Key, Incident: inc, Advisory: r.Advisory, Playbook: summary(book, bound), BaseSHA: r.BaseSHA, Suspects: r.Suspects}
	for _, e := range bound.Edits {
		if err := w.edit(ctx, e); err != nil {
			return incident.Proposal{}, advised(err)
		}
	}
	if err := w.unused(book.Name); err != nil {
		return incident.Proposal{}, err
	}
	out.Overlay, out.Reverts, out.Parameters = w.overlay, w.reverts, w.parameters
	if out.Files, err = w.files(); err != nil {
		return incident.Proposal{}, err
	}
	if err = w.rendered(&out); err != nil {
		return incident.Proposal{}, advised(err)
	}
	if err = within(out); err != nil {
		return incident.Proposal{}, err
	}
	out.Explain, err = playbooks.Explain(*book, explanation(out, container, w.blame))
	return out, err
}

// within refuses to take a commit back that changed several namespaces: who may approve, when nothing may be changed, and what
// else is under way are judged for one.
func within(p incident.Proposal) error {
	if p.Reverts == nil {
		return nil
	}
	for _, o := range p.Objects {
		if at := p.Objects[0].Resource.Namespace; o.Resource.Namespace != at {
			return &incident.NoPlan{Why: fmt.Sprintf("taking the suspect %s back would change what is in the namespaces %s and %s, and one pull request is judged for one", p.Reverts.Short(), at, o.Resource.Namespace)}
		}
	}
	return nil
}

// Facts is what playbooks are matched by where nobody asks git: the root, and what its own signals say. What its victims'
// say is no reason to change it.
func Facts(inc incident.Incident) playbooks.Facts { return facts(inc, nil) }

func facts(inc incident.Incident, suspects []incident.Suspect) playbooks.Facts {
	own := inc.OfRoot()
	out := playbooks.Facts{Alerts: own.Alerts, Signals: own.Signals, Container: own.Container,
		Root: playbooks.Root{Kind: inc.Root.Kind, Group: inc.Root.Group, Namespace: inc.Root.Namespace, Name: inc.Root.Name}}
	for _, s := range suspects {
		seen := playbooks.Suspect{Before: s.Before, Distance: s.Distance}
		for _, f := range s.Fields {
			if s.Resource.Key() == inc.Root.Key() {
				seen.Fields = append(seen.Fields, f.Field)
			}
		}
		out.Suspects = append(out.Suspects, seen)
	}
	return out
}

// advised turns a typed refusal of the trade into an answer; everything else stays an error.
func advised(err error) error {
	var refusal *locate.Refusal
	var edited *edit.Refusal
	var syntax *edit.SyntaxError
	if errors.As(err, &refusal) || errors.As(err, &edited) || errors.As(err, &syntax) ||
		errors.Is(err, edit.ErrNotFound) || errors.Is(err, edit.ErrAmbiguous) || errors.Is(err, errNothingToDo) {
		return &incident.NoPlan{Why: err.Error()}
	}
	return err
}

func join(why []playbooks.Why) string {
	var parts []string
	for _, w := range why {
		parts = append(parts, w.Playbook+": "+w.Why)
	}
	return strings.Join(parts, "; ")
}
