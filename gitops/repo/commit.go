package repo

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// CommitSpec says everything that is in a commit.
type CommitSpec struct {
	Parent  string
	Files   map[string][]byte // whole contents by path; nil removes the file
	Message string
	Author  Author // and committer
	When    time.Time
	// Executable says of files whether they may be run. A file that is not in it keeps its mode, and a new one may not.
	Executable map[string]bool
}

// Commit makes the commit in the mirror and returns its SHA: the same spec gives the same SHA. Nothing is sent. A file
// keeps its mode; links and submodules cannot be replaced.
func (r *Repo) Commit(ctx context.Context, spec CommitSpec) (string, error) {
	if err := spec.check(); err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	parent, err := r.commit(spec.Parent)
	if err != nil {
		return "", fmt.Errorf("commit on %w", err)
	}
	base, err := parent.Tree()
	if err != nil {
		return "", fmt.Errorf("read the tree of %s: %w", spec.Parent, err)
	}
	tree, err := r.writeTree(base, "", spec.contents())
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	if tree == base.Hash {
		return "", fmt.Errorf("commit on %s: %w", spec.Parent, ErrNoChange)
	}
	return r.writeCommit(tree, []plumbing.Hash{parent.Hash}, spec.Message, spec.Author, spec.When)
}

func (c CommitSpec) check() error {
	if len(c.Files) == 0 {
		return ErrNoChange
	}
	for p := range c.Files {
		if !fs.ValidPath(p) || p == "." || strings.ContainsAny(p, "\x00\\") || slices.ContainsFunc(strings.Split(p, "/"), isDotGit) {
			return fmt.Errorf("%q is no path of a file", p)
		}
	}
	if c.Author.Name == "" || c.Author.Email == "" || strings.ContainsAny(c.Author.Name+c.Author.Email, "<>\n\x00") {
		return fmt.Errorf("%q <%q> is no author", c.Author.Name, c.Author.Email)
	}
	if c.When.IsZero() || strings.TrimSpace(c.Message) == "" || strings.Contains(c.Message, "\x00") {
		return fmt.Errorf("a date and a message are needed")
	}
	return nil
}

// contents is what is put at one path of a tree: nil data nothing, mode 0 the mode of what is there.
type contents struct {
	data []byte
	mode filemode.FileMode
}

func (c CommitSpec) contents() map[string]contents {
	out := map[string]contents{}
	for p, data := range c.Files {
		put := contents{data: data}
		if run, ok := c.Executable[p]; ok {
			put.mode = filemode.Regular
			if run {
				put.mode = filemode.Executable
			}
		}
		out[p] = put
	}
	return out
}

func isDotGit(name string) bool { return strings.EqualFold(name, ".git") }

func (r *Repo) writeCommit(tree plumbing.Hash, parents []plumbing.Hash, message string, by Author, when time.Time) (string, error) {
	who := object.Signature{Name: by.Name, Email: by.Email, When: when.UTC().Truncate(time.Second)}
	c := &object.Commit{Author: who, Committer: who, TreeHash: tree, ParentHashes: parents,
		Message: strings.TrimRight(message, "\n") + "\n"}
	if err := r.sign(c); err != nil {
		return "", fmt.Errorf("sign the commit: %w", err)
	}
	h, err := r.write(c)
	if err != nil {
		return "", fmt.Errorf("write the commit: %w", err)
	}
	return h.String(), nil
}

// writeTree writes base with files changed, and returns the new tree's hash; the zero hash if nothing is left in it.
// Only the trees on the way to the files are written.
func (r *Repo) writeTree(base *object.Tree, dir string, files map[string]contents) (plumbing.Hash, error) {
	here, below := split(files)
	var entries []object.TreeEntry
	if base != nil {
		entries = slices.Clone(base.Entries)
	}
	at := func(name string) int {
		return slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
	}
	for name, c := range here {
		i := at(name)
		if i >= 0 && !isFile(entries[i].Mode) {
			return plumbing.ZeroHash, fmt.Errorf("%s%s is a folder, a link or a submodule", dir, name)
		}
		if c.data == nil {
			if i >= 0 {
				entries = slices.Delete(entries, i, i+1)
			}
			continue
		}
		h, err := r.writeBlob(c.data)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = put(entries, i, object.TreeEntry{Name: name, Mode: c.mode, Hash: h})
	}
	for name, files := range below {
		i := at(name)
		var sub *object.Tree
		if i >= 0 {
			if entries[i].Mode != filemode.Dir {
				return plumbing.ZeroHash, fmt.Errorf("%s%s is no folder", dir, name)
			}
			var err error
			if sub, err = r.git.TreeObject(entries[i].Hash); err != nil {
				return plumbing.ZeroHash, fmt.Errorf("read %s%s: %w", dir, name, err)
			}
		}
		h, err := r.writeTree(sub, dir+name+"/", files)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !h.IsZero() {
			entries = put(entries, i, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: h})
		} else if i >= 0 {
			entries = slices.Delete(entries, i, i+1)
		}
	}
	if len(entries) == 0 && dir != "" {
		return plumbing.ZeroHash, nil
	}
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return r.write(&object.Tree{Entries: entries})
}

// sortName is what git orders the entries of a tree by.
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// put replaces the entry at i, or appends where i is -1. Mode 0 keeps the mode.
func put(entries []object.TreeEntry, i int, e object.TreeEntry) []object.TreeEntry {
	switch {
	case e.Mode == 0 && i < 0:
		e.Mode = filemode.Regular
	case e.Mode == 0:
		e.Mode = entries[i].Mode
	}
	if i < 0 {
		return append(entries, e)
	}
	entries[i] = e
	return entries
}

// split parts the files by their first path element: those that are in this folder, and those below it.
func split(files map[string]contents) (here map[string]contents, below map[string]map[string]contents) {
	here, below = map[string]contents{}, map[string]map[string]contents{}
	for p, c := range files {
		first, rest, found := strings.Cut(p, "/")
		if !found {
			here[first] = c
			continue
		}
		if below[first] == nil {
			below[first] = map[string]contents{}
		}
		below[first][rest] = c
	}
	return here, below
}

func (r *Repo) writeBlob(data []byte) (plumbing.Hash, error) {
	o := r.git.Storer.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	w, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(data); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return r.git.Storer.SetEncodedObject(o)
}

func (r *Repo) write(from interface {
	Encode(plumbing.EncodedObject) error
}) (plumbing.Hash, error) {
	o := r.git.Storer.NewEncodedObject()
	if err := from.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return r.git.Storer.SetEncodedObject(o)
}
