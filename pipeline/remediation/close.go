package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var endings = promauto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_remediations_total",
	Help: "Remediations that ended, by ending and playbook."}, []string{"phase", "playbook"})

// Closer writes the ending: on the pull request, in git's notes, in the ledger.
type Closer struct {
	Book   Book
	Repo   Notes
	Forge  Marks
	Chat   Chat
	Writer Writer
	Claims Claims
	// Remember keeps the ending as advice for later incidents. It never fails, and returns within its own deadline.
	Remember func(ctx context.Context, p incident.Proposal, c incident.Change, o incident.Outcome)
	// Later starts the end of a fix that was made for a time; said again, it starts no other. Nil: no fix ends.
	Later   func(ctx context.Context, in Lapse, after time.Duration) error
	Refused *Refused // nil: whoever has clicked too late is not told
	// Page calls people. Nil: nobody is called.
	Page *Paging
}

// Notes adds to the git notes of a commit.
type Notes interface {
	Note(ctx context.Context, sha, text string) error
}

// Marks is what is left on a pull request at the end.
type Marks interface {
	Statuses
	Labels
	Comments
	Close(ctx context.Context, number int) error
}

// Ending is what Close is told.
type Ending struct {
	Key      incident.Key       `json:"key"`
	Outcome  incident.Outcome   `json:"outcome"`
	Change   incident.Change    `json:"change"`
	Proposal string             `json:"proposal,omitempty"`
	Playbook string             `json:"playbook,omitempty"`
	Merge    string             `json:"merge,omitempty"`
	Target   string             `json:"target,omitempty"`
	Message  string             `json:"message,omitempty"` // in the chat
	Shut     bool               `json:"shut,omitempty"`
	Joined   bool               `json:"joined,omitempty"`   // another remediation holds the target
	Suspects []incident.Suspect `json:"suspects,omitempty"` // where there is no pull request that tells of them
	Outbreak int                `json:"outbreak,omitempty"` // of the incident, that it was about at last
	Late     []incident.Action  `json:"late,omitempty"`     // clicks that nobody has judged
}

// Close tells everybody who looks how it ended.
func (c *Closer) Close(ctx context.Context, in Ending) error {
	defer beat(ctx)()
	// The ledger first: it must know the ending even where the forge does not answer.
	if in.Outcome.Phase == incident.Escalated || in.Outcome.Phase == incident.RolledBack {
		if err := note(ctx, c.Book, in.Key, in.Outcome.Phase, "escalated", incident.Event, actor, in.Outcome); err != nil {
			return err
		}
	}
	err := once(ctx, c.Book, in.Key, in.Outcome.Phase, incident.StepEnding, actor, in.Outcome, endings.WithLabelValues(string(in.Outcome.Phase), in.Playbook))
	if err != nil {
		return err
	}
	for _, click := range in.Late {
		c.Refused.Tell(ctx, in.Key, Refusal{click, hasEnded(in.Outcome.Phase)})
	}
	if !in.Joined {
		if err := c.Claims.Release(ctx, in.Target, in.Key); err != nil { // the keeper does it once this is over
			slog.WarnContext(ctx, "the claim on the target was not released", "workflow", in.Key.Workflow(), "error", err)
		}
	}
	if in.Proposal != "" && c.Remember != nil {
		proposal, err := get[incident.Proposal](ctx, c.Book, in.Proposal)
		if err != nil {
			return err
		}
		c.Remember(ctx, proposal, in.Change, in.Outcome)
	}
	if c.Chat != nil && in.Message == "" {
		text, blocks := c.Writer.SlackEnded(in.Key, in.Target, in.Change, in.Outcome, in.Suspects)
		tell(ctx, c.Chat, in.Key, "ending", text, blocks)
	}
	if err := c.later(ctx, in); err != nil {
		return err
	}
	var onForge, noted, paged error
	if c.Page != nil {
		paged = c.Page.Ended(ctx, in)
	}
	if in.Change.Number != 0 {
		onForge = c.onForge(ctx, in)
	}
	if in.Merge != "" {
		text := fmt.Sprintf("Cortexops-Workflow: %s\nCortexops-Outcome: %s\n\n%s\n", in.Key.Workflow(), in.Outcome.Phase, in.Outcome.Reason)
		noted = c.Repo.Note(ctx, in.Merge, text)
	}
	return classify(errors.Join(onForge, noted, paged))
}

// later has people asked, once the fix's time is over.
func (c *Closer) later(ctx context.Context, in Ending) error {
	if c.Later == nil || in.Outcome.Phase != incident.Succeeded || in.Proposal == "" {
		return nil
	}
	proposal, err := get[incident.Proposal](ctx, c.Book, in.Proposal)
	if err != nil || proposal.Playbook.TTL == 0 {
		return err
	}
	ttl := proposal.Playbook.TTL
	return write(ctx, c.Book, in.Key, in.Outcome.Phase, "ttl", func() (any, error) {
		return map[string]string{"workflow": in.Key.Expiry(), "after": ttl.String()},
			c.Later(ctx, Lapse{Key: in.Key, Target: in.Target, Playbook: in.Playbook, Proposal: in.Proposal, Change: in.Change, Merge: in.Merge}, ttl)
	})
}

func (c *Closer) onForge(ctx context.Context, in Ending) error {
	proposal, err := get[incident.Proposal](ctx, c.Book, in.Proposal)
	if err != nil {
		return err
	}
	number := in.Change.Number
	if c.Chat != nil && in.Message != "" {
		text, blocks := c.Writer.SlackEnd(proposal, in.Change, in.Outcome)
		if err := c.Chat.Update(ctx, in.Message, text, blocks); err != nil {
			slog.WarnContext(ctx, "the chat was not told of the ending", "workflow", in.Key.Workflow(), "error", err)
		}
	}
	if err := c.Forge.Comment(ctx, number, "ending", c.Writer.Ending(proposal, in.Outcome)); err != nil {
		return err
	}
	check, state := checkVerify, "success"
	switch in.Outcome.Phase {
	case incident.Succeeded:
	case incident.Escalated, incident.RolledBack:
		state = "failure"
		if err := c.Forge.Label(ctx, number, "cortexops/escalated"); err != nil {
			return err
		}
	case incident.Denied:
		check, state = checkPolicy, "failure" // never neutral: a forge counts that as passing
	default:
		check, state = checkApproval, "failure"
	}
	if err := c.Forge.Status(ctx, in.Change.HeadSHA, check, state, string(in.Outcome.Phase), in.Change.URL); err != nil {
		return err
	}
	// Where a person pushed to the branch or closed it, the pull request is theirs; one that merged is closed anyway.
	if in.Merge == "" && (in.Outcome.Phase == incident.Denied || in.Outcome.Phase == incident.Failed || in.Shut) {
		return c.Forge.Close(ctx, number)
	}
	return nil
}
