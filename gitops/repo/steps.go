package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Commit as people look at it.
type Commit struct {
	SHA     string
	Author  Author
	When    time.Time // it was committed; on a branch whose dates run against its order, as those around it have it
	Subject string
}

// step is a commit as the questions about the past see it. It is kept: a commit never changes.
type step struct {
	Commit
	hash, tree plumbing.Hash
	parents    []plumbing.Hash
	compared   bool
	changes    []change // against the first parent, by path
	many       bool     // too many to be kept, or there is no parent: the trees must be looked at
}

// change is what a commit made of a file; the zero hash if it removed it.
type change struct {
	path string
	blob plumbing.Hash
}

// maxChanges is how many files of one commit are kept. A commit that touches more is looked into again each time.
const maxChanges = 1000

// step reads a commit, once. The caller holds the lock.
func (r *Repo) step(h plumbing.Hash) (*step, error) {
	if s := r.steps[h]; s != nil {
		return s, nil
	}
	c, err := r.commit(h.String())
	if err != nil {
		return nil, err
	}
	s := &step{hash: h, tree: c.TreeHash, parents: c.ParentHashes,
		Commit: Commit{h.String(), Author{c.Author.Name, c.Author.Email}, c.Committer.When, subject(c)}}
	r.steps[h] = s
	return s, nil
}

// subject is the first line of a commit's message.
func subject(c *object.Commit) string {
	first, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n")
	return strings.TrimSpace(first)
}

var errMany = errors.New("too many")

// compare finds what a commit changed, once.
func (r *Repo) compare(s *step) error {
	if s.compared {
		return nil
	}
	if len(s.parents) == 0 {
		s.compared, s.many = true, true
		return nil
	}
	parent, err := r.step(s.parents[0])
	if err != nil {
		return err
	}
	var changes []change
	err = r.diff("", parent.tree, s.tree, func(c change) error {
		if changes = append(changes, c); len(changes) > maxChanges {
			return errMany
		}
		return nil
	})
	s.many = errors.Is(err, errMany)
	if err != nil && !s.many {
		return fmt.Errorf("compare %s with its parent: %w", s.SHA, err)
	}
	if !s.many {
		slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.path, b.path) })
		s.changes = slices.Clip(changes)
	}
	s.compared = true
	return nil
}

// mainline tells of the commits that the branch was at, from head backwards, until f has enough: a merge is one step, with
// all that it brought. It ends before what is older than since, and returns that commit, or nil at the beginning. The order
// is that of the parents, whatever the dates say.
func (r *Repo) mainline(ctx context.Context, head string, since time.Time, f func(*step) (enough bool, err error)) (*step, error) {
	c, err := r.commit(head)
	if err != nil {
		return nil, err
	}
	var old []*step // those before may be misdated
	for h := c.Hash; ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := r.step(h)
		if err != nil {
			return nil, err
		}
		old = append(old, s)
		if s.When.Before(since.Add(-skew)) {
			if len(old) > slop {
				return old[0], nil
			}
		} else {
			for _, s := range old {
				if enough, err := f(s); enough || err != nil {
					return nil, err
				}
			}
			old = nil
		}
		if len(s.parents) == 0 {
			break
		}
		h = s.parents[0]
	}
	if len(old) > 0 {
		return old[0], nil
	}
	return nil, nil
}

// touches are the files at or below path that a commit changed.
func (r *Repo) touches(s *step, path string) ([]change, error) {
	if err := r.compare(s); err != nil {
		return nil, err
	}
	if s.many {
		return r.look(s, path)
	}
	at := func(p string) int {
		i, _ := slices.BinarySearchFunc(s.changes, p, func(c change, p string) int { return cmp.Compare(c.path, p) })
		return i
	}
	if i := at(path); i < len(s.changes) && s.changes[i].path == path {
		return s.changes[i : i+1], nil
	}
	return s.changes[at(path+"/"):at(path+"0")], nil // 0 comes after /
}

// look compares one place before and after a commit. Below a folder it tells of the folder only.
func (r *Repo) look(s *step, path string) ([]change, error) {
	after, err := r.at(s.tree, path)
	if err != nil {
		return nil, err
	}
	var before object.TreeEntry
	if len(s.parents) > 0 {
		parent, err := r.step(s.parents[0])
		if err != nil {
			return nil, err
		}
		if before, err = r.at(parent.tree, path); err != nil {
			return nil, err
		}
	}
	if same(before, after) {
		return nil, nil
	}
	return []change{{path, after.Hash}}, nil
}

func (r *Repo) at(tree plumbing.Hash, path string) (object.TreeEntry, error) {
	t, err := r.git.TreeObject(tree)
	if err != nil {
		return object.TreeEntry{}, fmt.Errorf("read tree %s: %w", tree, err)
	}
	return r.entry(t, path)
}

// read is an object's whole content.
func (r *Repo) read(kind plumbing.ObjectType, h plumbing.Hash) ([]byte, error) {
	o, err := r.git.Storer.EncodedObject(kind, h)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, h, err)
	}
	rd, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, h, err)
	}
	defer rd.Close()
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(rd, data); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, h, err)
	}
	return data, nil
}
