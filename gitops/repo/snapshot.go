package repo

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const maxFile = 16 << 20 // bytes; a manifest is never as big

// Snapshot is the files of one commit. Symbolic links and submodules are not followed: they are no files.
type Snapshot struct {
	SHA  string
	repo *Repo
	tree *object.Tree
}

// Snapshot of a commit that the mirror has.
func (r *Repo) Snapshot(sha string) (*Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.commit(sha)
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, fmt.Errorf("read the tree of %s: %w", sha, err)
	}
	return &Snapshot{SHA: sha, repo: r, tree: tree}, nil
}

// ReadFile reads one file; fs.ErrNotExist where there is none.
func (s *Snapshot) ReadFile(name string) ([]byte, error) {
	s.repo.mu.Lock()
	defer s.repo.mu.Unlock()
	return s.repo.readFile(s.tree, name)
}

func (r *Repo) readFile(tree *object.Tree, name string) ([]byte, error) {
	missing := &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	if !fs.ValidPath(name) || name == "." {
		return nil, missing
	}
	e, err := r.entry(tree, name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	if !isFile(e.Mode) {
		return nil, missing
	}
	return r.readBlob(name, e.Hash)
}

// entry is what the tree has at the path; the zero entry where it has nothing.
func (r *Repo) entry(tree *object.Tree, name string) (object.TreeEntry, error) {
	for {
		first, rest, below := strings.Cut(name, "/")
		i := slices.IndexFunc(tree.Entries, func(e object.TreeEntry) bool { return e.Name == first })
		if i < 0 {
			return object.TreeEntry{}, nil
		}
		e := tree.Entries[i]
		if !below {
			return e, nil
		}
		if e.Mode != filemode.Dir {
			return object.TreeEntry{}, nil
		}
		var err error
		if tree, err = r.git.TreeObject(e.Hash); err != nil {
			return object.TreeEntry{}, err
		}
		name = rest
	}
}

func isFile(m filemode.FileMode) bool { return m.IsFile() && m != filemode.Symlink }

func (r *Repo) readBlob(name string, hash plumbing.Hash) ([]byte, error) {
	b, err := r.git.BlobObject(hash)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if b.Size > maxFile {
		return nil, fmt.Errorf("read %s: it has %d bytes, more than %d", name, b.Size, maxFile)
	}
	rd, err := b.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer rd.Close()
	data, err := io.ReadAll(rd)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// List gives the path of every file below dir, sorted. A folder that is not there has none.
func (s *Snapshot) List(dir string) ([]string, error) {
	s.repo.mu.Lock()
	defer s.repo.mu.Unlock()
	if !fs.ValidPath(dir) {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrInvalid}
	}
	tree := s.tree
	if dir != "." {
		e, err := s.repo.entry(tree, dir)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		if e.Mode != filemode.Dir {
			return nil, nil
		}
		if tree, err = s.repo.git.TreeObject(e.Hash); err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
	}
	out, err := s.repo.appendFiles(nil, dir, tree)
	slices.Sort(out)
	return out, err
}

func (r *Repo) appendFiles(out []string, dir string, tree *object.Tree) ([]string, error) {
	for _, e := range tree.Entries {
		p := path.Join(dir, e.Name)
		if isFile(e.Mode) {
			out = append(out, p)
		}
		if e.Mode != filemode.Dir {
			continue
		}
		sub, err := r.git.TreeObject(e.Hash)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", p, err)
		}
		if out, err = r.appendFiles(out, p, sub); err != nil {
			return nil, err
		}
	}
	return out, nil
}
