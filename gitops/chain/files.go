package chain

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/locate"
)

// snapshot is the repository with some files changed, added, or, where there are no bytes, removed.
type snapshot struct {
	base    locate.Files
	changed map[string][]byte
}

func (s snapshot) ReadFile(p string) ([]byte, error) {
	if data, ok := s.changed[p]; ok && data != nil {
		return data, nil
	} else if ok {
		return nil, fs.ErrNotExist
	}
	return s.base.ReadFile(p)
}

func (s snapshot) List(dir string) ([]string, error) {
	out, err := s.base.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for p, data := range s.changed {
		if data != nil && (dir == "." || strings.HasPrefix(p, dir+"/")) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return slices.DeleteFunc(out, func(p string) bool { data, ok := s.changed[p]; return ok && data == nil }), nil
}

// with is s with one more change.
func (s snapshot) with(p string, data []byte) snapshot {
	next := maps.Clone(s.changed)
	if next == nil {
		next = map[string][]byte{}
	}
	next[p] = data
	return snapshot{s.base, next}
}

// reads remembers what was read, and what was not there.
type reads struct {
	locate.Files
	paths []string
	seen  map[string]bool
	dirs  []string
}

func newReads(files locate.Files) *reads { return &reads{Files: files, seen: map[string]bool{}} }

func (r *reads) ReadFile(p string) ([]byte, error) {
	if !r.seen[p] {
		r.seen[p] = true
		r.paths = append(r.paths, p)
	}
	return r.Files.ReadFile(p)
}

func (r *reads) List(dir string) ([]string, error) {
	r.dirs = append(r.dirs, dir)
	return r.Files.List(dir)
}

// same reports whether what was read under was is the same under now: both are changes of one repository.
func (r *reads) same(was, now map[string][]byte) bool {
	for _, m := range []map[string][]byte{was, now} {
		for p := range m {
			a, inA := was[p]
			b, inB := now[p]
			if inA == inB && bytes.Equal(a, b) {
				continue
			}
			if r.seen[p] {
				return false
			}
			if inA != inB && slices.ContainsFunc(r.dirs, func(d string) bool { return d == "." || strings.HasPrefix(p, d+"/") }) {
				return false
			}
		}
	}
	return true
}

// made is files with some that are made up for a rendering and are nowhere else.
type made struct {
	locate.Files
	extra map[string][]byte
}

func (m made) ReadFile(p string) ([]byte, error) {
	if data, ok := m.extra[p]; ok {
		return data, nil
	}
	return m.Files.ReadFile(p)
}

// nothing is a repository without files.
type nothing struct{}

func (nothing) ReadFile(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (nothing) List(string) ([]string, error)   { return nil, nil }

func isFile(files locate.Files, p string) bool {
	_, err := files.ReadFile(p)
	return err == nil
}

// isDir reports whether anything is below dir.
func isDir(files locate.Files, dir string) bool {
	if outside(dir) {
		return false
	}
	for _, name := range kustomizationNames {
		if isFile(files, path.Join(dir, name)) {
			return true
		}
	}
	list, err := files.List(dir)
	return err == nil && len(list) > 0
}

func outside(p string) bool { return p == ".." || strings.HasPrefix(p, "../") || path.IsAbs(p) }
