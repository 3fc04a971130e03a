package forge

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
)

func (f *Forge) getRepo(*call) (int, any, error) {
	var o object
	err := f.view(func(s *state) error { o = f.wire.fullRepository(s); return nil })
	return http.StatusOK, o, err
}

func (f *Forge) listPulls(c *call) (int, any, error) {
	q := c.r.URL.Query()
	list := []object{}
	err := f.view(func(s *state) error {
		var fit []*pull
		for _, p := range s.Pulls {
			if pullFits(p, cmp.Or(q.Get("state"), "open"), q.Get("head"), q.Get("base"), f.opt.Owner) {
				fit = append(fit, p)
			}
		}
		by := func(a, b *pull) int { return cmp.Compare(a.Number, b.Number) }
		if q.Get("sort") == "updated" {
			by = func(a, b *pull) int { return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.Number, b.Number)) }
		}
		slices.SortFunc(fit, by)
		if q.Get("direction") != "asc" {
			slices.Reverse(fit)
		}
		for _, p := range page(c, fit) {
			list = append(list, f.wire.pullSimple(s, p))
		}
		return nil
	})
	return http.StatusOK, list, err
}

// pullFits filters as GitHub does: a head without an owner filters nothing.
func pullFits(p *pull, state, head, base, owner string) bool {
	if state != "all" && p.State != state || base != "" && p.BaseRef != base {
		return false
	}
	return !strings.Contains(head, ":") || head == owner+":"+p.HeadRef
}

// change carries out fn on the pull request of the path and answers with it.
func (f *Forge) change(c *call, status int, fn func(ctx context.Context, s *state, p *pull) error) (int, any, error) {
	var o object
	err := f.update(c.r.Context(), func(ctx context.Context, s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		if err := fn(ctx, s, p); err != nil {
			return err
		}
		o, err = f.pullFull(ctx, s, p)
		return err
	})
	return status, o, err
}

func (f *Forge) postPull(c *call) (int, any, error) {
	var in newPull
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	var o object
	err := f.update(c.r.Context(), func(ctx context.Context, s *state) error {
		p, err := f.openPull(ctx, s, c.login, in)
		if err != nil {
			return err
		}
		o, err = f.pullFull(ctx, s, p)
		return err
	})
	return http.StatusCreated, o, err
}

func (f *Forge) getPull(c *call) (int, any, error) {
	var o object
	err := f.view(func(s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		o, err = f.pullFull(c.r.Context(), s, p)
		return err
	})
	return http.StatusOK, o, err
}

func (f *Forge) patchPull(c *call) (int, any, error) {
	var in pullEdit
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	return f.change(c, http.StatusOK, func(ctx context.Context, s *state, p *pull) error {
		return f.editPull(ctx, s, p, c.login, in)
	})
}

func (f *Forge) putMerge(c *call) (int, any, error) {
	var in mergeOrder
	if c.r.ContentLength != 0 { // all of it may be left out
		if err := c.decode(&in); err != nil {
			return 0, nil, err
		}
	}
	var o object
	err := f.update(c.r.Context(), func(ctx context.Context, s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		err = f.merge(ctx, s, p, c.login, in)
		o = object{"sha": p.MergeSHA, "merged": true, "message": "Pull Request successfully merged"}
		return err
	})
	return http.StatusOK, o, err
}

func (f *Forge) listReviews(c *call) (int, any, error) {
	list := []object{}
	err := f.view(func(s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		for _, r := range page(c, p.Reviews) {
			list = append(list, f.wire.review(p, r))
		}
		return nil
	})
	return http.StatusOK, list, err
}

func (f *Forge) postReview(c *call) (int, any, error) {
	var in newReview
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	var o object
	err := f.update(c.r.Context(), func(ctx context.Context, s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		r, err := f.review(ctx, s, p, c.login, in)
		o = f.wire.review(p, r)
		return err
	})
	return http.StatusOK, o, err
}
