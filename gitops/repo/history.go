package repo

import (
	"fmt"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// History tells of every commit that is in the branch as it was fetched, merged ones included, the newest first. f must not
// call the repository.
func (r *Repo) History(branch string, f func(sha, message string) error) error {
	head, err := r.Head(branch)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	commits, err := r.git.Log(&git.LogOptions{From: plumbing.NewHash(head), Order: git.LogOrderCommitterTime})
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", branch, err)
	}
	err = commits.ForEach(func(c *object.Commit) error { return f(c.Hash.String(), c.Message) })
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", branch, err)
	}
	return nil
}
