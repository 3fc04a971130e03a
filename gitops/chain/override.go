package chain

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// override adds the value where it counts for this unit alone: to a file that is there, or in a new patch.
func (s *search) override(ctx context.Context, h hit, why string) (locate.Found, error) {
	s.say("%s", why)
	last := error(refuse(locate.Shared, "nothing of %s can say otherwise for it alone", s.unit))
	for _, f := range s.ownFields(h) {
		files := s.files()
		if f.unit == nil {
			files = s.valuesFiles()
		}
		for _, file := range files {
			found, err := s.addTo(ctx, h, f, file)
			if err == nil {
				return found, nil
			}
			if !errors.Is(err, errNoPlace) {
				last = err
			}
		}
		for _, patch := range []func(context.Context, hit, own) (locate.Found, error){s.patch, s.above} {
			found, err := patch(ctx, h, f)
			if err == nil {
				return found, nil
			}
			if !errors.Is(err, errNoPlace) {
				last = err
			}
		}
	}
	if h.Variable != "" && s.unit.kind == kustomization {
		whole := hit{candidate: candidate{Scalar: edit.Scalar{Position: edit.Position{Value: s.value}, Text: s.isText}}}
		if f, err := s.override(ctx, whole, "the variable is used for more"); err == nil {
			return f, nil
		}
	}
	return locate.Found{}, last
}

// own is a field that counts for one unit alone: of an object, or of a values file.
type own struct {
	unit   *unit // whose field it is; nil where it is one of a values file
	object edit.Selector
	path   edit.Path
}

// ownFields are the fields that take the place of h for the unit.
func (s *search) ownFields(h hit) []own {
	var out []own
	field := func(u *unit, p edit.Path) {
		out = append(out, own{u, edit.Selector{Group: u.object.Group, Kind: u.object.Kind, Namespace: u.object.Namespace, Name: u.name}, p})
	}
	if h.Variable != "" {
		for u := s.unit; u != nil; u = u.up {
			if u.kind == kustomization && u.reads.seen[h.File] {
				field(u, edit.Path{{Key: "spec"}, {Key: "postBuild"}, {Key: "substitute"}, {Key: h.Variable}})
				break
			}
		}
		return out
	}
	if (s.unit.kind == kustomization || s.unit.kind == application) && len(s.unit.charts) == 0 {
		return []own{{s.unit, s.q.Object, s.field}}
	}
	v := s.valuesPath(h.Scalar)
	if v == nil || slices.ContainsFunc(v, func(st edit.Step) bool { return st.Key == "" }) {
		return nil
	}
	switch s.unit.kind {
	case helmRelease:
		field(s.unit, append(edit.Path{{Key: "spec"}, {Key: "values"}}, v...))
	case application:
		object := edit.Path{{Key: "spec"}, {Key: "source"}, {Key: "helm"}, {Key: "valuesObject"}}
		switch {
		case at(s.unit.spec, "source", "helm", "valuesObject") == nil && len(s.valuesFiles()) > 0:
			out = append(out, own{path: v})
		case at(s.unit.spec, "source") != nil && text(s.unit.spec, "source", "helm", "values") == "":
			field(s.unit, append(object, v...))
		}
	}
	return out
}

// valuesPath is the path of a value of the chart within the values of the release.
func (s *search) valuesPath(c edit.Scalar) edit.Path {
	if prefix := s.unit.prefixOf(c.File); prefix != nil {
		if len(c.Path) > 0 && c.Path[0].Key == "global" {
			return c.Path
		}
		return append(slices.Clone(prefix), c.Path...)
	}
	switch {
	case c.Object.Kind == helmRelease && len(c.Path) > 2 && c.Path[1].Key == "values":
		return c.Path[2:]
	case c.Inner != nil:
		return c.Inner
	case c.Object.Kind == "":
		return c.Path
	}
	return nil
}

var errNoPlace = errors.New("it is no place for the value")

// addTo adds the value to a file, if that is a place for it, and sees where it lands.
func (s *search) addTo(ctx context.Context, h hit, f own, file string) (locate.Found, error) {
	data, err := s.world.files.ReadFile(file)
	if err != nil {
		return locate.Found{}, err
	}
	last := errNoPlace
	for _, sel := range s.namesIn(f, file, data) {
		found := s.added(h, file, func(data []byte, v string) ([]byte, error) { return add(h, file, data, sel, f.path, v) })
		if err := s.lenient(ctx, found, h); err != nil {
			last = err
			continue
		}
		changed, err := add(h, file, data, sel, f.path, "cortexops")
		if h.plain() {
			changed, err = add(h, file, data, sel, f.path, "7")
		}
		if err != nil {
			return locate.Found{}, err
		}
		pos, err := edit.Find(file, changed, sel, f.path)
		if err != nil {
			return locate.Found{}, err
		}
		s.say("%s:%d is where it is added, as %s", file, pos.Line, f.path)
		s.proof()
		found.Line, found.Column, found.Chain = pos.Line, pos.Column, s.chain
		return found, nil
	}
	return locate.Found{}, last
}

// valuesFiles are those that are the unit's own, the strongest first.
func (s *search) valuesFiles() []string {
	if s.unit.kind == application && s.ownChart() {
		return []string{path.Join(s.unit.folder, "values.yaml")}
	}
	files := slices.Clone(s.unit.named)
	slices.Reverse(files)
	return files
}

// namesIn lists the objects of a file that the field may be added to.
func (s *search) namesIn(f own, file string, data []byte) []edit.Selector {
	if f.unit == nil {
		if slices.Contains(s.valuesFiles(), file) {
			return []edit.Selector{{}}
		}
		return nil
	}
	named, err := edit.Objects(file, data)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(named, func(o edit.Selector) bool {
		return o.Group != f.object.Group || o.Kind != f.object.Kind || o.Name == "" || !strings.Contains(f.object.Name, o.Name)
	})
}

// added is a place in a file where the value is added by write.
func (s *search) added(h hit, file string, write func(data []byte, v string) ([]byte, error)) locate.Found {
	f := locate.Found{Overlay: s.unit.where(), File: file, Value: s.value, New: true}
	return f.Written(func(files locate.Files, want string) (map[string][]byte, error) {
		v, ok := inner(want, h.before, h.after)
		if !ok {
			return nil, refuse(locate.Uneditable, "%s of %s is put together: only what stands between %q and %q is set there", s.field, s.q.Object, h.before, h.after)
		}
		data, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		out, err := write(data, v)
		return map[string][]byte{file: out}, err
	})
}

// patch is a patch of the kustomization that the unit is of, which sets the field of the unit's own object.
func (s *search) patch(ctx context.Context, h hit, f own) (locate.Found, error) {
	by := f.unit
	if by != nil && f.object != s.q.Object {
		by = by.up
	}
	if by == nil || by.kind != kustomization && by.kind != applied && by.kind != application || by.folder == "" {
		return locate.Found{}, errNoPlace
	}
	var like any = ""
	if h.plain() {
		like = json.Number("1")
	}
	q := locate.Query{Overlays: []string{by.folder}, Object: f.object, Field: f.path}
	if by.defaults != "" && by.defaults == q.Object.Namespace { // the folder itself may say none
		q.Object.Namespace = ""
	}
	over := func(files locate.Files, want string) (locate.Found, string, error) {
		v, ok := inner(want, h.before, h.after)
		if !ok {
			return locate.Found{}, "", refuse(locate.Uneditable, "%s of %s is put together: only what stands between %q and %q is set there", s.field, s.q.Object, h.before, h.after)
		}
		found, err := locate.Override(files, q, like, v)
		return found, v, err
	}
	found, _, err := over(s.world.files, h.before+sentinel(h.candidate, s.value)+h.after)
	if err != nil {
		return locate.Found{}, err
	}
	found.Overlay, found.Value, found.New = s.unit.where(), s.value, true
	found = found.Written(func(files locate.Files, want string) (map[string][]byte, error) {
		f, v, err := over(files, want)
		if err != nil {
			return nil, err
		}
		return f.Write(files, v)
	})
	if err := s.lenient(ctx, found, h); err != nil {
		return locate.Found{}, err
	}
	s.say("%s:%d is where a patch of %s sets it, as %s", found.File, found.Line, by.folder, f.path)
	s.proof()
	found.Chain = s.chain
	return found, nil
}

// lenient is proves with a value that the chart's schema need not allow.
func (s *search) lenient(ctx context.Context, found locate.Found, h hit) error {
	mark := h.before + sentinel(h.candidate, s.value) + h.after
	changed, err := found.Write(s.world.files, mark)
	if err != nil {
		return err
	}
	next, err := s.world.with(ctx, changed)
	if err != nil {
		return err
	}
	to, landed, err := s.lands(next)
	if !landed || to != mark {
		return refuse(locate.Unproven, "what is added does not reach %s of %s", s.field, s.q.Object)
	}
	if err == nil {
		err = s.compare(next, true)
	}
	if err != nil {
		return refuse(locate.Shared, "what is added changes more: also %v", err)
	}
	return nil
}

// plain reports whether the value is written without quotes. Those of variables are text.
func (h hit) plain() bool { return !h.Text && !h.Empty && h.Variable == "" }

func add(h hit, file string, data []byte, sel edit.Selector, p edit.Path, v string) ([]byte, error) {
	if h.plain() {
		return edit.AddPlain(file, data, sel, p, v)
	}
	out, err := edit.Add(file, data, sel, p, v)
	if errors.Is(err, edit.ErrNotFound) {
		return edit.AddEnv(file, data, sel, p, v)
	}
	return out, err
}
