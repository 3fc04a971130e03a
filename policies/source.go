package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ErrNoPolicy: there is not one .rego file. Name a folder with policies; nothing acts without them.
var ErrNoPolicy = errors.New("no policy: there is no .rego file")

// Source is where policies come from.
type Source interface {
	// Load returns what is there now. Where it is the same as last time, it may return nil instead.
	Load(ctx context.Context) (*Set, error)
}

// Set is policies as they were read, not compiled yet.
type Set struct {
	files    map[string]string // Rego by name, tests too
	data     map[string]any    // of a bundle
	revision string            // sha256 over all but the tests, in hex
	whole    bool              // it cannot have been read while it was being written
}

const maxPolicy = 1 << 20 // bytes of all policies together

// Files is every .rego file of fsys at any depth, but for what begins with a dot: a mounted ConfigMap has everything twice,
// the second time in such a folder.
func Files(fsys fs.FS) Source { return files{fsys} }

type files struct{ fs.FS }

func (f files) Load(context.Context) (*Set, error) {
	found := map[string]string{}
	size := 0
	err := fs.WalkDir(f.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		switch {
		case err != nil:
			return err
		case entry.IsDir() && hidden:
			return fs.SkipDir
		case entry.IsDir() || hidden || path.Ext(name) != ".rego":
			return nil
		}
		src, err := fs.ReadFile(f.FS, name)
		if err != nil {
			return err
		}
		if size += len(src); size > maxPolicy {
			return fmt.Errorf("%s: the policies are larger than %d KiB together", name, maxPolicy>>10)
		}
		found[name] = string(src)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	return newSet(found, nil, nil)
}

// newSet refuses a set without policies. data is what is in rawData, which the revision covers.
func newSet(files map[string]string, data map[string]any, rawData []byte) (*Set, error) {
	digest := sha256.New()
	policies := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if test(name) {
			continue
		}
		policies++
		fmt.Fprintf(digest, "%s\x00%d\x00%s", name, len(files[name]), files[name])
	}
	if policies == 0 {
		return nil, ErrNoPolicy
	}
	if data != nil {
		fmt.Fprintf(digest, "data\x00%d\x00%s", len(rawData), rawData)
	}
	return &Set{files: files, data: data, revision: hex.EncodeToString(digest.Sum(nil))}, nil
}

func test(name string) bool { return strings.HasSuffix(name, "_test.rego") }

// modules parses the files, with the tests among them or without.
func (s *Set) modules(tests bool) (map[string]*ast.Module, error) {
	out := map[string]*ast.Module{}
	for name, src := range s.files {
		if test(name) && !tests {
			continue
		}
		m, err := ast.ParseModuleWithOpts(name, src, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, fmt.Errorf("read the policies: %w", err)
		}
		out[name] = m
	}
	return out, nil
}
