package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cortexops/cortexops/gitops/locate"
)

// tree is a working directory. Nothing outside it is read.
type tree struct{ locate.Files }

func openTree(dir string) (tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return tree{}, err
	}
	return tree{locate.FromFS(root.FS())}, nil // it stays open as long as the program runs
}

// ReadFile tells what is not there from what a symbolic link leads out to.
func (t tree) ReadFile(name string) ([]byte, error) {
	data, err := t.Files.ReadFile(name)
	var refusal *locate.Refusal
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.As(err, &refusal) {
		return data, err
	}
	return nil, &locate.Refusal{Reason: locate.Outside, Why: fmt.Sprintf("%s cannot be read within the repository: %v", name, err), Err: err}
}

// units is the one overlay that p names, as a path of the repository: from dir, as git takes paths, or from the root where
// dir has none of it.
func (t tree) units(root, dir, p string) ([]string, error) {
	abs, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	full := p
	if !filepath.IsAbs(p) {
		full = filepath.Join(abs, p)
	} else if here, err := filepath.Abs(dir); err == nil { // dir may be reached by a link
		if rel, err := filepath.Rel(here, p); err == nil {
			full = filepath.Join(abs, rel)
		}
	}
	if _, err := os.Lstat(full); err != nil && !filepath.IsAbs(p) {
		full = filepath.Join(root, p)
	}
	rel, err := filepath.Rel(root, full)
	if err != nil {
		return nil, err
	}
	rel = path.Clean(filepath.ToSlash(rel))
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return nil, fmt.Errorf("%s is outside the repository, whose root is %s", p, root)
	}
	return []string{rel}, nil
}

func realPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// gitRoot is the root of the git repository that a folder is in, or the folder itself where it is in none.
func gitRoot(dir string) (string, error) {
	abs, err := realPath(dir)
	if err != nil {
		return "", err
	}
	for root := abs; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			return root, nil
		}
		if root == filepath.Dir(root) {
			return abs, nil
		}
	}
}
