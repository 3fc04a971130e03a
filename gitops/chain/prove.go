package chain

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// compare says what next renders otherwise than w, apart from the field of the unit's target, and from what carries the
// change there: the objects of the units on the way, and those that their values come from. whole looks at every tree,
// and not only at the unit's own.
func (s *search) compare(next *world, whole bool) error {
	w, u := s.world, s.unit
	carriers := w.carriers(u)
	carriersNow := carriers
	if twin := next.twin(u); twin != nil {
		carriersNow = next.carriers(twin)
	}
	for _, a := range w.units {
		if !whole && a.root() != u.root() {
			continue
		}
		b := next.twin(a)
		switch {
		case b == nil:
			return fmt.Errorf("%s is no longer there", a)
		case a.err != nil && b.err != nil:
			continue
		case a.err != nil || b.err != nil:
			return fmt.Errorf("%s no longer renders as it did: %v", a, first(message(b.err), message(a.err)))
		}
		at, was, is := -1, a.objects, b.objects
		if a == u {
			at = s.target
		}
		if a.root() == u.root() {
			if err := oneChange(a, b, carriers, carriersNow); err != nil {
				return err
			}
			if a != u {
				was, is = without(a, carriers), without(b, carriersNow)
			} else if self := carrier(u.object, u); carrier(a.objects[at], a) != self { // it may render itself
				before := without(&unit{objects: a.objects[:at], namespace: a.namespace, defaults: a.defaults}, map[string]bool{self: true})
				at, was, is = len(before), without(a, map[string]bool{self: true}), without(b, map[string]bool{self: true})
			}
		}
		if at >= 0 {
			was = locate.Follow(was, is, at)
		}
		if err := compareObjects(a.where(), was, is, at, s.field); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	return w.neighbours(next)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// carriers are the objects that may change on the way to the field, by kind, namespace and name.
func (w *world) carriers(u *unit) map[string]bool {
	out := map[string]bool{}
	for ; u != nil; u = u.up {
		out[carrier(u.object, u)] = true
		for _, o := range u.sources {
			out[carrier(o, u)] = true
		}
	}
	return out
}

func carrier(o locate.Object, in *unit) string {
	return o.Kind + " " + path.Join(first(o.Namespace, in.namespace, in.defaults), o.Name)
}

func without(u *unit, carriers map[string]bool) []locate.Object {
	return slices.DeleteFunc(slices.Clone(u.objects), func(o locate.Object) bool { return carriers[carrier(o, u)] })
}

// oneChange holds the units on the way to one change of their own each.
func oneChange(a, b *unit, carriers, now map[string]bool) error {
	for _, o := range a.objects {
		if !isUnit(o) || !carriers[carrier(o, a)] {
			continue
		}
		i := slices.IndexFunc(b.objects, func(x locate.Object) bool {
			return x.Kind == o.Kind && x.Name == o.Name && x.Namespace == o.Namespace && now[carrier(x, b)]
		})
		if i < 0 || bytes.Equal(o.JSON, b.objects[i].JSON) {
			continue
		}
		diffs, err := differences(o, b.objects[i])
		if err != nil {
			return err
		}
		if len(diffs) > 1 {
			return fmt.Errorf("%s and %s of %s", diffs[0].Path, diffs[1].Path, o)
		}
	}
	return nil
}

func differences(a, b locate.Object) ([]edit.Difference, error) {
	was, err := decode(a.JSON)
	if err != nil {
		return nil, err
	}
	is, err := decode(b.JSON)
	if err != nil {
		return nil, err
	}
	return edit.Differences(was, is), nil
}

// compareObjects finds the first difference of two renderings of a unit, but for one in the target.
func compareObjects(where string, was, is []locate.Object, target int, p edit.Path) error {
	if !slices.EqualFunc(was, is, func(a, b locate.Object) bool {
		return a.Group == b.Group && a.Version == b.Version && a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name
	}) {
		return fmt.Errorf("which objects %s renders", where)
	}
	for i := range was {
		if bytes.Equal(was[i].JSON, is[i].JSON) {
			continue
		}
		diffs, err := differences(was[i], is[i])
		if err != nil {
			return err
		}
		for _, d := range diffs {
			if i == target && (d.Path == p.String() || d.From == "" && p.Enters(d.Path)) {
				continue
			}
			return fmt.Errorf("%s of %s, which %s renders", d.Path, was[i], where)
		}
	}
	return nil
}

// proves holds changes of files to what was asked.
func (s *search) proves(ctx context.Context, changed map[string][]byte, want string) error {
	for p := range changed {
		if len(s.q.Paths) > 0 && !slices.ContainsFunc(s.q.Paths, func(a string) bool { return under(p, strings.TrimSuffix(a, "/")) }) {
			return refuse(locate.Outside, "%s is not in the paths that may be edited: %s", p, strings.Join(s.q.Paths, ", "))
		}
	}
	next, err := s.world.with(ctx, changed)
	if err != nil {
		return err
	}
	if err := s.holds(next, want); err != nil || len(s.unit.charts) == 0 {
		return err
	}
	strict := *s.world // a sentinel need not be what the chart's schema allows; the value is
	strict.strict = true
	if next, err = strict.with(ctx, changed); err != nil {
		return err
	}
	return s.holds(next, want)
}

// holds reports whether in next the field is want, of the type that it had, and nothing else of any unit is different.
func (s *search) holds(next *world, want string) error {
	u := next.twin(s.unit)
	if u == nil {
		return refuse(locate.Unproven, "%s is no longer there after the edit", s.unit)
	}
	if u.err != nil {
		return &locate.Refusal{Reason: locate.Unproven, Why: fmt.Sprintf("after the edit, %v", u.err), Err: u.err}
	}
	i := s.index(u)
	if i < 0 {
		return refuse(locate.Unproven, "%s no longer renders %s after the edit", u, s.q.Object)
	}
	doc, err := decode(u.objects[i].JSON)
	if err != nil {
		return err
	}
	v, _ := s.field.Get(doc)
	if _, isText := v.(string); edit.Text(v) != want || s.there && isText != s.isText && !s.mixed {
		return refuse(locate.Unproven, "after the edit, %s renders %s of %s as %s, not as %s", u, s.field, s.q.Object, quoted(v), want)
	}
	if err := s.compare(next, true); err != nil {
		return refuse(locate.Shared, "the edit changes more than %s of %s: also %v", s.field, s.q.Object, err)
	}
	return nil
}

func quoted(v any) string {
	if t, ok := v.(string); ok {
		return fmt.Sprintf("%q", t)
	}
	return edit.Text(v)
}
