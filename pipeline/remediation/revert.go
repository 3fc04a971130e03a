package remediation

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Reverter is the activity of ROLLING_BACK up to the merge; the apply is Applier's.
type Reverter struct {
	Book Book
	Repo interface {
		Mirror
		Pusher
		History
	}
	Forge interface {
		Pulls
		Statuses
		Labels
		Merging
	}
	Writer     Writer
	Repository Repository
	// Course is how the checks stood before the apply and after it. It never fails. Nil: nobody asks.
	Course func(ctx context.Context, checks []incident.Check, applied, until time.Time) []incident.Course
}

// History is what a revert rests on.
type History interface {
	Parents(sha string) ([]string, error)
	RevertFiles(ctx context.Context, commit, head string) (map[string][]byte, error)
}

// RevertInput is what ProposeRevert is asked.
type RevertInput struct {
	Key      incident.Key     `json:"key"`
	Proposal string           `json:"proposal"`
	Change   incident.Change  `json:"change"`
	Merge    string           `json:"merge"`
	Verdict  incident.Verdict `json:"verdict"`
	By       []string         `json:"by"`
	Date     time.Time        `json:"date"`             // of the commit
	Applied  time.Time        `json:"applied,omitzero"` // when the change was
}

// ProposeRevert opens the pull request that undoes our own commit, if every file it touched is still as we left it.
func (r *Reverter) ProposeRevert(ctx context.Context, in RevertInput) (incident.Change, error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, r.Book, in.Proposal)
	if err != nil {
		return incident.Change{}, err
	}
	var courses []incident.Course
	if r.Course != nil && !in.Applied.IsZero() {
		courses = r.Course(ctx, proposal.Playbook.Checks, in.Applied, in.Verdict.At)
	}
	commit, title, body := r.Writer.Revert(proposal, in.Change, in.Merge, in.Verdict, courses)
	sha, err := r.commit(ctx, in, commit)
	if err != nil {
		return incident.Change{}, classify(err)
	}
	branch := in.Key.RevertBranch()
	err = write(ctx, r.Book, in.Key, incident.RollingBack, "push-revert", func() (any, error) {
		return map[string]string{"branch": branch, "sha": sha}, r.Repo.Push(ctx, branch, "", sha)
	})
	if err != nil {
		return incident.Change{}, err
	}
	pull, err := open(ctx, r.Book, r.Forge, in.Key, incident.RollingBack, "open-revert", forge.NewPull{Head: branch, Base: r.Repository.Base,
		Title: title, Body: body})
	if err != nil {
		return incident.Change{}, err
	}
	return incident.Change{Repository: r.Repository.Name, Branch: branch, Base: r.Repository.Base, HeadSHA: sha, Number: pull.Number,
		URL: pull.URL, OpenedAt: pull.CreatedAt}, nil
}

// commit returns the revert commit, on the base's head or where an earlier try put it. What is on the branch already
// must be the very commit that we would make there: it was approved with the change, and nobody will read it again.
func (r *Reverter) commit(ctx context.Context, in RevertInput, message string) (string, error) {
	if err := r.Repo.Fetch(ctx); err != nil {
		return "", err
	}
	parent, err := r.Repo.Head(r.Repository.Base)
	if err != nil {
		return "", err
	}
	there, err := r.Repo.Head(in.Key.RevertBranch())
	if err != nil && !errors.Is(err, repo.ErrNoBranch) {
		return "", err
	}
	if there != "" {
		parents, err := r.Repo.Parents(there)
		if err != nil {
			return "", err
		}
		if len(parents) == 1 {
			parent = parents[0]
		}
	}
	files, err := r.Repo.RevertFiles(ctx, in.Change.HeadSHA, parent)
	if err != nil {
		return "", err
	}
	sha, err := r.Repo.Commit(ctx, repo.CommitSpec{Parent: parent, Files: files, Message: message, Author: r.Repository.Author, When: in.Date})
	if err == nil && there != "" && there != sha {
		return "", &repo.Moved{Branch: in.Key.RevertBranch(), Want: sha, Have: there}
	}
	return sha, err
}

// RevertMergeInput is what MergeRevert is asked.
type RevertMergeInput struct {
	RevertInput
	Revert incident.Change `json:"revert"`
}

// MergeRevert merges the revert. It was approved together with the change.
func (r *Reverter) MergeRevert(ctx context.Context, in RevertMergeInput) (sha string, err error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, r.Book, in.Proposal)
	if err != nil {
		return "", err
	}
	if err := r.Forge.Label(ctx, in.Revert.Number, "cortexops", "revert"); err != nil {
		return "", classify(err)
	}
	approved := "a change is approved together with its clean revert; approved by " + strings.Join(in.By, ", ")
	for _, check := range []string{checkPolicy, checkApproval} {
		if err := r.Forge.Status(ctx, in.Revert.HeadSHA, check, "success", approved, in.Revert.URL); err != nil {
			return "", classify(err)
		}
	}
	_, message := r.Writer.Merge(proposal, in.Revert, in.By)
	_, title, _ := r.Writer.Revert(proposal, in.Change, in.Merge, in.Verdict, nil)
	err = write(ctx, r.Book, in.Key, incident.RollingBack, "merge-revert", func() (any, error) {
		sha, err = r.Forge.Merge(ctx, in.Revert.Number, in.Revert.HeadSHA, title, message)
		return map[string]any{"sha": sha}, err
	})
	return sha, err
}
