package repo

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/go-git/go-git/v5/plumbing/object"
)

// Touched are those of the paths, of files or folders, that differ between two commits: if the base of a proposal moved
// and touched none of the files that it rests on, the same Commit on the new base is the proposal rebased.
func (r *Repo) Touched(ctx context.Context, base, head string, paths []string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	before, err := r.treeOf(base)
	if err != nil {
		return nil, fmt.Errorf("touched: %w", err)
	}
	after, err := r.treeOf(head)
	if err != nil {
		return nil, fmt.Errorf("touched: %w", err)
	}
	var out []string
	for _, p := range paths {
		if !fs.ValidPath(p) || p == "." {
			return nil, fmt.Errorf("touched: %q is no path", p)
		}
		b, err := r.entry(before, p)
		if err != nil {
			return nil, fmt.Errorf("touched: %s: %w", p, err)
		}
		a, err := r.entry(after, p)
		if err != nil {
			return nil, fmt.Errorf("touched: %s: %w", p, err)
		}
		if !same(b, a) {
			out = append(out, p)
		}
	}
	return out, nil
}

// dropsOthers fails with *NotOurs where a move of the branch from old to c would drop a commit of another committer than c's.
func (r *Repo) dropsOthers(branch, old string, c *object.Commit) error {
	from, err := r.commit(old)
	if err != nil {
		return fmt.Errorf("%w: fetch first", err)
	}
	dropped := 0
	for queue := []*object.Commit{from}; len(queue) > 0; queue = queue[1:] {
		has, err := reaches([]*object.Commit{c}, queue[0])
		if err != nil {
			return err
		}
		if has {
			continue
		}
		lost := queue[0]
		if dropped++; lost.Committer.Email != c.Committer.Email || dropped > maxCommits {
			return &NotOurs{branch, lost.Hash.String(), fmt.Sprintf("%s <%s>", lost.Committer.Name, lost.Committer.Email)}
		}
		for _, h := range lost.ParentHashes {
			p, err := r.commit(h.String())
			if err != nil {
				return err
			}
			queue = append(queue, p)
		}
	}
	return nil
}
