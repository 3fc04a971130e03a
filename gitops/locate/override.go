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

// create is a new patch, in a file beside the patches that are there, and its line in the kustomization.
func (w *adder) create(l *layer) {
	if slices.ContainsFunc(w.ask.path, func(s edit.Step) bool { return s.Key == "" && s.By == "" }) {
		return // a strategic patch has no indices
	}
	base, version, ok := w.original()
	if !ok {
		return
	}
	ref := w.freeName(l)
	if ref == "" {
		return
	}
	file, a := path.Join(l.dir, ref), w.ask
	w.out = append(w.out, addition{file: file, in: []edit.At{{Selector: base, Path: a.path}}, write: func(files Files, value string) (map[string][]byte, error) {
		data, err := files.ReadFile(l.file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", l.file, err)
		}
		listed, err := edit.Append(l.file, data, "patches", "path", ref)
		if err != nil {
			return nil, err
		}
		text, err := patchText(base, version, a, value, bytes.Contains(data, []byte("\r\n")))
		return map[string][]byte{l.file: listed, file: text}, err
	}})
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
func (w *adder) freeName(l *layer) string {
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
	}, strings.ToLower(w.ask.sel.Name+"-"+w.ask.sel.Kind))
	for _, end := range []string{"-patch.yaml", "-patch-2.yaml", "-patch-3.yaml"} {
		ref := path.Join(dir, name+end)
		if !exists(w.files, path.Join(l.dir, ref)) {
			return ref
		}
	}
	return ""
}

// patchText is a strategic patch that sets one field.
func patchText(o edit.Selector, version string, a ask, value string, crlf bool) ([]byte, error) {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if a.plain && isPlainText(value) {
		node.Tag = ""
	}
	for _, step := range slices.Backward(a.path) {
		if step.Key != "" {
			node = mapping(step.Key, node)
			continue
		}
		node.Content = append(mapping(step.By, text(step.Value)).Content, node.Content...)
		node = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
	}
	meta := mapping("name", text(o.Name))
	if o.Namespace != "" {
		meta.Content = append(meta.Content, text("namespace"), text(o.Namespace))
	}
	root := mapping("apiVersion", text(version))
	root.Content = append(root.Content, text("kind"), text(o.Kind), text("metadata"), meta)
	switch first := a.path[0].Key; {
	case first == "metadata" && len(a.path) > 2:
		meta.Content = append(meta.Content, node.Content[1].Content...)
	case first == "" || first == "metadata" || first == "kind" || first == "apiVersion" || a.path[len(a.path)-1].Key == "":
		return nil, &Refusal{Reason: Uneditable, Why: "a patch cannot set " + a.path.String()}
	default:
		root.Content = append(root.Content, node.Content...)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write a patch: %w", err)
	}
	if crlf {
		return bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n")), nil
	}
	return b.Bytes(), nil
}

func isPlainText(value string) bool { return isNumber(value) || value == "true" || value == "false" }

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func mapping(k string, v *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(k), v}}
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
			}
		}
	}
	return out
}
