package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/cortexops/cortexops/gitops/locate"
)

// neighbours finds a kustomization that next renders otherwise, and that no unit renders: who deploys it is not said here,
// and somebody may.
func (w *world) neighbours(next *world) error {
	files := locate.Files(w.files)
	if len(w.files.changed) == 0 {
		files = w.files.base // it may know its kustomizations
	}
	seen := map[string]bool{}
	for _, p := range sortedKeys(next.changes(w)) {
		tops, err := locate.Tops(files, p)
		if err != nil {
			return err
		}
		for _, dir := range tops {
			if seen[dir] || w.renders(dir) {
				continue
			}
			seen[dir] = true
			was, err := locate.Render(files, dir)
			var r *locate.Refusal
			if errors.As(err, &r) && r.Reason == locate.Invalid {
				continue // it deploys nothing as it is
			}
			if err != nil {
				return fmt.Errorf("what the kustomization %s renders, which cannot be seen: %w", dir, err)
			}
			is, err := locate.Render(next.files, dir)
			if err != nil {
				return fmt.Errorf("that %s renders: %w", dir, err)
			}
			if err := compareObjects("the kustomization "+dir, was, is, -1, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// changes are the files that differ from those of another world.
func (w *world) changes(was *world) m {
	out := m{}
	for p, data := range w.files.changed {
		if before, ok := was.files.changed[p]; !ok || !bytes.Equal(before, data) {
			out[p] = data
		}
	}
	return out
}

// renders reports whether a unit is rendered from the kustomization of a folder.
func (w *world) renders(dir string) bool {
	return slices.ContainsFunc(w.units, func(u *unit) bool {
		return u.err == nil && slices.ContainsFunc(kustomizationNames, func(name string) bool {
			return u.reads.seen[path.Join(dir, name)] && isFile(w.files, path.Join(dir, name))
		})
	})
}

// Leaves refuses changes of files that make a unit render otherwise. It is for edits of what no unit renders.
func (c *Chain) Leaves(ctx context.Context, changed map[string][]byte) error {
	next, err := c.world.with(ctx, changed)
	if err != nil {
		return err
	}
	for _, a := range c.world.units {
		b := next.twin(a)
		switch {
		case b == nil:
			err = fmt.Errorf("whether %s is there", a.where())
		case a.err != nil && b.err != nil:
			continue
		case a.err != nil || b.err != nil:
			err = fmt.Errorf("that %s renders: %s", a.where(), first(message(b.err), message(a.err)))
		default:
			err = compareObjects(a.where(), a.objects, b.objects, -1, nil)
		}
		if err != nil {
			return refuse(locate.Shared, "the edit changes what is delivered from elsewhere: %v", err)
		}
	}
	return nil
}
