package locate

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

// additions in patches come before those in what they patch.
func (s *kustomized) additions(a ask, own bool) []addition {
	w := adder{walk: walk{kustomized: s, ask: a, seen: map[string]bool{}}}
	if own {
		if l := s.layers[s.dir]; l != nil {
			w.newTags(l)
			w.patches(l)
			w.create(l)
		}
		return w.out
	}
	w.layer(s.dir)
	return w.out
}

// adder collects additions.
type adder struct {
	walk
	out []addition
}

func (w *adder) layer(dir string) {
	l := w.layers[dir]
	if l == nil || w.seen[dir] {
		return
	}
	w.seen[dir] = true
	w.patches(l)
	for _, ref := range slices.Concat(l.fixed.Components, l.fixed.Resources) {
		f, ok := w.source(l, ref)
		if !ok {
			w.layer(path.Join(l.dir, ref))
			continue
		}
		w.objects(f.path, nil, f.data, false)
	}
}

// patches are those of one kustomization, the last first.
func (w *adder) patches(l *layer) {
	for i, p := range slices.Backward(l.k.Patches) {
		w.patch(l, p, edit.Path{key("patches"), at(i), key("patch")})
	}
	for i, p := range slices.Backward(l.k.PatchesStrategicMerge) { //nolint:staticcheck // deprecated, and in many repositories
		if inline(p) {
			w.objects(l.file, []edit.At{in(key("patchesStrategicMerge"), at(i))}, []byte(p), false)
		} else if f, ok := w.source(l, string(p)); ok {
			w.objects(f.path, nil, f.data, false)
		}
	}
}

func (w *adder) patch(l *layer, p types.Patch, lead edit.Path) {
	if p.Path == "" {
		w.objects(l.file, []edit.At{in(lead...)}, []byte(p.Patch), p.Target != nil)
	} else if f, ok := w.source(l, p.Path); ok {
		w.objects(f.path, nil, f.data, p.Target != nil)
	}
}

// objects adds to those of a patch or a resource that may become the one that is asked for.
func (w *adder) objects(file string, lead []edit.At, text []byte, targeted bool) {
	if _, ok := jsonPatch(text); ok {
		return
	}
	named, err := edit.Objects(file, text)
	if err != nil {
		return
	}
	for _, o := range named {
		if w.mayBe(o) || targeted && o.Kind == w.ask.sel.Kind {
			w.out = append(w.out, added(file, w.ask.plain, append(slices.Clone(lead), edit.At{Selector: o, Path: w.ask.path})...))
		}
	}
}

// create is a new patch, in a file beside the patches that are there, and its element in the kustomization: a strategic
// one, and a JSON patch for where that would change the order of a list, or replace it.
func (w *adder) create(l *layer) {
	base, version, ok := w.original()
	if !ok {
		return
	}
	ref := w.freeName(l, base)
	if ref == "" {
		return
	}
	if text, in, ok := strategicPatch(base, version, w.ask); ok {
		w.out = append(w.out, w.patchFile(l, ref, "path: "+ref+"\n", text, in))
	}
	if text, in, ok := newJSONPatch(w.ask); ok {
		w.out = append(w.out, w.patchFile(l, ref, "path: "+ref+"\ntarget: "+target(base)+"\n", text, in))
	}
}

// patchFile adds a file with the text of a patch, and the element that lists it.
func (w *adder) patchFile(l *layer, ref, element string, text func(value string) *yaml.Node, in edit.At) addition {
	file := path.Join(l.dir, ref)
	return addition{file: file, in: []edit.At{in}, write: func(files Files, value string) (map[string][]byte, error) {
		data, err := files.ReadFile(l.file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", l.file, err)
		}
		listed, err := edit.Append(l.file, data, "patches", element)
		if err != nil {
			return nil, err
		}
		patch := text(value)
		edit.Quote(patch)
		var b bytes.Buffer
		e := yaml.NewEncoder(&b)
		e.SetIndent(2)
		if err := e.Encode(patch); err != nil {
			return nil, fmt.Errorf("write a patch: %w", err)
		}
		out := b.Bytes()
		if bytes.Contains(data, []byte("\r\n")) {
			out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
		}
		return map[string][]byte{l.file: listed, file: out}, nil
	}}
}

// original is the object as the resource says it, and its version.
func (w *adder) original() (edit.Selector, string, bool) {
	for _, f := range w.list {
		if !f.manifest {
			continue
		}
		named, err := edit.Objects(f.path, f.data)
		if err != nil {
			continue
		}
		for _, o := range named {
			if !w.mayBe(o) {
				continue
			}
			pos, err := edit.Find(f.path, f.data, o, edit.Path{key("apiVersion")})
			if err != nil {
				continue
			}
			return o, pos.Value, true
		}
	}
	return edit.Selector{}, "", false
}

// freeName is the new patch's path from the kustomization.
func (w *adder) freeName(l *layer, base edit.Selector) string {
	dir := ""
	for _, p := range l.k.Patches {
		if d := path.Dir(p.Path); p.Path != "" && !outside(path.Clean(p.Path)) {
			dir = d
		}
	}
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(base.Name+"-"+base.Kind))
	for _, end := range []string{"-patch.yaml", "-patch-2.yaml", "-patch-3.yaml"} {
		ref := path.Join(dir, name+end)
		if !exists(w.files, path.Join(l.dir, ref)) {
			return ref
		}
	}
	return ""
}

// additions to plain manifests are in the object itself: nothing is laid over it.
func (s *plain) additions(a ask, own bool) []addition {
	var out []addition
	for _, f := range s.list {
		named, err := edit.Objects(f.path, f.data)
		if err != nil || own {
			continue
		}
		for _, o := range named {
			if o.Group == a.sel.Group && o.Kind == a.sel.Kind && o.Name == a.sel.Name {
				out = append(out, added(f.path, a.plain, edit.At{Selector: o, Path: a.path}))
				out = append(out, newVariable(f.path, o, a.path))
			}
		}
	}
	return out
}

// newVariable adds a variable to the environment of a container.
func newVariable(file string, o edit.Selector, p edit.Path) addition {
	return addition{file: file, in: []edit.At{{Selector: o, Path: p}}, write: func(files Files, value string) (map[string][]byte, error) {
		data, err := files.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out, err := edit.AddEnv(file, data, o, p, value)
		return map[string][]byte{file: out}, err
	}}
}
