package repo

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// diff tells of every file that differs between two trees; the zero hash is an empty one. It looks only into folders that
// differ, and at their bytes: decoding the trees takes longer than all the rest.
func (r *Repo) diff(dir string, before, after plumbing.Hash, f func(change) error) error {
	old, err := r.rawEntries(before)
	if err != nil {
		return err
	}
	now, err := r.rawEntries(after)
	if err != nil {
		return err
	}
	for len(old) > 0 || len(now) > 0 {
		// The one that sorts first is alone; both are taken where they are of one name and kind.
		order := 0
		switch {
		case len(old) == 0:
			order = 1
		case len(now) == 0:
			order = -1
		default:
			order = compareEntries(old[0], now[0])
		}
		var b, a rawEntry
		if order <= 0 {
			b, old = old[0], old[1:]
		}
		if order >= 0 {
			a, now = now[0], now[1:]
		}
		if err := r.differ(dir, b, a, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repo) differ(dir string, b, a rawEntry, f func(change) error) error {
	if b.hash == a.hash && bytes.Equal(b.mode, a.mode) {
		return nil
	}
	path := dir + string(a.name)
	if a.name == nil {
		path = dir + string(b.name)
	}
	if a.dir() || b.dir() {
		return r.diff(path+"/", b.hash, a.hash, f)
	}
	return f(change{path, a.hash})
}

// rawEntry is one entry of a tree; the zero one is none.
type rawEntry struct {
	mode, name []byte
	hash       plumbing.Hash
}

func (e rawEntry) dir() bool { return len(e.mode) == len("40000") } // all other modes have six digits

// compareEntries is git's order of them: a folder sorts as if its name ended with a slash.
func compareEntries(a, b rawEntry) int {
	n := min(len(a.name), len(b.name))
	if c := bytes.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	next := func(e rawEntry) int {
		switch {
		case len(e.name) > n:
			return int(e.name[n])
		case e.dir():
			return '/'
		}
		return 0
	}
	if c := cmp.Compare(next(a), next(b)); c != 0 {
		return c
	}
	return cmp.Compare(len(a.name), len(b.name))
}

func (r *Repo) rawEntries(tree plumbing.Hash) ([]rawEntry, error) {
	if tree.IsZero() {
		return nil, nil
	}
	data, err := r.read(plumbing.TreeObject, tree)
	if err != nil {
		return nil, err
	}
	out := make([]rawEntry, 0, len(data)/40)
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		name, rest, found := bytes.Cut(rest, []byte{0})
		if !ok || !found || len(name) == 0 || len(rest) < len(plumbing.ZeroHash) {
			return nil, fmt.Errorf("tree %s is broken", tree)
		}
		e := rawEntry{mode: mode, name: name}
		data = rest[copy(e.hash[:], rest):]
		out = append(out, e)
	}
	return out, nil
}
