package locate

import (
	"errors"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

const maxAsks = 3 // that follow from each other, through replacements

// candidates goes through the kustomizations as their effects lie on each other: the last to change the object first.
func (s *kustomized) candidates(a ask) []candidate {
	w := walk{kustomized: s, ask: a, seen: map[string]bool{}}
	w.layer(s.dir)
	return w.out
}

// walk collects candidates.
type walk struct {
	*kustomized
	ask  ask
	seen map[string]bool
	out  []candidate
	// newNames are the images: entries that give a name another, outermost first.
	newNames []types.Image
}

func (w *walk) layer(dir string) {
	l := w.layers[dir]
	if l == nil || w.seen[dir] {
		return
	}
	w.seen[dir] = true
	w.replacements(l)
	w.images(l)
	w.replicas(l)
	w.patches(l, "patchesJson6902", l.k.PatchesJson6902) //nolint:staticcheck // deprecated, and in many repositories
	w.patches(l, "patches", l.k.Patches)
	for i, p := range slices.Backward(l.k.PatchesStrategicMerge) { //nolint:staticcheck // as above
		if inline(p) {
			w.patch(l.file, []edit.At{in(key("patchesStrategicMerge"), at(i))}, []byte(p), false)
		} else if f, ok := w.source(l, string(p)); ok {
			w.patch(f.path, nil, f.data, false)
		}
	}
	below := append(slices.Clone(l.fixed.Components), l.fixed.Resources...)
	slices.Reverse(below[:len(l.fixed.Components)])
	for i, ref := range below {
		if i == len(l.fixed.Components) {
			w.generators(l)
		}
		if f, ok := w.source(l, ref); ok {
			w.manifest(f.path, f.data)
		} else {
			w.layer(path.Join(l.dir, ref))
		}
	}
	if len(l.fixed.Resources) == 0 {
		w.generators(l)
	}
}

func (w *walk) source(l *layer, ref string) (source, bool) {
	i, ok := w.at[path.Join(l.dir, ref)]
	if !ok {
		return source{}, false
	}
	return w.list[i], true
}

func (w *walk) spot(s spot, data []byte) {
	if c, ok := s.candidate(data, w.ask); ok {
		w.out = append(w.out, c)
	}
}

func (w *walk) block(err error) { w.out = append(w.out, candidate{err: err}) }

// manifest looks into the objects of a resource.
func (w *walk) manifest(file string, data []byte) {
	if w.seen[file] {
		return
	}
	w.seen[file] = true
	w.out = append(w.out, manifestCandidates(file, data, w.ask, w.mayBe, w.newNames)...)
}

// manifestCandidates are the scalars of the objects in a file that may become the one that is asked for.
func manifestCandidates(file string, data []byte, a ask, mayBe func(edit.Selector) bool, newNames []types.Image) []candidate {
	if !strings.Contains(string(data), a.sel.Kind) {
		return nil
	}
	var out []candidate
	named, err := edit.Objects(file, data)
	if err != nil {
		return []candidate{{err: err}}
	}
	for _, o := range named {
		if !mayBe(o) {
			continue
		}
		s := spot{file: file, in: []edit.At{{Selector: o, Path: a.path}}}
		c, ok := s.candidate(data, a)
		if ok && c.err == nil && isImage(a.path) {
			c = s.renamed(data, a, c, newNames)
		}
		if ok {
			out = append(out, c)
		}
	}
	return out
}

// mayBe reports whether o, a resource, may become the object that is asked for.
func (w *walk) mayBe(o edit.Selector) bool {
	return o.Group == w.ask.sel.Group && o.Kind == w.ask.sel.Kind && w.named(o.Name)
}

// named reports whether something of that name may become the object that is asked for.
func (w *walk) named(name string) bool {
	return name == w.ask.sel.Name || w.renamed && name != "" && strings.Contains(w.ask.sel.Name, name)
}

// patches goes through a list of patches, the last first.
func (w *walk) patches(l *layer, list string, patches []types.Patch) {
	for i, p := range slices.Backward(patches) {
		if p.Target != nil && p.Target.Kind == w.ask.sel.Kind && p.Target.Name != "" && !regexName(p.Target.Name) && !w.named(p.Target.Name) {
			continue
		}
		if p.Path == "" {
			w.patch(l.file, []edit.At{in(key(list), at(i), key("patch"))}, []byte(p.Patch), p.Target != nil)
		} else if f, ok := w.source(l, p.Path); ok {
			w.patch(f.path, nil, f.data, p.Target != nil)
		}
	}
}

// regexName tells whether a target's name is a pattern.
func regexName(name string) bool { return strings.ContainsAny(name, `.*+?()[]{}|^$\`) }

// patch looks into one patch: text, which in leads to in the file, or which is the file.
func (w *walk) patch(file string, lead []edit.At, text []byte, targeted bool) {
	what := ""
	if len(lead) > 0 {
		what = "an inline patch"
	}
	if ops, ok := jsonPatch(text); ok {
		w.ops(file, lead, ops)
		return
	}
	named, err := edit.Objects(file, text)
	if err != nil {
		w.block(err)
		return
	}
	for _, o := range named {
		if w.mayBe(o) || targeted && o.Kind == w.ask.sel.Kind {
			w.spot(spot{file: file, in: append(slices.Clone(lead), edit.At{Selector: o, Path: w.ask.path}), what: what}, w.bytes(file))
		}
	}
}

func (w *walk) bytes(file string) []byte { return w.list[w.at[file]].data }

// replicas looks for the entry of the workload.
func (w *walk) replicas(l *layer) {
	if w.ask.path.String() != "spec.replicas" {
		return
	}
	for i, r := range slices.Backward(l.k.Replicas) {
		if w.named(r.Name) {
			w.spot(spot{file: l.file, in: []edit.At{in(key("replicas"), at(i), key("count"))}, what: "the replicas: entry"}, l.data)
		}
	}
}

func notFound(err error) bool { return errors.Is(err, edit.ErrNotFound) }
