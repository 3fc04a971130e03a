package repo

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// RevertFiles is what the files that commit touched must be to undo it on head; nil where it must be gone. Only a clean
// revert is given: every touched file at head must still be as the commit left it, else *NotClean. A merge commit is
// compared with its first parent.
func (r *Repo) RevertFiles(ctx context.Context, commit, head string) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, touched, now, err := r.touchedBy(ctx, commit, head)
	if err != nil {
		return nil, fmt.Errorf("revert: %w", err)
	}
	out := map[string][]byte{}
	var dirty []string
	for path, t := range touched {
		at, err := r.entry(now, path)
		if err != nil {
			return nil, fmt.Errorf("revert %s: %w", commit, err)
		}
		switch {
		case at.Hash != t.after.Hash || !t.revertable():
			dirty = append(dirty, path)
		case t.before.Hash.IsZero():
			out[path] = nil
		default:
			if out[path], err = r.readBlob(path, t.before.Hash); err != nil {
				return nil, err
			}
		}
	}
	if len(dirty) > 0 {
		slices.Sort(dirty)
		return nil, &NotClean{dirty}
	}
	return out, nil
}

func (r *Repo) treeOf(sha string) (*object.Tree, error) {
	c, err := r.commit(sha)
	if err != nil {
		return nil, err
	}
	return c.Tree()
}

// touch is one file before and after a commit; the zero entry where it is not there.
type touch struct{ before, after object.TreeEntry }

// revertable: only contents are put back, of files.
func (t touch) revertable() bool {
	sameMode := t.before.Hash.IsZero() || t.after.Hash.IsZero() || t.before.Mode == t.after.Mode
	return isFileOrNothing(t.before) && isFileOrNothing(t.after) && sameMode
}

// changes collects the files that differ. It looks only into folders that do.
func (r *Repo) changes(out map[string]touch, dir string, before, after *object.Tree) error {
	entries := map[string]touch{}
	for side, tree := range []*object.Tree{before, after} {
		if tree == nil {
			continue
		}
		for _, e := range tree.Entries {
			t := entries[e.Name]
			if side == 0 {
				t.before = e
			} else {
				t.after = e
			}
			entries[e.Name] = t
		}
	}
	for name, t := range entries {
		if t.before.Hash == t.after.Hash && t.before.Mode == t.after.Mode {
			continue
		}
		wasDir, isDir := t.before.Mode == filemode.Dir, t.after.Mode == filemode.Dir
		if wasDir || isDir {
			b, err := r.subtree(t.before)
			if err != nil {
				return err
			}
			a, err := r.subtree(t.after)
			if err != nil {
				return err
			}
			if err := r.changes(out, dir+name+"/", b, a); err != nil {
				return err
			}
		}
		if wasDir {
			t.before = object.TreeEntry{}
		}
		if isDir {
			t.after = object.TreeEntry{}
		}
		if t.before.Hash != plumbing.ZeroHash || t.after.Hash != plumbing.ZeroHash {
			out[dir+name] = t
		}
	}
	return nil
}

// subtree is e's tree, or nil if e is none.
func (r *Repo) subtree(e object.TreeEntry) (*object.Tree, error) {
	if e.Mode != filemode.Dir {
		return nil, nil
	}
	return r.git.TreeObject(e.Hash)
}
