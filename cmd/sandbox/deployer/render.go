package deployer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
)

// maxFile bounds one file of the team's repository.
const maxFile = 4 << 20

// Files are the files of one revision by their path in the repository.
type Files map[string][]byte

// ReadRevision reads the files from the repository in c.Dir, without a checkout.
func ReadRevision(ctx context.Context, c *git.Client, sha string) (Files, error) {
	archive, err := c.Run(ctx, "archive", "--format=tar", sha)
	if err != nil {
		return nil, err
	}
	files := Files{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read revision %s: %w", sha, err)
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxFile {
			continue
		}
		if files[path.Clean(h.Name)], err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("read revision %s: %w", sha, err)
		}
	}
}

// Render is what kustomize makes of an overlay, in the order to apply it in. Not for concurrent use: kustomize keeps
// its schema in a global.
func Render(files Files, overlay string) ([]*unstructured.Unstructured, error) {
	fs := filesys.MakeFsInMemory()
	for name, b := range files {
		if err := fs.WriteFile("/"+name, b); err != nil {
			return nil, fmt.Errorf("render %s: %w", overlay, err)
		}
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/"+overlay)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", overlay, err)
	}
	var objects []*unstructured.Unstructured
	for _, r := range rendered.Resources() {
		b, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", overlay, err)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(b); err != nil {
			return nil, fmt.Errorf("render %s: %w", overlay, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}
