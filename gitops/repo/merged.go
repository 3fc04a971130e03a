package repo

import (
	"context"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// mergedChanges are the commits that a merge brought to the branch and that changed one of the paths, the newest first.
// Merges among them are not: what they changed was changed by others.
func (r *Repo) mergedChanges(ctx context.Context, merge *step, paths []string) ([]Commit, error) {
	if len(merge.parents) < 2 {
		return nil, nil
	}
	brought, err := r.brought(ctx, merge)
	if err != nil {
		return nil, err
	}
	var out []Commit
	for _, s := range brought {
		if len(s.parents) > 1 {
			continue
		}
		for _, p := range paths {
			changes, err := r.touches(s, p)
			if err != nil {
				return nil, err
			}
			if len(changes) > 0 {
				out = append(out, s.Commit)
				break
			}
		}
	}
	return out, nil
}

// brought are the commits behind the merge that are not behind its first parent, the newest first, and none before what
// follows it. As git does, it goes by the dates, trusts them to a day, and looks a little further.
func (r *Repo) brought(ctx context.Context, merge *step) ([]*step, error) {
	had, seen := map[plumbing.Hash]bool{}, map[plumbing.Hash]bool{} // had: the branch was behind it before
	var queue, out []*step
	add := func(h plumbing.Hash, old bool) error {
		if seen[h] && (!old || had[h]) {
			return nil
		}
		s, err := r.step(h)
		if err != nil {
			return err
		}
		seen[h] = true
		if old {
			had[h] = true
		}
		i, _ := slices.BinarySearchFunc(queue, s, func(a, b *step) int { return b.When.Compare(a.When) })
		queue = slices.Insert(queue, i, s)
		return nil
	}
	for i, h := range merge.parents {
		if err := add(h, i == 0); err != nil {
			return nil, err
		}
	}
	oldest, further := merge.When, 0
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := queue[0]
		queue = queue[1:]
		open := !had[s.hash] || slices.ContainsFunc(queue, func(s *step) bool { return !had[s.hash] })
		if !open && s.When.Before(oldest.Add(-skew)) {
			if further++; further > slop {
				break
			}
		} else {
			further = 0
		}
		if !had[s.hash] {
			out = append(out, s)
			if s.When.Before(oldest) {
				oldest = s.When
			}
		}
		for _, p := range s.parents {
			if err := add(p, had[s.hash]); err != nil {
				return nil, err
			}
		}
	}
	return childrenFirst(slices.DeleteFunc(out, func(s *step) bool { return had[s.hash] })), nil
}
