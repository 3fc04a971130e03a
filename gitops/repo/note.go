package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const (
	notesRef  = plumbing.ReferenceName("refs/notes/cortexops")
	noteTries = 5
)

// Note adds text to the notes of a commit, under refs/notes/cortexops, and pushes them; `git log --notes=cortexops`
// shows them. Text that is there already is not added again.
func (r *Repo) Note(ctx context.Context, sha, text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return errors.New("a note needs a text")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for range noteTries { // others may write notes meanwhile
		if err = r.note(ctx, sha, text); err == nil {
			return nil
		}
		var moved *Moved
		if !errors.As(err, &moved) {
			break
		}
	}
	return fmt.Errorf("note on %s: %w", sha, err)
}

func (r *Repo) note(ctx context.Context, sha, text string) error {
	if err := r.fetch(ctx); err != nil {
		return err
	}
	if _, err := r.commit(sha); err != nil { // looked for now: it may be a merge of a moment ago
		return err
	}
	var old plumbing.Hash
	var parents []plumbing.Hash
	var tree *object.Tree
	ref, err := r.git.Reference(notesRef, false)
	switch {
	case errors.Is(err, plumbing.ErrReferenceNotFound):
	case err != nil:
		return err
	default:
		old, parents = ref.Hash(), []plumbing.Hash{ref.Hash()}
		if tree, err = r.treeOf(old.String()); err != nil {
			return err
		}
	}
	path, had, err := r.readNote(tree, sha)
	if err != nil {
		return err
	}
	for _, paragraph := range strings.Split(had, noteSeparator) {
		if strings.TrimSpace(paragraph) == text {
			return nil
		}
	}
	if had != "" {
		text = strings.TrimRight(had, "\n") + noteSeparator + text
	}
	h, err := r.writeTree(tree, "", map[string]contents{path: {data: []byte(text + "\n")}})
	if err != nil {
		return err
	}
	made, err := r.writeCommit(h, parents, "Notes added by CortexOps", r.opts.Author, time.Now())
	if err != nil {
		return err
	}
	c, err := r.commit(made)
	if err != nil {
		return err
	}
	return r.push(ctx, notesRef, old, c)
}

// noteSeparator stands between two notes of one commit.
const noteSeparator = "\n\n---\n\n"

// readNote finds the note of sha. Git spreads many notes over folders, ab/cd…; a new one goes to the top.
func (r *Repo) readNote(tree *object.Tree, sha string) (path, text string, err error) {
	if tree == nil {
		return sha, "", nil
	}
	for _, p := range []string{sha, sha[:2] + "/" + sha[2:], sha[:2] + "/" + sha[2:4] + "/" + sha[4:]} {
		e, err := r.entry(tree, p)
		if err != nil {
			return "", "", err
		}
		if isFile(e.Mode) {
			data, err := r.readBlob(p, e.Hash)
			return p, string(data), err
		}
	}
	return sha, "", nil
}
