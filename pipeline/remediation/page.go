package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	stepPage     = "page"
	stepPageOver = "page-over"
	stepHealed   = "healed" // of the attempt that is one more than the outbreak's number
)

// Pager calls people, and lets them go again. Both may be said twice.
type Pager interface {
	Trigger(ctx context.Context, p incident.Page) error
	Resolve(ctx context.Context, incident string) error
}

// Paging calls people for what nobody but a person can mend.
type Paging struct {
	Book  Book
	Pager Pager
	// Entries are an incident's rows of the ledger, which say whether somebody was called.
	Entries func(ctx context.Context, incident string) ([]incident.Entry, error)
	// Words are what they are called with. The proposal is empty where there is none.
	Words func(key incident.Key, target string, p incident.Proposal, c incident.Change, o incident.Outcome, workflow string) incident.Page
	// Workflow is the address of a workflow's page. Nil: there is none.
	Workflow func(key incident.Key) string
}

// Ended calls somebody where the remediation ended so that a person is needed, and lets them go where a later attempt succeeded.
func (p *Paging) Ended(ctx context.Context, in Ending) error {
	switch in.Outcome.Phase {
	case incident.Escalated, incident.RolledBack:
		return p.call(ctx, in)
	case incident.Succeeded:
		return p.Over(ctx, in.Key.Incident)
	}
	return nil
}

func (p *Paging) call(ctx context.Context, in Ending) error {
	var proposal incident.Proposal
	if in.Proposal != "" {
		var err error
		if proposal, err = get[incident.Proposal](ctx, p.Book, in.Proposal); err != nil {
			return err
		}
	}
	at := ""
	if p.Workflow != nil {
		at = p.Workflow(in.Key)
	}
	page := p.Words(in.Key, in.Target, proposal, in.Change, in.Outcome, at)
	if err := p.tell(ctx, in.Key, in.Outcome.Phase, stepPage, func() error { return p.Pager.Trigger(ctx, page) }); err != nil {
		return err
	}
	rows, err := p.Entries(ctx, in.Key.Incident)
	if err != nil {
		return err
	}
	// Whoever says that it is over looks for a call after that is written down, and we look for that after the call is.
	if slices.ContainsFunc(rows, func(e incident.Entry) bool { return e.Step == stepHealed && e.Attempt > in.Outbreak }) {
		return p.Over(ctx, in.Key.Incident)
	}
	return nil
}

// Healed lets people go who were called for an incident that is over, or will be: a remediation may end later than it.
func (p *Paging) Healed(ctx context.Context, inc incident.Incident) error {
	if !inc.SealedAt.IsZero() { // else nothing was begun for it
		key := incident.Key{Incident: inc.ID, Attempt: 1 + inc.Reopened}
		if err := note(ctx, p.Book, key, incident.Superseded, stepHealed, incident.Event, actor, map[string]any{"at": inc.HealedAt}); err != nil {
			return err
		}
	}
	return p.Over(ctx, inc.ID)
}

// Over lets people go who were called for an incident that is over. Where nobody was, nothing is said.
func (p *Paging) Over(ctx context.Context, id string) error {
	rows, err := p.Entries(ctx, id)
	if err != nil {
		return err
	}
	called, over := incident.Key{}, map[incident.Key]bool{}
	for _, e := range rows {
		key := incident.Key{Incident: e.Incident, Attempt: e.Attempt}
		switch {
		case e.Kind == incident.Done && e.Step == stepPage && key.Attempt > called.Attempt:
			called = key
		case e.Kind == incident.Done && e.Step == stepPageOver:
			over[key] = true
		}
	}
	if called.Attempt == 0 || over[called] {
		return nil
	}
	return p.tell(ctx, called, incident.Escalated, stepPageOver, func() error { return p.Pager.Resolve(ctx, id) })
}

// tell writes down what was said. What will never be taken is written down, too: it must not hold up the rest.
func (p *Paging) tell(ctx context.Context, key incident.Key, phase incident.Phase, step string, say func() error) error {
	err := write(ctx, p.Book, key, phase, step, func() (any, error) { return map[string]string{"incident": key.Incident}, say() })
	var never interface{ Permanent() bool }
	if !errors.As(err, &never) || !never.Permanent() {
		return err
	}
	slog.ErrorContext(ctx, "nobody was called", "workflow", key.Workflow(), "step", step, "error", err)
	return note(ctx, p.Book, key, phase, step+"-refused", incident.Event, actor, map[string]string{"why": fmt.Sprint(err)})
}
