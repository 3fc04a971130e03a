package forge

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// getIssue is the pull request as an issue, which alone tells who closed it.
func (f *Forge) getIssue(c *call) (int, any, error) {
	var o object
	err := f.view(func(s *state) error {
		p, err := c.pull(s)
		if err == nil {
			o = f.wire.issue(s, p)
			o["closed_by"], o["state_reason"] = f.wire.userOrNull(p.ClosedBy), nil
		}
		return err
	})
	return http.StatusOK, o, err
}

func (f *Forge) listComments(c *call) (int, any, error) {
	list := []object{}
	err := f.view(func(s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		for _, one := range page(c, p.Comments) {
			list = append(list, f.wire.comment(p, one))
		}
		return nil
	})
	return http.StatusOK, list, err
}

type commentText struct {
	Body string `json:"body"`
}

func (f *Forge) postComment(c *call) (int, any, error) {
	var in commentText
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	var o object
	err := f.update(c.r.Context(), func(_ context.Context, s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		one, err := f.addComment(s, p, c.login, in.Body)
		o = f.wire.comment(p, one)
		return err
	})
	return http.StatusCreated, o, err
}

func (f *Forge) patchComment(c *call) (int, any, error) {
	var in commentText
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, notFound()
	}
	var o object
	err = f.update(c.r.Context(), func(_ context.Context, s *state) error {
		p, one, err := f.editComment(s, id, in.Body)
		if err == nil {
			o = f.wire.comment(p, one)
		}
		return err
	})
	return http.StatusOK, o, err
}

// labelNames are {"labels":["a"]} or ["a"].
type labelNames []string

func (l *labelNames) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(b)), "[") {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var o struct {
		Labels []string `json:"labels"`
	}
	err := json.Unmarshal(b, &o)
	*l = o.Labels
	return err
}

func (f *Forge) postLabels(c *call) (int, any, error) {
	var in labelNames
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	var list []object
	err := f.update(c.r.Context(), func(_ context.Context, s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		err = f.addLabels(s, p, in)
		list = f.wire.labels(s, p.Labels)
		return err
	})
	return http.StatusOK, list, err
}

func (f *Forge) postStatus(c *call) (int, any, error) {
	var in newStatus
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	var o object
	err := f.update(c.r.Context(), func(ctx context.Context, s *state) error {
		st, err := f.setStatus(ctx, s, c.login, c.r.PathValue("sha"), in)
		o = f.wire.status(st)
		return err
	})
	return http.StatusCreated, o, err
}

// resolve is the SHA of a full SHA or a branch's name.
func (f *Forge) resolve(ctx context.Context, s *state, ref string) (string, error) {
	if sha := s.Refs[strings.TrimPrefix(ref, "heads/")]; sha != "" {
		return sha, nil
	}
	if f.repo.isCommit(ctx, ref) {
		return ref, nil
	}
	return "", &refusal{Status: http.StatusUnprocessableEntity, Message: "No commit found for SHA: " + ref}
}

func (f *Forge) getStatus(c *call) (int, any, error) {
	var o object
	err := f.view(func(s *state) error {
		sha, err := f.resolve(c.r.Context(), s, c.r.PathValue("ref"))
		if err == nil {
			o = f.wire.combinedStatus(s, sha)
		}
		return err
	})
	return http.StatusOK, o, err
}

func (f *Forge) listStatuses(c *call) (int, any, error) {
	list := []object{}
	err := f.view(func(s *state) error {
		sha, err := f.resolve(c.r.Context(), s, c.r.PathValue("ref"))
		if err != nil {
			return err
		}
		var at []status
		for i := len(s.Statuses) - 1; i >= 0; i-- { // newest first, as GitHub
			if s.Statuses[i].SHA == sha {
				at = append(at, s.Statuses[i])
			}
		}
		for _, st := range page(c, at) {
			list = append(list, f.wire.status(st))
		}
		return nil
	})
	return http.StatusOK, list, err
}

// getPermission knows the users, who may all push.
func (f *Forge) getPermission(c *call) (int, any, error) {
	login := c.r.PathValue("username")
	if _, ok := f.opt.Users[login]; !ok {
		return 0, nil, &refusal{Status: http.StatusNotFound, Message: login + " is not a user"}
	}
	user := f.wire.user(login)
	user["role_name"] = "write"
	return http.StatusOK, object{"permission": "write", "role_name": "write", "user": user}, nil
}

func (f *Forge) getRef(c *call) (int, any, error) {
	var o object
	err := f.view(func(s *state) error {
		branch := c.r.PathValue("branch")
		sha := s.Refs[branch]
		if sha == "" {
			return notFound()
		}
		o = f.wire.ref(branch, sha)
		return nil
	})
	return http.StatusOK, o, err
}
