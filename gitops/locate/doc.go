// Package locate answers which line of which file sets one field of one live object, where an edit of it goes, and
// proves both: the value is changed in memory, everything is rendered again, and the change must land in that field and
// nowhere else.
//
// A unit is what is deployed as a whole: a kustomization, or a folder or file of plain manifests. Rendering is over a
// snapshot held in memory. It never reaches the network, runs no program and reads no disk: whatever would is refused
// before kustomize sees it. Every refusal is a *Refusal with a Reason.
package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Files is a snapshot of a repository. Paths are relative to its root, with slashes, and clean. ReadFile fails with
// fs.ErrNotExist where there is no such file. List gives every file's path below dir; "." is the root.
type Files interface {
	ReadFile(path string) ([]byte, error)
	List(dir string) ([]string, error)
}

// Reason classifies a Refusal.
type Reason string

const (
	NotFound    Reason = "notFound"    // nothing renders the object, or it does not have the field
	Ambiguous   Reason = "ambiguous"   // more than one place answers
	Generated   Reason = "generated"   // the value is made of something that is no scalar in a file
	Encrypted   Reason = "encrypted"   // the file is encrypted: any edit breaks it
	Uneditable  Reason = "uneditable"  // an alias, a template, a folded text, …
	Shared      Reason = "shared"      // an edit there changes more than the field
	Outside     Reason = "outside"     // an edit there is not in the paths that are allowed
	Autoscaled  Reason = "autoscaled"  // an autoscaler sets the field
	Unproven    Reason = "unproven"    // the edit does not render to what was asked for
	Remote      Reason = "remote"      // a kustomization reads from outside the repository
	Unsupported Reason = "unsupported" // a kustomization needs a plugin, a Helm chart or a schema of its own, or is too large
	Invalid     Reason = "invalid"     // the files do not render
)

// Refusal says why there is no answer.
type Refusal struct {
	Reason Reason
	Why    string
	Err    error // what it rests on, or nil
}

func (e *Refusal) Error() string { return e.Why }

func (e *Refusal) Unwrap() error { return e.Err }

// FromFS makes Files of a file system, as os.Root.FS() is, which does not lead out of its folder. Hidden folders are not
// looked into. To read a symbolic link, or below one, is a *Refusal: an edit of it would be one of its target, and of
// whatever else leads there.
func FromFS(fsys fs.FS) Files { return folder{fsys} }

type folder struct{ fs fs.FS }

func (f folder) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	info, err := fs.Stat(f.fs, name)
	if err == nil && !info.Mode().IsRegular() || errors.Is(err, syscall.ENOTDIR) {
		err = &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		if info, err := fs.Lstat(f.fs, name[:i]); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			to, _ := fs.ReadLink(f.fs, name[:i])
			return nil, &Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s is a symbolic link to %s, and links are not followed", name[:i], to)}
		}
	}
	return fs.ReadFile(f.fs, name)
}

func (f folder) List(dir string) ([]string, error) {
	var out []string
	err := fs.WalkDir(f.fs, dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && p == dir:
			return nil
		case err != nil:
			return err
		case d.IsDir() && p != "." && strings.HasPrefix(path.Base(p), "."):
			return fs.SkipDir
		case d.Type().IsRegular():
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

// With is files with some of them changed, added, or, where there are no bytes, removed.
func With(files Files, changed map[string][]byte) Files { return overlaid{files, changed} }

type overlaid struct {
	Files
	changed map[string][]byte
}

func (o overlaid) ReadFile(path string) ([]byte, error) {
	if data, ok := o.changed[path]; ok {
		if data == nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
		}
		return data, nil
	}
	return o.Files.ReadFile(path)
}

func (o overlaid) List(dir string) ([]string, error) {
	out, err := o.Files.List(dir)
	out = slices.Clone(out)
	for p, data := range o.changed {
		if data != nil && (dir == "." || strings.HasPrefix(p, dir+"/")) {
			out = append(out, p)
		}
	}
	gone := func(p string) bool { data, ok := o.changed[p]; return ok && data == nil }
	return slices.DeleteFunc(unique(out), gone), err
}
