package locate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Found is the place that sets the field.
type Found struct {
	Overlay      string
	File         string
	Line, Column int
	Value        string
	Selector     edit.Selector // the object as the file names it: what edit.Set is to be asked for
	Chain        []string      // the proof, for people
	Absent       bool          // nothing sets it yet, and edit.Add is what adds it there
}

// Locate finds the place. The overlays are all that may render the object; it must be rendered by exactly one.
func Locate(files Files, overlays []string, sel edit.Selector, p edit.Path) (Found, error) {
	hit, err := seek(files, overlays, sel, p)
	if err != nil {
		return Found{}, err
	}
	return hit.run(files)
}

// seek finds the overlay that renders the object.
func seek(files Files, overlays []string, sel edit.Selector, p edit.Path) (*search, error) {
	var hit *search
	for _, overlay := range overlays {
		s, err := collect(files, overlay)
		if err != nil {
			return nil, err
		}
		objects, err := s.render(overlay)
		if err != nil {
			return nil, err
		}
		for i, o := range objects {
			if !o.is(sel) {
				continue
			}
			if hit != nil {
				return nil, &Refusal{Reason: Ambiguous, Why: fmt.Sprintf("%s is rendered by %s and by %s", sel, hit.overlay, overlay)}
			}
			hit = &search{sources: s, overlay: overlay, objects: objects, target: i, sel: sel, path: p}
		}
	}
	if hit == nil {
		return nil, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s is rendered by none of %s", sel, strings.Join(overlays, ", "))}
	}
	return hit, nil
}

// search looks for the place within the files of one overlay.
type search struct {
	*sources
	overlay string
	objects []Object
	target  int // index of the object
	sel     edit.Selector
	path    edit.Path
	value   string // as rendered
	chain   []string
	blocked error // a place that may set it, and cannot be edited
}

func (s *search) run(files Files) (Found, error) {
	doc, err := s.objects[s.target].decoded()
	if err != nil {
		return Found{}, err
	}
	v, ok := s.path.Get(doc)
	if !ok {
		return Found{}, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s renders %s without %s", s.overlay, s.sel, s.path)}
	}
	s.value = edit.Text(v)
	s.say("%s renders %s with %s: %s", s.overlay, s.objects[s.target], s.path, s.value)
	for _, f := range s.list {
		if !f.manifest {
			continue
		}
		named, err := edit.Objects(f.path, f.data)
		if err != nil {
			s.block(err)
			continue
		}
		for _, o := range named {
			if !s.mayBe(f, o) {
				continue
			}
			found, ok, err := s.try(files, f, o)
			if ok || err != nil {
				return found, err
			}
		}
	}
	return Found{}, s.refusal()
}

func (s *search) say(format string, args ...any) {
	s.chain = append(s.chain, fmt.Sprintf(format, args...))
}

func (s *search) block(err error) {
	if s.blocked == nil {
		s.blocked = err
	}
}

// mayBe reports whether o, in the file f, may become the object that is asked for.
func (s *search) mayBe(f source, o edit.Selector) bool {
	if o.Group != s.sel.Group || o.Kind != s.sel.Kind {
		return false
	}
	return o.Name == s.sel.Name || f.patch || s.renamed && o.Name != "" && strings.Contains(s.sel.Name, o.Name)
}

// try changes the scalar that o sets, if it sets one, and sees where that lands.
func (s *search) try(files Files, f source, o edit.Selector) (Found, bool, error) {
	pos, err := edit.Find(f.path, f.data, o, s.path)
	if errors.Is(err, edit.ErrNotFound) {
		return Found{}, false, nil
	}
	if err != nil {
		s.block(err)
		return Found{}, false, nil
	}
	at := fmt.Sprintf("%s:%d:%d", pos.File, pos.Line, pos.Column)
	if pos.Value != s.value {
		s.say("%s says %s, which is overridden", at, pos.Value)
		return Found{}, false, nil
	}
	mark := sentinel(s.path, pos.Value)
	changed, err := edit.Set(f.path, f.data, o, s.path, mark)
	if err != nil {
		s.block(err)
		return Found{}, false, nil
	}
	objects, err := Render(with(files, f.path, changed), s.overlay)
	if err != nil {
		s.block(fmt.Errorf("%s: with %s there, %w", at, mark, err))
		return Found{}, false, nil
	}
	diff, err := compare(s.objects, objects)
	if err != nil {
		return Found{}, false, err
	}
	switch {
	case !diff.touches(s.target, s.path, mark):
		s.say("%s says %s too, and does not reach the rendering", at, pos.Value)
		return Found{}, false, nil
	case len(diff.changes) > 1:
		return Found{}, false, &Refusal{Reason: Shared, Why: fmt.Sprintf("%s sets more than %s of %s: also %s", at, s.path, s.sel, diff.other(s.target, s.path))}
	}
	s.say("%s sets it", at)
	s.say("proof: another value there changes this field of the rendering, and no other of its %d objects", len(s.objects))
	return Found{Overlay: s.overlay, File: pos.File, Line: pos.Line, Column: pos.Column, Value: pos.Value, Selector: o, Chain: s.chain}, true, nil
}

// refusal says why no place was found.
func (s *search) refusal() error {
	var refused *edit.Refusal
	var own *Refusal
	switch {
	case errors.As(s.blocked, &own):
		return own
	case errors.Is(s.blocked, edit.ErrAmbiguous):
		return &Refusal{Reason: Ambiguous, Why: s.blocked.Error(), Err: s.blocked}
	case errors.As(s.blocked, &refused) && refused.Encrypted:
		return &Refusal{Reason: Encrypted, Why: s.blocked.Error(), Err: s.blocked}
	case s.blocked != nil:
		return &Refusal{Reason: Uneditable, Why: s.blocked.Error(), Err: s.blocked}
	}
	return &Refusal{Reason: Generated, Why: fmt.Sprintf("no file of %s sets %s of %s to %s: an inline or JSON patch, images:, replicas: or a replacement does",
		s.overlay, s.path, s.sel, s.value)}
}

// sentinel is another value of the same type. An image keeps its name, so that an images: entry that overrides the tag
// still does.
func sentinel(p edit.Path, value string) string {
	switch {
	case value == "true":
		return "false"
	case value == "false":
		return "true"
	case strings.Trim(value, "0123456789") == "", strings.Trim(value, "0123456789.") == "" && strings.Count(value, ".") == 1:
		return value + "7"
	case p[len(p)-1].Key == "image" && !strings.Contains(value[strings.LastIndex(value, "/")+1:], ":"):
		return value + ":cortexops"
	}
	return value + "-cortexops"
}

// with is files with one of them changed.
func with(files Files, path string, data []byte) Files { return changed{files, path, data} }

type changed struct {
	Files
	path string
	data []byte
}

func (c changed) ReadFile(path string) ([]byte, error) {
	if path == c.path {
		return c.data, nil
	}
	return c.Files.ReadFile(path)
}
