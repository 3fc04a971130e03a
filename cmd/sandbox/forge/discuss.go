package forge

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

type newReview struct {
	Event    string `json:"event"` // APPROVE, REQUEST_CHANGES, COMMENT
	Body     string `json:"body"`
	CommitID string `json:"commit_id"` // empty: the head
}

func (f *Forge) review(ctx context.Context, s *state, p *pull, actor string, in newReview) (review, error) {
	state := map[string]string{"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}[in.Event]
	own := actor == p.Author
	switch {
	case state == "":
		return review{}, unprocessable("Pending reviews are not to be had here: give an event of APPROVE, REQUEST_CHANGES or COMMENT")
	case own && in.Event == "APPROVE":
		return review{}, unprocessable("Review Can not approve your own pull request")
	case own && in.Event == "REQUEST_CHANGES":
		return review{}, unprocessable("Review Can not request changes on your own pull request")
	case in.Event != "APPROVE" && strings.TrimSpace(in.Body) == "":
		return review{}, unprocessable("Review body can't be blank")
	}
	if err := checkLength("PullRequestReview", "body", in.Body, maxBody); err != nil {
		return review{}, err
	}
	if in.CommitID == "" {
		in.CommitID = p.HeadSHA
	}
	if ok, err := f.belongs(ctx, p, in.CommitID); err != nil {
		return review{}, err
	} else if !ok {
		return review{}, unprocessable("The given commit_id is not part of the pull request")
	}
	at := f.time()
	r := review{ID: s.nextID(), Author: actor, State: state, Body: in.Body, CommitSHA: in.CommitID, At: at}
	p.Reviews, p.UpdatedAt = append(p.Reviews, r), at
	return r, f.emitReview(s, p, r)
}

// belongs says whether a commit is among those of the pull request.
func (f *Forge) belongs(ctx context.Context, p *pull, sha string) (bool, error) {
	if sha == p.HeadSHA {
		return true, nil
	}
	if !f.repo.isCommit(ctx, sha) {
		return false, nil
	}
	inHead, err := f.repo.isAncestor(ctx, sha, p.HeadSHA)
	if err != nil || !inHead {
		return false, err
	}
	inBase, err := f.repo.isAncestor(ctx, sha, p.BaseSHA)
	return !inBase, err
}

func checkComment(body string) error {
	if strings.TrimSpace(body) == "" {
		return invalid("IssueComment", "body", "missing_field")
	}
	return checkLength("IssueComment", "body", body, maxBody)
}

func (f *Forge) addComment(s *state, p *pull, actor, body string) (comment, error) {
	if err := checkComment(body); err != nil {
		return comment{}, err
	}
	at := f.time()
	c := comment{ID: s.nextID(), Author: actor, Body: body, CreatedAt: at, UpdatedAt: at}
	p.Comments, p.UpdatedAt = append(p.Comments, c), at
	return c, f.emitComment(s, p, c)
}

func (f *Forge) editComment(s *state, id int64, body string) (*pull, comment, error) {
	if err := checkComment(body); err != nil {
		return nil, comment{}, err
	}
	for _, p := range s.Pulls {
		i := slices.IndexFunc(p.Comments, func(c comment) bool { return c.ID == id })
		if i < 0 {
			continue
		}
		p.Comments[i].Body, p.Comments[i].UpdatedAt = body, f.time()
		return p, p.Comments[i], nil
	}
	return nil, comment{}, notFound()
}

// addLabels makes the labels that the repository does not have yet.
func (f *Forge) addLabels(s *state, p *pull, names []string) error {
	for _, name := range names {
		if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > 50 {
			return invalid("Label", "name", "invalid")
		}
		i := slices.IndexFunc(s.Labels, func(l label) bool { return strings.EqualFold(l.Name, name) })
		if i < 0 {
			i = len(s.Labels)
			s.Labels = append(s.Labels, label{ID: s.nextID(), Name: name})
		}
		if name = s.Labels[i].Name; !slices.Contains(p.Labels, name) {
			p.Labels, p.UpdatedAt = append(p.Labels, name), f.time()
		}
	}
	return nil
}

type newStatus struct {
	State       string  `json:"state"`
	Context     string  `json:"context"`
	Description *string `json:"description"`
	TargetURL   *string `json:"target_url"`
}

func (f *Forge) setStatus(ctx context.Context, s *state, actor, sha string, in newStatus) (status, error) {
	if !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) {
		return status{}, custom("Status", "State is not included in the list")
	}
	if !f.repo.isCommit(ctx, sha) {
		return status{}, &refusal{Status: 422, Message: "No commit found for SHA: " + sha}
	}
	st := status{ID: s.nextID(), SHA: sha, Context: in.Context, State: in.State, Creator: actor, At: f.time()}
	if st.Context == "" {
		st.Context = "default"
	}
	if in.Description != nil {
		st.Description = *in.Description
	}
	if in.TargetURL != nil {
		st.TargetURL = *in.TargetURL
	}
	if err := checkLength("Status", "description", st.Description, 140); err != nil {
		return status{}, err
	}
	if st.TargetURL != "" && !strings.HasPrefix(st.TargetURL, "http://") && !strings.HasPrefix(st.TargetURL, "https://") {
		return status{}, custom("Status", "target_url must use http(s) scheme")
	}
	s.Statuses = append(s.Statuses, st)
	return st, nil
}

// combined is GitHub's one word for the statuses of a commit.
func combined(statuses []status) string {
	word := "success"
	for _, st := range statuses {
		switch st.State {
		case "failure", "error":
			return "failure"
		case "pending":
			word = "pending"
		}
	}
	if len(statuses) == 0 {
		word = "pending"
	}
	return word
}
