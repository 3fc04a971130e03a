package locate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Place is Locate, and where nothing sets the field yet, the first file in which adding it with this value changes this
// one field of this one rendering, and what no other overlay renders.
func Place(files Files, overlays []string, sel edit.Selector, p edit.Path, value string) (Found, error) {
	hit, err := seek(files, overlays, sel, p)
	if err != nil {
		return Found{}, err
	}
	doc, err := hit.objects[hit.target].decoded()
	if err != nil {
		return Found{}, err
	}
	if _, there := p.Get(doc); there {
		return hit.run(files)
	}
	hit.say("%s renders %s without %s", hit.overlay, hit.objects[hit.target], p)
	others := slices.DeleteFunc(slices.Clone(overlays), func(o string) bool { return o == hit.overlay })
	for _, f := range hit.list {
		if !f.manifest {
			continue
		}
		named, err := edit.Objects(f.path, f.data)
		if err != nil {
			hit.block(err)
			continue
		}
		for _, o := range named {
			if !hit.mayBe(f, o) {
				continue
			}
			found, ok, err := hit.add(files, others, f, o, value)
			if ok || err != nil {
				return found, err
			}
		}
	}
	if hit.blocked != nil {
		return Found{}, hit.refusal()
	}
	return Found{}, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s renders %s without %s, and no file of it names the object with something around the field",
		hit.overlay, hit.sel, hit.path)}
}

// add adds the field to o and sees what that changes.
func (s *search) add(files Files, others []string, f source, o edit.Selector, value string) (Found, bool, error) {
	changed, err := edit.Add(f.path, f.data, o, s.path, value)
	if errors.Is(err, edit.ErrNotFound) {
		return Found{}, false, nil
	}
	if err != nil {
		s.block(err)
		return Found{}, false, nil
	}
	pos, err := edit.Find(f.path, changed, o, s.path)
	if err != nil {
		return Found{}, false, err
	}
	var refusal *Refusal
	err = Prove(files, with(files, f.path, changed), s.overlay, others, s.sel, s.path, value)
	if errors.As(err, &refusal) {
		s.say("%s:%d is not the place: %s", f.path, pos.Line, refusal.Why)
		s.block(refusal)
		return Found{}, false, nil
	}
	if err != nil {
		return Found{}, false, err
	}
	s.say("%s:%d is where it is added", f.path, pos.Line)
	s.say("proof: adding it there changes this field of the rendering, and no other of its %d objects", len(s.objects))
	return Found{Overlay: s.overlay, File: f.path, Line: pos.Line, Column: pos.Column, Selector: o, Chain: s.chain, Absent: true}, true, nil
}
