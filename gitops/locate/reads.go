package locate

import (
	"bytes"
	"slices"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Read is a file that a unit is rendered from.
type Read struct {
	Path string
	Own  bool // it names the object: a resource or a patch. Else it is a kustomization, or what one makes things of
}

// Reads are the files that what the object becomes may depend on: those that name it, and all that are no manifests.
func Reads(files Files, q Query) ([]Read, error) {
	s, err := seek(files, q)
	if err != nil {
		return nil, err
	}
	var out []Read
	own := map[string]bool{}
	asked := ask{sel: q.Object, path: edit.Path{key("metadata"), key("annotations"), key("cortexops")}}
	for _, home := range s.unit.additions(asked, false) {
		own[home.file] = true
	}
	for _, f := range s.unit.sources() {
		if own[f.path] || !f.manifest {
			out = append(out, Read{Path: f.path, Own: own[f.path]})
		}
	}
	slices.SortFunc(out, func(a, b Read) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return slices.Compact(out), nil
}

// RenderedBy is the unit that renders the object.
func RenderedBy(files Files, q Query) (unit string, err error) {
	s, err := seek(files, q)
	if err != nil {
		return "", err
	}
	return s.unit.name(), nil
}

// Unchanged tells whether the unit reads the same bytes in both, so that it renders the same.
func Unchanged(before, after Files, unit string) bool {
	return open(before, unit).digest() == open(after, unit).digest()
}

// Changed are the kustomizations of the repository, but for own, that an edit makes render differently, sorted.
func Changed(before, after Files, own string) ([]string, error) {
	tiers, err := neighbours(before, []string{own}, own)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, u := range slices.Concat(tiers...) {
		if untouched(u, before, after) {
			continue
		}
		from, err := rendered(u)
		to, errAfter := rendered(open(after, u.name()))
		if (err == nil) != (errAfter == nil) || !slices.EqualFunc(from, to, func(a, b Object) bool { return bytes.Equal(a.JSON, b.JSON) }) {
			out = append(out, u.name())
		}
	}
	return unique(out), nil
}

// Includes reports whether the kustomization of the one folder is made of that of the other too.
func Includes(files Files, unit, other string) bool {
	s, ok := open(files, unit).(*kustomized)
	return ok && unit != other && s.layers[other] != nil
}

func (s *plain) sources() []source { return s.list }

func (s *kustomized) sources() []source { return s.list }
