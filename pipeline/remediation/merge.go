package remediation

import (
	"context"
	"strings"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Merger is the activity of MERGING.
type Merger struct {
	Book  Book
	Forge interface {
		Reviewed
		Statuses
		Merging
	}
	Chat   Chat
	Writer Writer
	Rule   Judging
	// Still refuses a base branch that moved under what was approved.
	Still  func(ctx context.Context, p incident.Proposal) error
	Rivals *Rivals
}

// approvedBy says who approved.
func approvedBy(by []string) string {
	if len(by) == 0 {
		return "allowed by policy, which asks nobody"
	}
	return "approved by " + strings.Join(by, ", ")
}

// Merging merges exactly one head.
type Merging interface {
	Merge(ctx context.Context, number int, sha, title, message string) (string, error)
}

// MergeInput is what Merge is asked.
type MergeInput struct {
	Key      incident.Key    `json:"key"`
	Proposal string          `json:"proposal"`
	Change   incident.Change `json:"change"`
	By       []string        `json:"by"`
	Judged   JudgeInput      `json:"judged"` // what was asked when it was approved
	Message  string          `json:"message,omitempty"`
}

// Merge merges exactly the approved head, and returns the merge commit.
func (m *Merger) Merge(ctx context.Context, in MergeInput) (sha string, err error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, m.Book, in.Proposal)
	if err != nil {
		return "", err
	}
	seen, err := m.Rule.read(ctx, m.Forge, in.Judged) // again: a word may have been taken back while nobody was running
	if err != nil {
		return "", err
	}
	if seen.State != "approved" && seen.State != "merged" {
		return "", temporal.NewNonRetryableApplicationError(seen.Why, typeWithdrawn, nil, seen)
	}
	if seen.State == "approved" { // else it is merged: also by us, before a crash
		if err := m.Still(ctx, proposal); err != nil {
			return "", err
		}
		if err := m.Rivals.refuse(ctx, in.Key, proposal); err != nil {
			return "", err
		}
	}
	err = m.Forge.Status(ctx, in.Change.HeadSHA, checkApproval, "success", approvedBy(in.By), in.Change.URL)
	if err != nil {
		return "", classify(err)
	}
	if m.Chat != nil && in.Message != "" { // nothing is left to click
		text, blocks := m.Writer.SlackEnd(proposal, in.Change, incident.Outcome{Phase: incident.Merging, Reason: approvedBy(in.By)})
		if err := m.Chat.Update(ctx, in.Message, text, blocks); err != nil {
			activity.GetLogger(ctx).Warn("the chat was not told of the approval", "error", err)
		}
	}
	title, message := m.Writer.Merge(proposal, in.Change, in.By)
	err = write(ctx, m.Book, in.Key, incident.Merging, "merge", func() (any, error) {
		sha, err = m.Forge.Merge(ctx, in.Change.Number, in.Change.HeadSHA, title, message)
		return map[string]any{"sha": sha, "by": in.By}, err
	})
	return sha, err
}
