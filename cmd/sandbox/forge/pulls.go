package forge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

type newPull struct {
	Title string  `json:"title"`
	Head  string  `json:"head"` // branch or OWNER:branch
	Base  string  `json:"base"`
	Body  *string `json:"body"`
	Draft bool    `json:"draft"`
}

func (f *Forge) openPull(ctx context.Context, s *state, actor string, in newPull) (*pull, error) {
	if err := checkPullText(&in.Title, in.Body); err != nil {
		return nil, err
	}
	head := strings.TrimPrefix(in.Head, f.opt.Owner+":")
	headSHA, baseSHA := s.Refs[head], s.Refs[in.Base]
	if headSHA == "" {
		return nil, invalid("PullRequest", "head", "invalid")
	}
	if baseSHA == "" {
		return nil, invalid("PullRequest", "base", "invalid")
	}
	if openFor(s, head, in.Base) != nil {
		return nil, custom("PullRequest", fmt.Sprintf("A pull request already exists for %s:%s.", f.opt.Owner, head))
	}
	if err := f.checkCommits(ctx, head, headSHA, in.Base, baseSHA); err != nil {
		return nil, err
	}
	at := f.time()
	p := &pull{
		ID: s.nextID(), Number: len(s.Pulls) + 1, State: "open", Draft: in.Draft, Title: in.Title, Body: in.Body, Author: actor,
		HeadRef: head, HeadSHA: headSHA, BaseRef: in.Base, BaseSHA: baseSHA, CreatedAt: at, UpdatedAt: at,
	}
	s.Pulls = append(s.Pulls, p)
	return p, f.emitPull(ctx, s, p, actor, "opened", nil)
}

func openFor(s *state, head, base string) *pull {
	for _, p := range s.Pulls {
		if p.State == "open" && p.HeadRef == head && p.BaseRef == base {
			return p
		}
	}
	return nil
}

func (f *Forge) checkCommits(ctx context.Context, head, headSHA, base, baseSHA string) error {
	if _, err := f.repo.run(ctx, nil, "merge-base", baseSHA, headSHA); err != nil {
		if exitCode(err) == 1 {
			return custom("PullRequest", fmt.Sprintf("The %s branch has no history in common with %s", head, base))
		}
		return err
	}
	none, err := f.repo.isAncestor(ctx, headSHA, baseSHA)
	if err == nil && none {
		return custom("PullRequest", fmt.Sprintf("No commits between %s and %s", base, head))
	}
	return err
}

// checkPullText takes nil for what is not given.
func checkPullText(title, body *string) error {
	if title != nil {
		if strings.TrimSpace(*title) == "" {
			return invalid("PullRequest", "title", "missing_field")
		}
		if err := checkLength("PullRequest", "title", *title, maxTitle); err != nil {
			return err
		}
	}
	if body != nil {
		return checkLength("PullRequest", "body", *body, maxBody)
	}
	return nil
}

type pullEdit struct {
	Title *string `json:"title"`
	Body  *string `json:"body"`
	State *string `json:"state"` // open, closed
}

func (f *Forge) editPull(ctx context.Context, s *state, p *pull, actor string, in pullEdit) error {
	if err := checkPullText(in.Title, in.Body); err != nil {
		return err
	}
	at := f.time()
	if in.Title != nil {
		p.Title, p.UpdatedAt = *in.Title, at
	}
	if in.Body != nil {
		p.Body, p.UpdatedAt = in.Body, at
	}
	if in.State == nil || *in.State == p.State {
		return nil
	}
	switch *in.State {
	case "closed":
		return f.closed(ctx, s, p, actor, at)
	case "open":
		return f.reopen(ctx, s, p, actor)
	}
	return invalid("PullRequest", "state", "invalid")
}

func (f *Forge) reopen(ctx context.Context, s *state, p *pull, actor string) error {
	head := s.Refs[p.HeadRef]
	switch {
	case p.MergedAt != nil:
		return custom("PullRequest", "state cannot be changed. The pull request cannot be reopened.")
	case head == "":
		return custom("PullRequest", fmt.Sprintf("state cannot be changed. The %s branch has been deleted.", p.HeadRef))
	case openFor(s, p.HeadRef, p.BaseRef) != nil:
		return custom("PullRequest", "state cannot be changed. There is already an open pull request for this branch.")
	}
	if err := f.checkCommits(ctx, p.HeadRef, head, p.BaseRef, s.Refs[p.BaseRef]); err != nil {
		return err
	}
	at := f.time()
	p.State, p.ClosedAt, p.ClosedBy, p.UpdatedAt, p.HeadSHA, p.BaseSHA = "open", nil, "", at, head, s.Refs[p.BaseRef]
	p.Events = append(p.Events, event{At: at, Actor: actor, What: "reopened"})
	return f.emitPull(ctx, s, p, actor, "reopened", nil)
}

type mergeOrder struct {
	Title   *string `json:"commit_title"`
	Message *string `json:"commit_message"`
	SHA     string  `json:"sha"` // the head that is meant; empty: whatever it is
	Method  string  `json:"merge_method"`
}

// merge makes the merge commit and moves the base, from where it was seen or not
// at all.
func (f *Forge) merge(ctx context.Context, s *state, p *pull, actor string, in mergeOrder) error {
	switch in.Method {
	case "", "merge":
	case "squash", "rebase":
		return &refusal{Status: http.StatusMethodNotAllowed,
			Message: strings.ToUpper(in.Method[:1]) + in.Method[1:] + " merges are not allowed on this repository."}
	default:
		return invalid("PullRequest", "merge_method", "invalid")
	}
	notMergeable := &refusal{Status: http.StatusMethodNotAllowed, Message: "Pull Request is not mergeable"}
	base := s.Refs[p.BaseRef]
	if p.State != "open" || p.Draft || base == "" {
		return notMergeable
	}
	if in.SHA != "" && in.SHA != p.HeadSHA {
		return &refusal{Status: http.StatusConflict, Message: "Head branch was modified. Review and try the merge again."}
	}
	merged, err := f.mergeTree(ctx, base, p.HeadSHA)
	if err != nil {
		return err
	}
	if merged.Conflict {
		return notMergeable
	}
	author := signature{Name: actor, Email: f.wire.email(actor), When: f.time()}
	sha, err := f.repo.commitTree(ctx, merged.Tree, []string{base, p.HeadSHA}, f.mergeMessage(p, in), author)
	if err != nil {
		return err
	}
	if err := f.repo.moveRef(ctx, p.BaseRef, sha, base); err != nil {
		f.opt.Log.WarnContext(ctx, "the base moved during a merge", "pull", p.Number, "err", err)
		return &refusal{Status: http.StatusConflict, Message: "Base branch was modified. Review and try the merge again."}
	}
	return f.noticeRefs(ctx, s, actor)
}

func (f *Forge) mergeMessage(p *pull, in mergeOrder) string {
	title, message := fmt.Sprintf("Merge pull request #%d from %s/%s", p.Number, f.opt.Owner, p.HeadRef), p.Title
	if in.Title != nil && *in.Title != "" {
		title = *in.Title
	}
	if in.Message != nil {
		message = *in.Message
	}
	return strings.TrimRight(title+"\n\n"+message, "\n") + "\n"
}
