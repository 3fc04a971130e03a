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

// units is the one overlay that p names, as a path of the repository: p is below dir, or begins with it.
func (t tree) units(dir, p string) ([]string, error) {
	if filepath.IsAbs(p) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if p, err = filepath.Rel(abs, p); err != nil {
			return nil, err
		}
	}
	p = path.Clean(filepath.ToSlash(p))
	if p == ".." || strings.HasPrefix(p, "../") {
		return nil, fmt.Errorf("%s is outside the repository", p)
	}
	return []string{p}, nil
}

// gitPrefix is a folder's path in the git repository that it is in, with a slash at its end: git apply knows files by such
// paths, wherever it runs. It is "" for the repository's root, and where there is no repository.
func gitPrefix(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fmt.Errorf("--repo: %w", err)
	}
	for root := abs; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			rel, err := filepath.Rel(root, abs)
			if rel == "." || err != nil {
				return "", err
			}
			return filepath.ToSlash(rel) + "/", nil
		}
		if root == filepath.Dir(root) {
			return "", nil
		}
	}
}
