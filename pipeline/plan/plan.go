// Package plan is pure: an incident, the playbooks and the files of one commit become a proposal, or the reason why
// there is none. It never guesses: a file that cannot be proven to set the field is an answer too.
package plan

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// Planner holds what does not change from one incident to the next.
type Planner struct {
	Playbooks []playbooks.Playbook
	Overlays  []string // the kustomizations that this cluster runs
}

// Propose makes the proposal for inc on the files of baseSHA, or returns *incident.NoPlan. began is when the remediation
// began: the one time that a stamp may write.
func (p *Planner) Propose(key incident.Key, began time.Time, inc incident.Incident, advisory incident.Advisory, baseSHA string, files locate.Files) (incident.Proposal, error) {
	book, why := playbooks.Match(p.Playbooks, Facts(inc))
	if book == nil {
		return incident.Proposal{}, &incident.NoPlan{Why: "no playbook fits: " + join(why)}
	}
	if inc.Root.Kind == "Secret" && inc.Root.Group == "" {
		return incident.Proposal{}, &incident.NoPlan{Why: fmt.Sprintf("playbook %s fits, but a Secret's values are shown to nobody, so that nobody could approve", book.Name)}
	}
	bound, err := playbooks.Bind(*book, playbooks.Binding{Namespace: inc.Root.Namespace, Name: inc.Root.Name, Container: inc.OfRoot().Container})
	if err != nil {
		return incident.Proposal{}, &incident.NoPlan{Why: fmt.Sprintf("playbook %s fits, but: %v", book.Name, err)}
	}
	out := incident.Proposal{Key: key, Incident: inc, Advisory: advisory, Playbook: summary(book, bound), BaseSHA: baseSHA}
	w := work{overlays: p.Overlays, before: files, now: files, changed: map[string][]byte{}, root: inc.Root, began: began}
	for _, e := range bound.Edits {
		made, err := w.edit(e)
		if err != nil {
			return incident.Proposal{}, advised(err)
		}
		out.Edits = append(out.Edits, made)
	}
	out.Overlay, out.Untouched = w.overlay, w.others()
	if out.Files, err = w.files(); err != nil {
		return incident.Proposal{}, err
	}
	if out.Before, err = w.rendered(w.before); err != nil {
		return incident.Proposal{}, advised(err)
	}
	if out.Objects, err = w.rendered(w.now); err != nil {
		return incident.Proposal{}, advised(err)
	}
	out.Explain, err = playbooks.Explain(*book, explanation(inc, out.Edits[0]))
	return out, err
}

// Facts is what playbooks are matched by: the root, and what its own signals say. What its victims' say is no reason to
// change it.
func Facts(inc incident.Incident) playbooks.Facts {
	own := inc.OfRoot()
	return playbooks.Facts{Alerts: own.Alerts, Signals: own.Signals, Container: own.Container,
		Root: playbooks.Root{Kind: inc.Root.Kind, Group: inc.Root.Group, Namespace: inc.Root.Namespace, Name: inc.Root.Name}}
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
