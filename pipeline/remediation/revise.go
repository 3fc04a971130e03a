package remediation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// ReviseInput is what Revise is asked.
type ReviseInput struct {
	Key      incident.Key      `json:"key"`
	Proposal string            `json:"proposal"`
	DryRun   string            `json:"dryRun"`
	Decision incident.Decision `json:"decision"`
	Change   incident.Change   `json:"change"` // as people were shown it
	N        int               `json:"n"`      // of the revision, from 1
	When     time.Time         `json:"when"`   // date of the commit
	Why      string            `json:"why"`
	Asked    *Word             `json:"asked,omitempty"` // of a person, who chose a value of it; nil: nobody did
}

// Revise gives an open pull request another commit, title and body, and says so. One that is not open any more, or that a person
// has pushed to, is left as it is: the change comes back unchanged.
func (p *Proposer) Revise(ctx context.Context, in ReviseInput) (incident.Change, error) {
	defer beat(ctx)()
	proposal, dry, sha, err := p.commit(ctx, in.Proposal, in.DryRun, in.When)
	if err != nil {
		return incident.Change{}, err
	}
	pull, err := p.Forge.Get(ctx, in.Change.Number)
	if err != nil {
		return incident.Change{}, classify(err)
	}
	if pull.State != "open" || pull.HeadSHA != in.Change.HeadSHA && pull.HeadSHA != sha { // the latter is from an earlier try
		return in.Change, nil
	}
	step := "-" + strconv.Itoa(in.N)
	err = write(ctx, p.Book, in.Key, incident.Proposed, "push-branch"+step, func() (any, error) {
		return map[string]string{"branch": in.Change.Branch, "sha": sha, "proposal": in.Proposal, "why": in.Why}, p.Repo.Push(ctx, in.Change.Branch, in.Change.HeadSHA, sha)
	})
	var app *temporal.ApplicationError
	if errors.As(err, &app) && slices.Contains([]string{typeMoved, "NotOurs"}, app.Type()) { // somebody pushed since we looked
		return in.Change, nil
	}
	if err != nil {
		return incident.Change{}, err
	}
	// A forge may show a push late, and who judges by the old head would take ours for a person's. Temporal tries again.
	if now, err := p.Forge.Get(ctx, in.Change.Number); err != nil || now.HeadSHA == in.Change.HeadSHA {
		return incident.Change{}, cmp.Or(classify(err), fmt.Errorf("the forge does not show %s as the head of pull request %d yet", short(sha), in.Change.Number))
	}
	if in.Asked != nil {
		if err := noteAsked(ctx, p.Book, in.Key, *in.Asked); err != nil {
			return incident.Change{}, err
		}
	}
	change := in.Change
	change.HeadSHA = sha
	title, body, _ := p.Writer.Pull(proposal, dry, in.Decision, time.Now().Add(proposal.Playbook.Within))
	err = write(ctx, p.Book, in.Key, incident.Proposed, "edit-pull"+step, func() (any, error) {
		return map[string]int{"number": change.Number}, p.Forge.EditPull(ctx, change.Number, title, body)
	})
	if err != nil {
		return incident.Change{}, err
	}
	change.RevisedAt = time.Now()
	return change, classify(p.Forge.Comment(ctx, change.Number, "revised", p.Writer.Revised(proposal, change, in.Why)))
}

// same tells whether two proposals ask people for the same.
func (p *Planner) same(ctx context.Context, earlier string, now incident.Proposal) (bool, error) {
	was, err := get[incident.Proposal](ctx, p.Book, earlier)
	return err == nil && was.Playbook.Digest == now.Playbook.Digest && was.Overlay == now.Overlay &&
		slices.EqualFunc(was.Files, now.Files, func(a, b incident.File) bool {
			return a.Path == b.Path && bytes.Equal(a.Before, b.Before) && bytes.Equal(a.After, b.After)
		}) &&
		slices.EqualFunc(was.Objects, now.Objects, func(a, b incident.RenderedObject) bool { return a.Digest == b.Digest }), err
}

// ReplyInput is what Reply is told.
type ReplyInput struct {
	Key      incident.Key    `json:"key"`
	Change   incident.Change `json:"change"`
	Proposal string          `json:"proposal"`
	Word     Word            `json:"word"`
	Why      string          `json:"why,omitempty"` // it is not done; empty: it asks for words only
}

// noteAsked writes the row of what a person asked in a comment.
func noteAsked(ctx context.Context, b Book, key incident.Key, w Word) error {
	return note(ctx, b, key, incident.ApprovalPending, "asked-"+strconv.FormatInt(w.ID, 10), incident.Event, w.By, w)
}

// Reply answers what somebody asked in a comment.
func (a *Asker) Reply(ctx context.Context, in ReplyInput) error {
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return err
	}
	body := a.Writer.Refused(in.Word.By, in.Why)
	if in.Why == "" {
		body = a.Writer.Explained(proposal, in.Change)
	}
	if err := noteAsked(ctx, a.Book, in.Key, in.Word); err != nil {
		return err
	}
	return classify(a.Forge.Comment(ctx, in.Change.Number, "reply-"+strconv.FormatInt(in.Word.ID, 10), body))
}
