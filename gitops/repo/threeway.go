package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"go.yaml.in/yaml/v3"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Reverted is what undoes a commit on a head: Files, Executable and Message are those of a CommitSpec.
type Reverted struct {
	Files      map[string][]byte
	Executable map[string]bool
	Merged     []string // those of the Files that somebody changed since: lines of both are in them
	Message    string   // as git words it; trailers may follow
}

// Revert undoes any commit of anybody on head, as git revert does: what the commit changed is taken back from each file,
// and what others changed since stays. A merge commit is undone as its first parent sees it. Nothing is committed.
//
// It is all or nothing: *Conflict names every file that cannot be undone, and ErrNoChange says that all of it is undone
// already. Renames are not followed. A file that had to be merged is parsed again if it is YAML.
//
// For our own commit that nobody touched since, RevertFiles is the stricter question.
func (r *Repo) Revert(ctx context.Context, commit, head string) (Reverted, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, touched, now, err := r.touchedBy(ctx, commit, head)
	if err != nil {
		return Reverted{}, fmt.Errorf("revert: %w", err)
	}
	out := Reverted{Files: map[string][]byte{}, Executable: map[string]bool{}, Message: revertMessage(c)}
	var clashes []Clash
	for _, name := range slices.Sorted(maps.Keys(touched)) {
		why, err := r.undo(&out, name, touched[name], now)
		if err != nil {
			return Reverted{}, fmt.Errorf("revert %s: %w", commit, err)
		}
		if why != "" {
			clashes = append(clashes, Clash{name, why})
		}
	}
	if len(clashes) > 0 {
		return Reverted{}, &Conflict{commit, clashes}
	}
	if len(out.Files) == 0 {
		return Reverted{}, fmt.Errorf("revert %s: all of it is undone already: %w", commit, ErrNoChange)
	}
	return out, nil
}

// touchedBy are the files that a commit changed, as its first parent sees it, and the tree of head.
func (r *Repo) touchedBy(ctx context.Context, commit, head string) (*object.Commit, map[string]touch, *object.Tree, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	c, err := r.commit(commit)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(c.ParentHashes) == 0 {
		return nil, nil, nil, fmt.Errorf("%s has no parent", commit)
	}
	after, err := c.Tree()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the tree of %s: %w", commit, err)
	}
	before, err := r.treeOf(c.ParentHashes[0].String())
	if err != nil {
		return nil, nil, nil, err
	}
	now, err := r.treeOf(head)
	if err != nil {
		return nil, nil, nil, err
	}
	touched := map[string]touch{}
	return c, touched, now, r.changes(touched, "", before, after)
}

func revertMessage(c *object.Commit) string {
	what := "This reverts commit " + c.Hash.String()
	if len(c.ParentHashes) > 1 {
		what += ", reversing\nchanges made to " + c.ParentHashes[0].String()
	}
	return fmt.Sprintf("Revert \"%s\"\n\n%s.\n", subject(c), what)
}

// undo adds to out what one file must be, or says why that cannot be told.
func (r *Repo) undo(out *Reverted, name string, t touch, tree *object.Tree) (why string, err error) {
	now, err := r.entry(tree, name)
	if err != nil {
		return "", err
	}
	gone := func(e object.TreeEntry) bool { return e.Hash.IsZero() }
	switch {
	case same(now, t.before):
		return "", nil
	case !isFileOrNothing(t.before) || !isFileOrNothing(t.after) || !isFileOrNothing(now):
		return "it is or was a folder, a symbolic link or a submodule", nil
	case gone(t.before) && same(now, t.after):
		out.Files[name] = nil
		return "", nil
	case gone(t.before):
		return "the commit added it, and it was changed since", nil
	case gone(t.after) && !gone(now):
		return "the commit removed it, and it was made anew since", nil
	case gone(now) && !gone(t.after):
		return "it was removed or renamed since", nil
	case gone(now):
		if in, err := r.inTheWay(out, tree, name); in != "" || err != nil {
			return in + " is no folder any more", err
		}
	}
	data, why, err := r.undoContents(out, name, t, now)
	if why != "" || err != nil {
		return why, err
	}
	if was := isExecutable(t.before); isExecutable(now) == isExecutable(t.after) && isExecutable(now) != was {
		out.Executable[name] = was
	} else if data == nil {
		return "", nil
	}
	if data == nil { // the mode alone is undone
		data, err = r.readBlob(name, now.Hash)
	}
	out.Files[name] = data
	return "", err
}

func same(a, b object.TreeEntry) bool { return a.Hash == b.Hash && a.Mode == b.Mode }

func isFileOrNothing(e object.TreeEntry) bool { return e.Hash.IsZero() || isFile(e.Mode) }

func isExecutable(e object.TreeEntry) bool { return e.Mode == filemode.Executable }

// inTheWay is the file that stands where a folder of name should be, unless the revert removes it.
func (r *Repo) inTheWay(out *Reverted, tree *object.Tree, name string) (string, error) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		e, err := r.entry(tree, dir)
		if err != nil {
			return "", err
		}
		_, removed := out.Files[dir]
		if !e.Hash.IsZero() && e.Mode != filemode.Dir && !removed {
			return dir, nil
		}
	}
	return "", nil
}

// undoContents is what the file must hold; nil: what it does.
func (r *Repo) undoContents(out *Reverted, name string, t touch, now object.TreeEntry) (data []byte, why string, err error) {
	switch {
	case now.Hash == t.after.Hash:
		data, err = r.readBlob(name, t.before.Hash)
		return data, "", err
	case t.before.Hash == t.after.Hash, now.Hash == t.before.Hash:
		return nil, "", nil
	}
	var sides [3][]byte
	for i, e := range []object.TreeEntry{now, t.after, t.before} {
		if sides[i], err = r.readBlob(name, e.Hash); err != nil {
			return nil, "", err
		}
		if bytes.IndexByte(sides[i], 0) >= 0 || len(sides[i]) > maxMerge {
			return nil, "it was changed since, and is binary or too big to be merged", nil
		}
	}
	data, why = merge(sides[0], sides[1], sides[2])
	if why != "" || bytes.Equal(data, sides[0]) {
		return nil, why, nil
	}
	if err := parses(name, data); err != nil {
		return nil, fmt.Sprintf("it was changed since, and what is left after a merge is no manifest: %v", err), nil
	}
	out.Merged = append(out.Merged, name)
	return data, "", nil
}

// parses refuses what is no YAML, where a key is twice, and what must not be changed by lines: a template, an encrypted file.
func parses(name string, data []byte) error {
	if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".json" {
		return nil
	}
	if _, err := edit.Objects(name, data); err != nil {
		return err
	}
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}
