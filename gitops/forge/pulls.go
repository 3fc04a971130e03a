package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-github/v60/github"
)

// Pull is a pull request.
type Pull struct {
	Number                        int
	URL, Title, Body              string
	HeadRef, HeadSHA, BaseRef     string
	State                         string // open | closed
	Merged                        bool
	MergeSHA, MergedBy            string // empty unless Merged
	ClosedBy                      string // who closed it without merging; only Get tells
	Author                        string
	CreatedAt, ClosedAt, MergedAt time.Time
}

func pullOf(p *github.PullRequest) Pull {
	out := Pull{Number: p.GetNumber(), URL: p.GetHTMLURL(), Title: p.GetTitle(), Body: p.GetBody(), HeadRef: p.GetHead().GetRef(),
		HeadSHA: p.GetHead().GetSHA(), BaseRef: p.GetBase().GetRef(), State: p.GetState(), Merged: p.GetMerged(),
		Author: p.GetUser().GetLogin(), CreatedAt: p.GetCreatedAt().Time, ClosedAt: p.GetClosedAt().Time, MergedAt: p.GetMergedAt().Time}
	if out.Merged { // before, the SHA is that of a trial
		out.MergeSHA, out.MergedBy = p.GetMergeCommitSHA(), p.GetMergedBy().GetLogin()
	}
	return out
}

// NewPull is what OpenPull is asked for.
type NewPull struct {
	Head, Base, Title, Body string
}

// OpenPull returns the pull request of the head branch, whatever its state, or opens it.
func (f *Forge) OpenPull(ctx context.Context, n NewPull) (Pull, error) {
	number, err := f.find(ctx, n.Head)
	if errors.Is(err, ErrNotFound) {
		var made *github.PullRequest
		made, _, err = f.client.PullRequests.Create(ctx, f.owner, f.repo, &github.NewPullRequest{Title: &n.Title, Head: &n.Head, Base: &n.Base, Body: &n.Body})
		number = made.GetNumber()
		if err != nil {
			err = wrap("open a pull request for "+n.Head, err)
			// Somebody was quicker, or only the answer is lost.
			if found, again := f.find(ctx, n.Head); again == nil {
				number, err = found, nil
			}
		}
	}
	if err != nil {
		return Pull{}, err
	}
	return f.Get(ctx, number)
}

// EditPull gives it another title and body.
func (f *Forge) EditPull(ctx context.Context, number int, title, body string) error {
	_, _, err := f.client.PullRequests.Edit(ctx, f.owner, f.repo, number, &github.PullRequest{Title: &title, Body: &body})
	return wrap(fmt.Sprintf("edit pull request %d", number), err)
}

// find is the number of the newest pull request of the head branch.
func (f *Forge) find(ctx context.Context, head string) (int, error) {
	list, _, err := f.client.PullRequests.List(ctx, f.owner, f.repo, &github.PullRequestListOptions{State: "all", Head: f.owner + ":" + head,
		Sort: "created", Direction: "desc", ListOptions: github.ListOptions{PerPage: perPage}})
	if err != nil {
		return 0, wrap("list pull requests", err)
	}
	for _, p := range list {
		if p.GetHead().GetRef() == head { // a forge that ignores the filter must not fool us
			return p.GetNumber(), nil
		}
	}
	return 0, fmt.Errorf("pull request of %s: %w", head, ErrNotFound)
}

// OpenPulls lists those that are open, from branches of this repository. Merged, MergeSHA and MergedBy are not in a list.
func (f *Forge) OpenPulls(ctx context.Context) ([]Pull, error) {
	var out []Pull
	page := &github.PullRequestListOptions{State: "open", ListOptions: github.ListOptions{PerPage: perPage}}
	for {
		list, res, err := f.client.PullRequests.List(ctx, f.owner, f.repo, page)
		if err != nil {
			return nil, wrap("list pull requests", err)
		}
		for _, p := range list {
			if p.GetHead().GetRepo().GetFullName() == p.GetBase().GetRepo().GetFullName() { // a fork can name its branches as ours
				out = append(out, pullOf(p))
			}
		}
		if res.NextPage == 0 {
			return out, nil
		}
		page.Page = res.NextPage
	}
}

// Get reads a pull request.
func (f *Forge) Get(ctx context.Context, number int) (Pull, error) {
	p, err := f.get(ctx, number)
	out := pullOf(p)
	if err != nil || out.State != "closed" || out.Merged {
		return out, err
	}
	issue, _, err := f.client.Issues.Get(ctx, f.owner, f.repo, number) // which a pull request is too, and only that says who closed it
	out.ClosedBy = issue.GetClosedBy().GetLogin()
	err = wrap(fmt.Sprintf("read who closed pull request %d", number), err)
	if denied := new(Unauthorized); errors.As(err, &denied) || errors.Is(err, ErrNotFound) { // a token that may not read issues
		return out, nil
	}
	return out, err
}

func (f *Forge) get(ctx context.Context, number int) (*github.PullRequest, error) {
	p, _, err := f.client.PullRequests.Get(ctx, f.owner, f.repo, number)
	if err != nil {
		return nil, wrap(fmt.Sprintf("read pull request %d", number), err)
	}
	return p, nil
}

// Review is one review; a person may have written several.
type Review struct {
	ID          int64
	User        string
	State       string // APPROVED | CHANGES_REQUESTED | COMMENTED | DISMISSED
	CommitSHA   string
	Body        string
	SubmittedAt time.Time
	MayWrite    bool // whether User may push to the repository; on GitHub anybody who can read it can write a review
}

// Reviews lists the reviews, oldest first.
func (f *Forge) Reviews(ctx context.Context, number int) ([]Review, error) {
	var out []Review
	writers := map[string]bool{}
	page := &github.ListOptions{PerPage: perPage}
	for {
		list, res, err := f.client.PullRequests.ListReviews(ctx, f.owner, f.repo, number, page)
		if err != nil {
			return nil, wrap(fmt.Sprintf("read the reviews of pull request %d", number), err)
		}
		for _, r := range list {
			user := r.GetUser().GetLogin()
			if _, asked := writers[user]; !asked {
				if writers[user], err = f.personMayWrite(ctx, r.GetUser()); err != nil {
					return nil, err
				}
			}
			out = append(out, Review{ID: r.GetID(), User: user, State: r.GetState(), CommitSHA: r.GetCommitID(),
				Body: r.GetBody(), SubmittedAt: r.GetSubmittedAt().Time, MayWrite: writers[user]})
		}
		if res.NextPage == 0 {
			return out, nil
		}
		page.Page = res.NextPage
	}
}

// MayWrite asks for the user's permission, which "maintain" and "triage" are folded into by GitHub. Who is no user of the
// forge any more, or is an app, may not.
func (f *Forge) MayWrite(ctx context.Context, user string) (bool, error) {
	if user == "" {
		return false, nil
	}
	level, _, err := f.client.Repositories.GetPermissionLevel(ctx, f.owner, f.repo, url.PathEscape(user))
	if err = wrap("read the permission of "+user, err); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return level.GetPermission() == "admin" || level.GetPermission() == "write", err
}

// personMayWrite is MayWrite for whoever wrote something: an app approves nothing, whatever it may push.
func (f *Forge) personMayWrite(ctx context.Context, user *github.User) (bool, error) {
	if user.GetType() == "Bot" {
		return false, nil
	}
	return f.MayWrite(ctx, user.GetLogin())
}

const (
	mergeTries = 4
	mergeWait  = time.Second
)

// Merge merges exactly sha and returns the merge commit. One that is merged already returns its merge commit, if what
// was merged is sha.
func (f *Forge) Merge(ctx context.Context, number int, sha, title, message string) (string, error) {
	var err error
	for try := range mergeTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return "", err
			case <-time.After(mergeWait):
			}
		}
		done, merged, again := "", false, false
		if done, merged, err = f.merged(ctx, number, sha); merged || err != nil {
			return done, err
		}
		if done, again, err = f.merge(ctx, number, sha, title, message); !again {
			return done, err
		}
	}
	return "", err
}

// merged looks whether the work is done, or cannot be done.
func (f *Forge) merged(ctx context.Context, number int, sha string) (mergeSHA string, merged bool, err error) {
	pull, err := f.Get(ctx, number)
	switch {
	case err != nil:
		return "", false, err
	case pull.HeadSHA != sha:
		return "", false, &Refused{http.StatusConflict, fmt.Sprintf("the head of pull request %d is %s, not %s that was approved", number, pull.HeadSHA, sha)}
	case pull.Merged:
		return pull.MergeSHA, true, nil
	case pull.State != "open":
		return "", false, &Refused{http.StatusMethodNotAllowed, fmt.Sprintf("pull request %d is closed", number)}
	}
	return "", false, nil
}

// merge tries once. again: the forge is not of one mind yet, since the base has just moved or it is still computing.
func (f *Forge) merge(ctx context.Context, number int, sha, title, message string) (mergeSHA string, again bool, err error) {
	res, _, err := f.client.PullRequests.Merge(ctx, f.owner, f.repo, number, message, &github.PullRequestOptions{CommitTitle: title, SHA: sha, MergeMethod: "merge"})
	if err == nil {
		return res.GetSHA(), false, nil
	}
	err = wrap(fmt.Sprintf("merge pull request %d", number), err)
	now, lookErr := f.get(ctx, number)
	if lookErr != nil {
		return "", false, err
	}
	if pull := pullOf(now); pull.Merged && pull.HeadSHA == sha { // somebody was quicker, or only the answer is lost
		return pull.MergeSHA, false, nil
	}
	var refused *Refused
	if !errors.As(err, &refused) || refused.Status != http.StatusMethodNotAllowed {
		return "", false, err
	}
	switch now.GetMergeableState() {
	case "clean", "unstable", "has_hooks", "unknown":
		return "", true, err
	}
	return "", false, err
}

// Close closes a pull request; one that is closed or merged is left as it is.
func (f *Forge) Close(ctx context.Context, number int) error {
	pull, err := f.Get(ctx, number)
	if err != nil || pull.State == "closed" {
		return err
	}
	closed := "closed"
	_, _, err = f.client.PullRequests.Edit(ctx, f.owner, f.repo, number, &github.PullRequest{State: &closed})
	return wrap(fmt.Sprintf("close pull request %d", number), err)
}
