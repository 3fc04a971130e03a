package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// The checks on a pull request: commit statuses, pending or failure until allowed.
const (
	checkDryRun   = "cortexops/dry-run"
	checkPolicy   = "cortexops/policy"
	checkApproval = "cortexops/approval"
	checkVerify   = "cortexops/verify"
)

// Pusher writes to the repository: commits without a checkout, pushes as compare-and-swap.
type Pusher interface {
	Commit(ctx context.Context, spec repo.CommitSpec) (string, error)
	Push(ctx context.Context, branch, old, new string) error
}

// Pulls opens pull requests. It looks first, as every writer to the forge does.
type Pulls interface {
	OpenPull(ctx context.Context, p forge.NewPull) (forge.Pull, error)
}

// Statuses sets a check on a commit.
type Statuses interface {
	Status(ctx context.Context, sha, context, state, description, target string) error
}

// Labels adds labels to a pull request.
type Labels interface {
	Label(ctx context.Context, number int, labels ...string) error
}

// Comments writes the one comment of ours with this marker, or amends it.
type Comments interface {
	Comment(ctx context.Context, number int, marker, body string) error
}

// Chat is where people talk. Post shows something once for each remediation and topic: "" is its change. Nil: nobody talks anywhere.
type Chat interface {
	Post(ctx context.Context, key incident.Key, topic, text string, blocks []byte) (message string, err error)
	Update(ctx context.Context, message, text string, blocks []byte) error
}

// chatPatience is how long a proposal waits for the chat: the pull request is where it is approved in any case.
const chatPatience = 15 * time.Second

// Writer makes every text that people read.
type Writer interface {
	Pull(p incident.Proposal, dry incident.DryRun, d incident.Decision, deadline time.Time) (title, body string, more []string)
	Commit(p incident.Proposal) string
	Merge(p incident.Proposal, c incident.Change, by []string) (title, message string)
	Revised(p incident.Proposal, c incident.Change, why string) string
	Revert(p incident.Proposal, c incident.Change, merge string, v incident.Verdict, courses []incident.Course) (commit, title, body string)
	TakeBack(p incident.Proposal, c incident.Change, merge string, reasons []string) (commit, title, body string)
	Ending(p incident.Proposal, o incident.Outcome) string
	Slack(p incident.Proposal, c incident.Change, people int, deadline time.Time) (text string, blocks []byte)
	SlackEnded(key incident.Key, target string, c incident.Change, o incident.Outcome, suspects []incident.Suspect) (text string, blocks []byte)
	SlackEnd(p incident.Proposal, c incident.Change, o incident.Outcome) (text string, blocks []byte)
}

// Proposer is the activity of PROPOSED.
type Proposer struct {
	Book Book
	Repo interface {
		Pusher
		Fetch(ctx context.Context) error
	}
	Forge interface {
		Pulls
		Statuses
		Labels
		Comments
		Get(ctx context.Context, number int) (forge.Pull, error)
		EditPull(ctx context.Context, number int, title, body string) error
	}
	Chat       Chat
	Writer     Writer
	Repository Repository
}

// Repository names where changes go and who commits them.
type Repository struct {
	Name   string // owner/name on the forge
	Base   string
	Author repo.Author
}

// ProposeInput is what Propose is asked.
type ProposeInput struct {
	Key      incident.Key      `json:"key"`
	Proposal string            `json:"proposal"`
	DryRun   string            `json:"dryRun"`
	Decision incident.Decision `json:"decision"`
	Began    time.Time         `json:"began"`
}

// Propose commits the edit on a branch and opens the pull request.
func (p *Proposer) Propose(ctx context.Context, in ProposeInput) (incident.Change, error) {
	defer beat(ctx)()
	proposal, dry, sha, err := p.commit(ctx, in.Proposal, in.DryRun, in.Began)
	if err != nil {
		return incident.Change{}, err
	}
	err = write(ctx, p.Book, in.Key, incident.Proposed, "push-branch", func() (any, error) {
		return map[string]string{"branch": in.Key.Branch(), "sha": sha, "proposal": in.Proposal}, p.Repo.Push(ctx, in.Key.Branch(), "", sha)
	})
	if err != nil {
		return incident.Change{}, err
	}
	title, body, _ := p.Writer.Pull(proposal, dry, in.Decision, time.Now().Add(proposal.Playbook.Within))
	pull, err := open(ctx, p.Book, p.Forge, in.Key, incident.Proposed, "open-pull", forge.NewPull{Head: in.Key.Branch(),
		Base: p.Repository.Base, Title: title, Body: body})
	if err != nil {
		return incident.Change{}, err
	}
	change := incident.Change{Repository: p.Repository.Name, Branch: in.Key.Branch(), Base: p.Repository.Base, HeadSHA: sha,
		Number: pull.Number, URL: pull.URL, OpenedAt: pull.CreatedAt}
	if pull.HeadSHA != sha && pull.State != "open" { // of an earlier life of this incident: its word is not about this commit
		return incident.Change{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("pull request %d of this branch is %s at another commit, %s", pull.Number, pull.State, pull.HeadSHA), typeMoved, nil)
	}
	return change, nil
}

// commit makes the commit of a proposal, and reads what there is to say about it.
func (p *Proposer) commit(ctx context.Context, proposed, rehearsed string, when time.Time) (proposal incident.Proposal, dry incident.DryRun, sha string, err error) {
	if proposal, err = get[incident.Proposal](ctx, p.Book, proposed); err != nil {
		return proposal, dry, "", err
	}
	if dry, err = get[incident.DryRun](ctx, p.Book, rehearsed); err != nil {
		return proposal, dry, "", err
	}
	files := map[string][]byte{}
	for _, f := range proposal.Files {
		files[f.Path] = f.After
	}
	spec := repo.CommitSpec{Parent: proposal.BaseSHA, Files: files, Message: p.Writer.Commit(proposal), Author: p.Repository.Author, When: when}
	if sha, err = p.Repo.Commit(ctx, spec); errors.Is(err, repo.ErrNoCommit) { // another worker has planned it, with a mirror of its own
		if err = p.Repo.Fetch(ctx); err == nil {
			sha, err = p.Repo.Commit(ctx, spec)
		}
	}
	return proposal, dry, sha, classify(err)
}

// AnnounceInput is what Announce is asked.
type AnnounceInput struct {
	Key      incident.Key      `json:"key"`
	Proposal string            `json:"proposal"`
	Deadline time.Time         `json:"deadline"`
	Change   incident.Change   `json:"change"`
	Objects  int               `json:"objects"` // that would change
	Risk     string            `json:"risk"`
	Decision incident.Decision `json:"decision"`
	DryRun   string            `json:"dryRun,omitempty"`
	Message  string            `json:"message,omitempty"` // in the chat, of what was there before
}

// Announce sets the labels and the checks, and writes what the pull request has no room for: after the workflow knows the change, so that a failure here does not orphan it.
func (p *Proposer) Announce(ctx context.Context, in AnnounceInput) (Announced, error) {
	defer beat(ctx)()
	if err := p.Forge.Label(ctx, in.Change.Number, "cortexops", "risk/"+in.Risk); err != nil {
		return Announced{}, classify(err)
	}
	pending := fmt.Sprintf("waits for %d approval(s)", in.Decision.Approvals)
	for _, s := range [][3]string{
		{checkDryRun, "success", fmt.Sprintf("the API server would store %d changed object(s)", in.Objects)},
		{checkPolicy, "success", "allowed at revision " + short(in.Decision.Revision)},
		{checkApproval, "pending", pending},
	} {
		if err := p.Forge.Status(ctx, in.Change.HeadSHA, s[0], s[1], s[2], in.Change.URL); err != nil {
			return Announced{}, classify(err)
		}
	}
	proposal, err := get[incident.Proposal](ctx, p.Book, in.Proposal)
	if err != nil {
		return Announced{}, err
	}
	if err := p.goOn(ctx, in, proposal); err != nil || p.Chat == nil {
		return Announced{}, err
	}
	text, blocks := p.Writer.Slack(proposal, in.Change, in.Decision.Approvals, in.Deadline)
	if in.Message != "" {
		if err := p.Chat.Update(ctx, in.Message, text, blocks); err != nil {
			slog.WarnContext(ctx, "the chat was not told of another commit", "workflow", in.Key.Workflow(), "error", err)
		}
		return Announced{Message: in.Message}, nil
	}
	return Announced{Message: tell(ctx, p.Chat, in.Key, "", text, blocks)}, nil
}

// goOn writes the diffs that were too long for the pull request.
func (p *Proposer) goOn(ctx context.Context, in AnnounceInput, proposal incident.Proposal) error {
	if in.DryRun == "" { // asked by a workflow of before there were such comments
		return nil
	}
	dry, err := get[incident.DryRun](ctx, p.Book, in.DryRun)
	if err != nil {
		return err
	}
	_, _, more := p.Writer.Pull(proposal, dry, in.Decision, in.Deadline)
	for i, body := range more {
		if err := p.Forge.Comment(ctx, in.Change.Number, fmt.Sprintf("diff-%d", i+1), body); err != nil {
			return classify(err)
		}
	}
	return nil
}

// Announced is what Announce left where people talk.
type Announced struct {
	Message string `json:"message,omitempty"` // by which the chat knows it
}

// open opens a pull request, once.
func open(ctx context.Context, b Book, f Pulls, key incident.Key, phase incident.Phase, step string, n forge.NewPull) (pull forge.Pull, err error) {
	err = write(ctx, b, key, phase, step, func() (any, error) {
		pull, err = f.OpenPull(ctx, n)
		return map[string]any{"number": pull.Number, "url": pull.URL}, err
	})
	return pull, err
}

func short(digest string) string { return digest[:min(12, len(digest))] }
