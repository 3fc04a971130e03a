package chain

import (
	"bytes"
	"context"
	"path"
	"slices"

	"github.com/cortexops/cortexops/gitops/locate"
)

// byHand renders the trees of the folders that somebody applies with kubectl, where no Kustomization of Flux and nothing of Argo CD says who
// does: those of the kustomizations that make a HelmRelease, and those of plain ones that take values from elsewhere.
// What they have beside the releases is not the chain's to answer for.
func (w *world) byHand(ctx context.Context, own []*unit) ([]*unit, error) {
	if slices.ContainsFunc(own, func(u *unit) bool { return u.kind != helmRelease }) {
		return nil, nil
	}
	var out []*unit
	for _, u := range own {
		dirs := []string{}
		switch {
		case w.belowKustomization(u.file):
			var err error
			if dirs, err = w.tops(u.file); err != nil {
				return nil, err
			}
		case len(u.references()) > 0:
			dirs = []string{path.Dir(u.file)}
		}
		for _, dir := range dirs {
			if slices.ContainsFunc(out, func(f *unit) bool { return f.name == dir }) {
				continue
			}
			f := &unit{kind: applied, name: dir, file: u.file}
			for _, name := range kustomizationNames {
				if p := path.Join(dir, name); isFile(w.files, p) {
					f.file = p
				}
			}
			if err := w.render(ctx, f, nil); err != nil {
				return nil, err
			}
			if f.err == nil && f.declares(u) {
				out = append(out, f)
			}
		}
	}
	for _, f := range out {
		if err := w.tree(ctx, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// tops are the kustomizations that read a file and that no other one includes. Trials do not change which these are.
func (w *world) tops(file string) ([]string, error) {
	if dirs, ok := w.above[file]; ok {
		return dirs, nil
	}
	dirs, err := locate.Tops(w.files, file)
	if err == nil {
		w.above[file] = dirs
	}
	return dirs, err
}

// applied renders what kubectl applies of a folder: its kustomization, or the manifests in it.
func (w *world) applied(u *unit) ([]locate.Object, error) {
	u.folder = u.name
	file, k, err := kustomizationAt(u.reads, u.folder, func(p string) bool {
		data, err := u.reads.ReadFile(p)
		return err != nil || path.Dir(p) != u.folder || !bytes.Contains(data, []byte("apiVersion:")) || !bytes.Contains(data, []byte("kind:"))
	})
	if err != nil {
		return nil, err
	}
	return build(u.reads, u.folder, file, k)
}
