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

// reverted is what our commit has changed, as it was before. Where somebody squashed it, and the branch is gone, the mirror may not
// have it: then what was merged.
func reverted(ctx context.Context, h History, c incident.Change, merge, head string) (map[string][]byte, error) {
	files, err := h.RevertFiles(ctx, c.HeadSHA, head)
	if errors.Is(err, repo.ErrNoCommit) && merge != "" {
		return h.RevertFiles(ctx, merge, head)
	}
	return files, err
}

// RevertInput is what ProposeRevert is asked.
type RevertInput struct {
	Key      incident.Key     `json:"key"`
	Proposal string           `json:"proposal"`
	Change   incident.Change  `json:"change"`
	Merge    string           `json:"merge"`
	Verdict  incident.Verdict `json:"verdict"`
	By       []string         `json:"by"`
	Date     time.Time        `json:"date"`              // of the commit
	Applied  time.Time        `json:"applied,omitzero"`  // when the change was
	Refused  []string         `json:"refused,omitempty"` // by policy, for these reasons, after the merge: it is not applied
}

func (in RevertInput) phase() incident.Phase {
	if len(in.Refused) > 0 {
		return incident.Applying
	}
	return incident.RollingBack
}

// ProposeRevert opens the pull request that undoes our own commit, if every file it touched is still as we left it. One of what policy
// refuses is people's to merge: git comes back to what is live then.
func (r *Reverter) ProposeRevert(ctx context.Context, in RevertInput) (incident.Change, error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, r.Book, in.Proposal)
	if err != nil {
		return incident.Change{}, err
	}
	commit, title, body := r.words(ctx, in, proposal)
	sha, err := r.commit(ctx, in, commit)
	if err != nil {
		return incident.Change{}, classify(err)
	}
	branch := in.Key.RevertBranch()
	err = write(ctx, r.Book, in.Key, in.phase(), "push-revert", func() (any, error) {
		return map[string]string{"branch": branch, "sha": sha}, r.Repo.Push(ctx, branch, "", sha)
	})
	if err != nil {
		return incident.Change{}, err
	}
	pull, err := open(ctx, r.Book, r.Forge, in.Key, in.phase(), "open-revert", forge.NewPull{Head: branch, Base: r.Repository.Base,
		Title: title, Body: body})
	if err != nil {
		return incident.Change{}, err
	}
	reverted := incident.Change{Repository: r.Repository.Name, Branch: branch, Base: r.Repository.Base, HeadSHA: sha, Number: pull.Number,
		URL: pull.URL, OpenedAt: pull.CreatedAt}
	if len(in.Refused) > 0 {
		err = r.mark(ctx, reverted)
	}
	return reverted, err
}

// words of the revert: of what did not help, or of what is not applied.
func (r *Reverter) words(ctx context.Context, in RevertInput, p incident.Proposal) (commit, title, body string) {
	if len(in.Refused) > 0 {
		return r.Writer.TakeBack(p, in.Change, in.Merge, in.Refused)
	}
	var courses []incident.Course
	if r.Course != nil && !in.Applied.IsZero() {
		courses = r.Course(ctx, p.Playbook.Checks, in.Applied, in.Verdict.At)
	}
	return r.Writer.Revert(p, in.Change, in.Merge, in.Verdict, courses)
}

// mark sets the checks of a revert that people merge, which a forge may require before it lets anybody.
func (r *Reverter) mark(ctx context.Context, reverted incident.Change) error {
	if err := r.Forge.Label(ctx, reverted.Number, "cortexops", "revert"); err != nil {
		return classify(err)
	}
	for _, s := range [][2]string{{checkDryRun, "nothing is applied by this"}, {checkPolicy, "takes back what policy refuses"}, {checkApproval, "who merges this approves it"}} {
		if err := r.Forge.Status(ctx, reverted.HeadSHA, s[0], "success", s[1], reverted.URL); err != nil {
			return classify(err)
		}
	}
	return nil
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
	files, err := reverted(ctx, r.Repo, in.Change, in.Merge, parent)
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
