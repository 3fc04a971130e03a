// Package repo reads and changes one git repository through a bare mirror on disk, without a checkout. A commit writes
// only the blobs and trees that are new, and its SHA is a function of what it says; a push is a compare-and-swap of one
// branch that sends only those objects.
//
// Revert undoes any commit of anybody three ways, Suspects and FieldHistory ask what changed before something broke, and
// Touched whether a base that moved matters. What commits changed is kept, so that asking again costs next to nothing.
//
// It never drops a commit that somebody else made, never merges branches, and never writes to the remote but by Push and
// Note. It is safe for concurrent use: go-git is not, so that one call at a time gets through.
package repo

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoBranch means that the mirror, as last fetched, has no such branch.
	ErrNoBranch = errors.New("no such branch")
	// ErrNoCommit means that the mirror, as last fetched, has no such commit.
	ErrNoCommit = errors.New("no such commit")
	// ErrNoChange means that the files of a commit are what its parent has already.
	ErrNoChange = errors.New("nothing to commit")
)

// Unauthorized means that the remote does not accept our token for what we asked.
type Unauthorized struct {
	URL     string
	Unknown bool // the token itself is not known, or not any more
	Err     error
}

func (e *Unauthorized) Error() string {
	said := strings.Join(strings.Fields(e.Err.Error()), " ") // a server's text has lines
	return fmt.Sprintf("%s: %s: check that the token is valid and may read and write the repository's contents", e.URL, said)
}

func (e *Unauthorized) Unwrap() error { return e.Err }

// Moved means that the branch is not where the push expected it. "" stands for no branch.
type Moved struct{ Branch, Want, Have string }

func (e *Moved) Error() string {
	at := func(sha string) string {
		if sha == "" {
			return "absent"
		}
		return "at " + sha
	}
	return fmt.Sprintf("branch %s is %s, not %s: someone else pushed", e.Branch, at(e.Have), at(e.Want))
}

// NotClean means that a revert would undo more than the commit did.
type NotClean struct{ Paths []string }

func (e *NotClean) Error() string {
	return "changed since the commit, so that its revert is not clean: " + strings.Join(e.Paths, ", ")
}

// Conflict means that a commit cannot be undone: files that it touched were changed since in the same places.
type Conflict struct {
	Commit string
	Paths  []Clash // at least one, sorted
}

// Clash is one file of a Conflict.
type Clash struct{ Path, Why string }

func (e *Conflict) Error() string {
	var said []string
	for _, c := range e.Paths {
		said = append(said, c.Path+": "+c.Why)
	}
	return fmt.Sprintf("commit %s cannot be undone: %s", e.Commit, strings.Join(said, "; "))
}

// NotOurs means that a push would drop a commit of somebody else from the branch.
type NotOurs struct{ Branch, SHA, By string }

func (e *NotOurs) Error() string {
	return fmt.Sprintf("branch %s has commit %s by %s, which the push would drop", e.Branch, e.SHA, e.By)
}

// Author of a commit.
type Author struct{ Name, Email string }
