package locate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Change is an edit of one object that is more than a scalar: edit.Patch, edit.JSON6902, edit.Remove, edit.SetEnv. It is
// made in files, and in what is rendered.
type Change func(file string, src []byte, object edit.Selector) ([]byte, error)

// Amended is a change that was made and proven.
type Amended struct {
	Overlay string // the unit that renders the object
	File    string
	Line    int               // the first that the change touches
	Changed map[string][]byte // the whole contents of the files that it changes or makes, by path
	Fields  []edit.Difference // of the object as it is rendered
	Chain   []string          // the proof, for people
}

// Amend finds the file in which the change does to the rendered object exactly what it would do to that itself, and nothing
// to any other object: the patch or the resource that is this unit's alone, else a new patch. The query's Field is of no
// account. A change of nothing is an Amended without Fields.
func Amend(files Files, q Query, change Change) (Amended, error) {
	s, err := seek(files, q)
	if err != nil {
		return Amended{}, err
	}
	a := amendment{search: s, change: change}
	if err := a.expect(); err != nil {
		return Amended{}, err
	}
	out := Amended{Overlay: s.unit.name(), Fields: a.fields}
	if len(out.Fields) == 0 {
		return out, nil
	}
	s.say("%s renders %s", s.unit.name(), s.objects[s.target])
	for _, c := range append(a.homes(), a.patches()...) {
		changed, err := c.write(files, "")
		if err == nil {
			err = a.proves(changed)
		}
		if err != nil {
			if !notFound(err) {
				s.say("%s is not the place: %v", c.file, err)
				s.block(err)
			}
			continue
		}
		out.File, out.Changed = c.file, changed
		if out.Line, err = firstLine(files, c.file, changed[c.file]); err != nil {
			return Amended{}, err
		}
		s.say("%s:%d is where it is changed", out.File, out.Line)
		s.say("proof: the object is rendered as the change makes it, and no other of the %d objects differently", len(s.objects))
		out.Chain = s.chain
		return out, nil
	}
	if s.blocked != nil {
		return Amended{}, s.refusal()
	}
	return Amended{}, &Refusal{Reason: NotFound, Why: fmt.Sprintf("no file of %s names %s with what is to be changed", s.unit.name(), q.Object)}
}

// amendment is a change on its way into a file.
type amendment struct {
	*search
	change        Change
	before, after Object // the object as it is rendered, and as it is to be
	doc           any    // before, decoded
	fields        []edit.Difference
}

// expect makes the change in the rendered object itself.
func (a *amendment) expect() error {
	a.before = a.objects[a.target]
	text, err := yaml.JSONToYAML(a.before.JSON)
	if err != nil {
		return fmt.Errorf("write %s: %w", a.before, err)
	}
	o := a.before
	changed, err := a.change(a.unit.name(), text, edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name})
	if err != nil { // the change itself is not for this object: no other place mends that
		var r *Refusal
		if err = typed(err); !errors.As(err, &r) {
			err = &Refusal{Reason: Uneditable, Why: err.Error(), Err: err}
		}
		return err
	}
	a.after = o
	if a.after.JSON, err = yaml.YAMLToJSON(changed); err != nil {
		return fmt.Errorf("read %s: %w", o, err)
	}
	if a.after.JSON, err = canonical(a.after); err != nil {
		return err
	}
	if a.doc, err = a.before.decoded(); err != nil {
		return err
	}
	is, err := a.after.decoded()
	a.fields = edit.Differences(a.doc, is)
	return err
}

// homes are the objects in files that may become the one that is asked for, what lies on top first; for the base, last.
func (a *amendment) homes() []addition {
	// The path only makes additions: every one of an object stands for a home of it.
	asked := ask{sel: a.q.Object, path: edit.Path{key("metadata"), key("annotations"), key("cortexops")}, doc: a.doc}
	var out []addition
	for _, h := range a.unit.additions(asked, false) {
		in, file := h.in, h.file
		out = append(out, addition{file: file, write: func(files Files, _ string) (map[string][]byte, error) {
			data, err := files.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			changed, err := edit.ChangeIn(file, data, a.change, in...)
			if err == nil && bytes.Equal(changed, data) {
				err = fmt.Errorf("%s has nothing to change: %w", file, edit.ErrNotFound)
			}
			return map[string][]byte{file: changed}, err
		}})
	}
	if a.q.Base {
		slices.Reverse(out)
	}
	return out
}

// patches are new ones of this unit: a strategic one, and a JSON patch where that does not do.
func (a *amendment) patches() []addition {
	s, ok := a.unit.(*kustomized)
	if !ok || s.layers[s.dir] == nil || a.q.Base {
		return nil
	}
	w := adder{walk: walk{kustomized: s, ask: ask{sel: a.q.Object}, seen: map[string]bool{}}}
	w.createFor(s.layers[s.dir], a.before, a.after)
	return w.out
}

// proves renders everything with the change.
func (a *amendment) proves(changed map[string][]byte) error {
	for file := range changed {
		if err := a.q.allows(file); err != nil {
			return err
		}
	}
	next := With(a.files, changed)
	to, err := rendered(open(next, a.unit.name()))
	if err != nil {
		return err
	}
	diff, err := compare(a.objects, to, a.target)
	if err != nil {
		return err
	}
	if !bytes.Equal(to[a.target].JSON, a.after.JSON) {
		return &Refusal{Reason: Unproven, Why: fmt.Sprintf("%s does not render %s as the change makes it", a.unit.name(), a.q.Object)}
	}
	for _, c := range diff.changes {
		if c.object != a.target {
			return &Refusal{Reason: Shared, Why: fmt.Sprintf("the edit changes more of %s than %s: also %s of %s", a.unit.name(), a.q.Object, c.Path, diff.from[c.object])}
		}
	}
	if err := a.others(next); err != nil || a.q.Elsewhere == nil || a.q.Base {
		return err
	}
	return a.q.Elsewhere(changed)
}

// others proves that the other units render as before, or, for the base, that they change in the same fields only.
func (a *amendment) others(after Files) error {
	if err := a.leaves(a.units, after); err != nil || !a.q.Whole || len(a.q.Overlays) == 0 {
		return err
	}
	tiers, err := neighbours(a.files, a.q.Overlays, a.unit.name())
	if err != nil {
		return err
	}
	return a.leaves(tiers, after)
}

func (a *amendment) leaves(tiers [][]unit, after Files) error {
	for i, tier := range tiers {
		for _, u := range tier {
			if u.name() == a.unit.name() {
				continue
			}
			allowed := func(c change, from Object) bool {
				if i == 1 && (from.Namespace == "" || from.Namespace == a.objects[a.target].Namespace) { // as in Query.others
					return true
				}
				return a.q.Base && from.Kind == a.q.Object.Kind && slices.ContainsFunc(a.fields, func(d edit.Difference) bool { return d.Path == c.Path })
			}
			if err := sameBut(u, open(after, u.name()), allowed); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstLine is the first line, from 1, in which a file differs from what it was.
func firstLine(files Files, file string, now []byte) (int, error) {
	was, err := files.ReadFile(file)
	if err != nil && exists(files, file) {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	line := 1
	for i := 0; i < min(len(was), len(now)) && was[i] == now[i]; i++ {
		if now[i] == '\n' {
			line++
		}
	}
	return line, nil
}
