package forge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// Comment writes the one comment of ours with this marker, or amends it. Ours is what the author of the pull request
// wrote: others may write the marker too.
func (f *Forge) Comment(ctx context.Context, number int, marker, body string) error {
	pull, err := f.Get(ctx, number)
	if err != nil {
		return err
	}
	hidden := "<!-- cortexops:" + marker + " -->"
	body = hidden + "\n" + body
	page := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: perPage}}
	for {
		list, res, err := f.client.Issues.ListComments(ctx, f.owner, f.repo, number, page)
		if err != nil {
			return wrap(fmt.Sprintf("read the comments of pull request %d", number), err)
		}
		for _, c := range list {
			if c.GetUser().GetLogin() != pull.Author || !strings.HasPrefix(c.GetBody(), hidden) {
				continue
			}
			if c.GetBody() == body {
				return nil
			}
			_, _, err := f.client.Issues.EditComment(ctx, f.owner, f.repo, c.GetID(), &github.IssueComment{Body: &body})
			return wrap("amend a comment", err)
		}
		if res.NextPage == 0 {
			break
		}
		page.Page = res.NextPage
	}
	_, _, err = f.client.Issues.CreateComment(ctx, f.owner, f.repo, number, &github.IssueComment{Body: &body})
	return wrap(fmt.Sprintf("comment on pull request %d", number), err)
}

// Said is a comment.
type Said struct {
	ID         int64 // a later one's is higher
	User, Body string
	At         time.Time // when it was written first
	MayWrite   bool      // whether User may push to the repository
	Edited     bool      // since: whoever may push can edit what others wrote, and the forge does not say who did
}

// Comments lists what was written since then, oldest first: of that what is wanted, since whether somebody may push is a question for
// each.
func (f *Forge) Comments(ctx context.Context, number int, since time.Time, wanted func(body string) bool) ([]Said, error) {
	var out []Said
	writers := map[string]bool{}
	since = since.Truncate(time.Second) // of which the forge's times are
	page := &github.IssueListCommentsOptions{Since: &since, ListOptions: github.ListOptions{PerPage: perPage}}
	for {
		list, res, err := f.client.Issues.ListComments(ctx, f.owner, f.repo, number, page)
		if err != nil {
			return nil, wrap(fmt.Sprintf("read the comments of pull request %d", number), err)
		}
		for _, c := range list {
			if c.GetCreatedAt().Before(since) { // GitHub goes by the last edit: an old comment that is edited now is no answer
				continue
			}
			if !wanted(c.GetBody()) {
				continue
			}
			user := c.GetUser().GetLogin()
			if _, asked := writers[user]; !asked {
				if writers[user], err = f.personMayWrite(ctx, c.GetUser()); err != nil {
					return nil, err
				}
			}
			out = append(out, Said{ID: c.GetID(), User: user, Body: c.GetBody(), At: c.GetCreatedAt().Time, MayWrite: writers[user],
				Edited: c.GetUpdatedAt().Sub(c.GetCreatedAt().Time) > time.Second})
		}
		if res.NextPage == 0 {
			return out, nil
		}
		page.Page = res.NextPage
	}
}

const maxDescription = 140 // GitHub's limit, in characters

// Status sets one commit status (error | failure | pending | success), unless it stands like that already.
func (f *Forge) Status(ctx context.Context, sha, name, state, description, target string) error {
	if runes := []rune(description); len(runes) > maxDescription {
		description = string(runes[:maxDescription-1]) + "…"
	}
	list, _, err := f.client.Repositories.ListStatuses(ctx, f.owner, f.repo, sha, &github.ListOptions{PerPage: perPage})
	if err != nil {
		return wrap("read commit statuses", err)
	}
	i := slices.IndexFunc(list, func(s *github.RepoStatus) bool { return s.GetContext() == name }) // the newest comes first
	if i >= 0 && list[i].GetState() == state && list[i].GetDescription() == description && list[i].GetTargetURL() == target {
		return nil
	}
	_, _, err = f.client.Repositories.CreateStatus(ctx, f.owner, f.repo, sha, &github.RepoStatus{Context: &name, State: &state,
		Description: &description, TargetURL: &target})
	return wrap("set commit status "+name, err)
}

// Label adds labels that are not there yet.
func (f *Forge) Label(ctx context.Context, number int, labels ...string) error {
	if len(labels) == 0 {
		return nil
	}
	pull, err := f.get(ctx, number)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(labels), func(name string) bool {
		return slices.ContainsFunc(pull.Labels, func(l *github.Label) bool { return strings.EqualFold(l.GetName(), name) })
	})
	if len(missing) == 0 {
		return nil
	}
	_, _, err = f.client.Issues.AddLabelsToIssue(ctx, f.owner, f.repo, number, missing)
	return wrap(fmt.Sprintf("label pull request %d", number), err)
}
