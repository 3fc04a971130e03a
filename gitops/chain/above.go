package chain

import (
	"context"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// above adds a patch to spec.patches of the Kustomization that renders the object: what it says counts for its own
// cluster alone, where several render one folder.
func (s *search) above(ctx context.Context, h hit, f own) (locate.Found, error) {
	by, version := f.unit, s.unit.objects[s.target].Version
	if by != nil && f.object != s.q.Object {
		by, version = by.up, by.object.Version
	}
	if by == nil || by.kind != kustomization || slices.ContainsFunc(f.path, func(st edit.Step) bool { return st.Key == "" && st.By == "" }) {
		return locate.Found{}, errNoPlace
	}
	files := []string{by.file}
	if by.up != nil {
		files = by.up.reads.paths
	}
	self := own{by, edit.Selector{Group: by.object.Group, Kind: by.object.Kind, Namespace: by.namespace, Name: by.name}, edit.Path{{Key: "spec"}}}
	last := error(errNoPlace)
	for _, file := range files {
		data, err := s.world.files.ReadFile(file)
		if err != nil || !manifest(file) {
			continue
		}
		for _, namespace := range slices.Compact([]string{f.object.Namespace, ""}) { // it may be given only after the patches
			sels := s.namesIn(self, file, data)
			if len(sels) != 1 {
				continue
			}
			sel := sels[0]
			found := s.added(h, file, func(data []byte, v string) ([]byte, error) {
				element, err := patchOf(f, version, namespace, v, h.plain())
				if err != nil {
					return nil, err
				}
				return edit.AppendTo(file, data, sel, self.path, "patches", element)
			})
			if err := s.lenient(ctx, found, h); err != nil {
				last = err
				continue
			}
			at, err := s.appendedAt(found, h, file, sel, f)
			if err != nil {
				return locate.Found{}, err
			}
			s.say("%s:%d is where a patch is added to %s, which sets %s of %s", file, at.Line, by, f.path, f.object)
			s.proof()
			found.Line, found.Column, found.Chain = at.Line, at.Column, s.chain
			return found, nil
		}
	}
	return locate.Found{}, last
}

// maxPatches of one Kustomization that are looked into.
const maxPatches = 64

// appendedAt is where the added patch sets the field.
func (s *search) appendedAt(f locate.Found, h hit, file string, sel edit.Selector, field own) (edit.Position, error) {
	changed, err := f.Write(s.world.files, h.before+sentinel(h.candidate, s.value)+h.after)
	if err != nil {
		return edit.Position{}, err
	}
	named := edit.Selector{Group: field.object.Group, Kind: field.object.Kind, Name: field.object.Name}
	for i := maxPatches; i >= 0; i-- {
		patch := edit.Path{{Key: "spec"}, {Key: "patches"}, {Index: i}, {Key: "patch"}}
		if at, err := edit.FindIn(file, changed[file], edit.At{Selector: sel, Path: patch}, edit.At{Selector: named, Path: field.path}); err == nil {
			return at, nil
		}
	}
	return edit.Position{}, errNoPlace
}

// patchOf is an element of spec.patches that sets one field.
func patchOf(f own, version, namespace, value string, plain bool) (string, error) {
	var v any = value
	if plain {
		if err := yaml.Unmarshal([]byte(value), &v); err != nil {
			return "", err
		}
	}
	for _, st := range slices.Backward(f.path) {
		if st.Key != "" {
			v = m{st.Key: v}
			continue
		}
		item, ok := v.(m)
		if !ok {
			return "", errNoPlace
		}
		item[st.By] = st.Value
		v = []any{item}
	}
	doc, ok := v.(m)
	if !ok {
		return "", errNoPlace
	}
	meta, _ := doc["metadata"].(m)
	if meta == nil {
		meta = m{}
	}
	meta["name"] = f.object.Name
	if namespace != "" {
		meta["namespace"] = namespace
	}
	doc["apiVersion"], doc["kind"], doc["metadata"] = strings.TrimPrefix(f.object.Group+"/"+version, "/"), f.object.Kind, meta
	patch, err := yaml.Marshal(doc)
	if err != nil {
		return "", err
	}
	out, err := yaml.Marshal(m{"patch": string(patch)})
	return string(out), err
}
