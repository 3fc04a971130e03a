package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

const maxTrials = 400 // renderings of one search

// search looks for what drives one field.
type search struct {
	world  *world
	unit   *unit
	target int // index of the object
	q      Query
	field  edit.Path
	there  bool // the rendering has the field
	doc    any  // the object
	value  string
	isText bool
	mixed  bool // it may be a number or a text

	chain    []string
	shadowed []edit.Scalar
	blocked  error // of a candidate
	unread   error // of a file
	shared   error
	trials   int
	hits     []hit
	wide     []hit // those that set more than the field
	asked    bool  // where the value comes from, whatever else comes from there
}

// look reads the field as it is rendered.
func (s *search) look() error {
	doc, err := decode(s.unit.objects[s.target].JSON)
	if err != nil {
		return err
	}
	s.doc = doc
	var v any
	v, s.there = s.field.Get(doc)
	switch v.(type) {
	case m, []any:
		return refuse(locate.Uneditable, "%s of %s is not a single value", s.field, s.q.Object)
	}
	s.field = byName(s.field, doc)
	s.mixed = slices.ContainsFunc(s.field, func(st edit.Step) bool { return st.Key == "resources" || st.Key == "port" || st.Key == "targetPort" })
	if !s.there {
		return nil
	}
	s.value = edit.Text(v)
	_, s.isText = v.(string)
	if by := s.outOfSight(); strings.Contains(s.value, "${") && by != "" && !unsubstituted(doc) {
		return refuse(locate.Remote, "%s of %s is %s: the variable comes from %s and cannot be seen", s.field, s.q.Object, s.value, by)
	}
	return nil
}

// byName describes list elements by their name, where each has one, as differences do.
func byName(p edit.Path, doc any) edit.Path {
	out := slices.Clone(p)
	for i, st := range p {
		if st.Key != "" || st.By != "" {
			continue
		}
		item, _ := p[:i+1].Get(doc)
		named := edit.Step{By: "name", Value: text(item, "name")}
		if _, ok := append(slices.Clone(p[:i]), named).Get(doc); ok && named.Value != "" {
			out[i] = named
		}
	}
	return out
}

// outOfSight names where values come from that cannot be seen.
func (s *search) outOfSight() string {
	for u := s.unit; u != nil; u = u.up {
		if len(u.hidden) > 0 {
			return u.hidden[0]
		}
	}
	return ""
}

func (s *search) say(format string, args ...any) {
	s.chain = append(s.chain, fmt.Sprintf(format, args...))
}

func (s *search) block(err error) {
	if s.blocked == nil {
		s.blocked = err
	}
}

// run tries the candidates until one is proven. The parts of a value that is put together are all looked for.
func (s *search) run(ctx context.Context) (locate.Found, error) {
	s.story()
	candidates := s.candidates()
	for _, c := range s.shadowed {
		s.say("%s says %s, which is overridden", position(c), shown(s.q, c.Value))
	}
	var hits []hit
	for _, c := range candidates {
		if len(hits) > 0 && (hits[0].whole() || c.rank > hits[0].rank && (c.rank != rankEmpty || slices.ContainsFunc(hits, hit.last))) {
			break
		}
		h, ok, err := s.try(ctx, c)
		if err != nil {
			return locate.Found{}, err
		}
		if ok {
			hits = append(hits, h)
		}
	}
	switch {
	case len(hits) > 0:
		return s.place(ctx, hits)
	case len(s.wide) > 0 && s.asked:
		return s.found(chief(s.wide), s.wide), nil
	case len(s.wide) > 0:
		s.hits = s.wide
		f, other := s.override(ctx, chief(s.wide), "elsewhere it is set for this one alone")
		if other == nil {
			return f, nil
		}
		return f, refuse(locate.Shared, "%v; elsewhere: %v", s.shared, other)
	}
	f, err := s.generated(ctx)
	if f != nil {
		return *f, nil
	}
	if err != nil {
		return locate.Found{}, err
	}
	return locate.Found{}, s.refusal()
}

// story tells how the repository leads to the object.
func (s *search) story() {
	var units []*unit
	for u := s.unit; u != nil; u = u.up {
		units = append(units, u)
	}
	for _, u := range slices.Backward(units) {
		from := ""
		if u.up == nil {
			from = " in " + u.file
		}
		switch u.kind {
		case applied:
			s.say("%s is applied as it is", u)
		case applicationSet:
			s.say("%s%s makes %s", u, from, counted(len(u.objects), application))
		default:
			s.say("%s%s renders %s", u, from, first(u.folder, "."))
		}
		s.chain = append(s.chain, u.notes...)
		if truth(u.spec, "suspend") {
			s.say("%s is suspended: an edit waits until it is resumed", u)
		}
	}
	if !s.there {
		s.say("%s has no %s", s.unit.objects[s.target], s.field)
		return
	}
	s.say("%s has %s: %s", s.unit.objects[s.target], s.field, shown(s.q, s.value))
}

// hit is a candidate that drives the field: the field is before, the candidate's value, and after.
type hit struct {
	candidate
	before, after string
}

func (h hit) whole() bool { return h.before == "" && h.after == "" }

// last reports whether the candidate ends the field, as a tag ends an image.
func (h hit) last() bool { return h.after == "" }

// try changes the candidate and sees where that lands.
func (s *search) try(ctx context.Context, c candidate) (hit, bool, error) {
	if c.Refused != nil {
		if c.rank <= rankWhole {
			s.block(c.Refused)
		}
		return hit{}, false, nil
	}
	if s.trials++; s.trials > maxTrials {
		return hit{}, false, refuse(locate.Unsupported, "more than %d values may drive %s of %s", maxTrials, s.field, s.q.Object)
	}
	mark := sentinel(c, s.value)
	data, err := c.Set(mark)
	if err != nil {
		if c.rank <= rankWhole {
			s.block(err)
		}
		return hit{}, false, nil
	}
	next, err := s.world.with(ctx, map[string][]byte{c.File: data})
	if err != nil {
		return hit{}, false, ctx.Err()
	}
	to, landed, err := s.lands(next)
	if !landed {
		return hit{}, false, nil
	}
	before, after, ok := strings.Cut(to, mark)
	if !ok || before+c.Value+after != s.value && c.rank != rankEmpty {
		return hit{}, false, nil
	}
	if err != nil {
		s.say("%s sets it and more: %v", position(c.Scalar), err)
		s.wide = append(s.wide, hit{c, before, after})
		if s.shared == nil {
			s.shared = &locate.Refusal{Reason: locate.Shared, Why: fmt.Sprintf("%s sets more than %s of %s: also %v", position(c.Scalar), s.field, s.q.Object, err)}
		}
		return hit{}, false, nil
	}
	return hit{c, before, after}, true, nil
}

func position(c edit.Scalar) string { return fmt.Sprintf("%s:%d:%d", c.File, c.Line, c.Column) }

// sentinel is another value of the same type, which is not there yet.
func sentinel(c candidate, value string) string {
	v := c.Value
	switch {
	case c.Empty:
		return "cortexops-0"
	case v == "true":
		return "false"
	case v == "false":
		return "true"
	case strings.Trim(v, "0123456789") == "":
		return v + "7"
	case strings.Trim(v, "0123456789.") == "" && strings.Count(v, ".") == 1:
		return v + "7"
	}
	return v + "-cortexops"
}

// lands compares the rendering of next with the one there is: to is the field's new text, landed says that it changed,
// and err what else did.
func (s *search) lands(next *world) (to string, landed bool, err error) {
	u := next.twin(s.unit)
	if u == nil || u.err != nil {
		return "", false, nil
	}
	i := u.has(s.q.Object)
	if i < 0 {
		return "", false, nil
	}
	doc, err := decode(u.objects[i].JSON)
	if err != nil {
		return "", false, err
	}
	v, ok := s.field.Get(doc)
	if !ok || s.there && edit.Text(v) == s.value {
		return "", false, nil
	}
	return edit.Text(v), true, s.compare(next, false)
}

// twin is the unit of another world that stands for u.
func (w *world) twin(u *unit) *unit {
	for _, x := range w.units {
		if x.id() == u.id() && x.root().file == u.root().file && x.root().id() == u.root().id() {
			return x
		}
	}
	return nil
}

// refusal says why nothing was found.
func (s *search) refusal() error {
	var refused *edit.Refusal
	switch {
	case s.shared != nil:
		return s.shared
	case s.blocked != nil:
		return &locate.Refusal{Reason: locate.Uneditable, Why: s.blocked.Error(), Err: s.blocked}
	case errors.As(s.unread, &refused) && refused.Encrypted:
		return &locate.Refusal{Reason: locate.Encrypted, Why: s.unread.Error(), Err: s.unread}
	case s.unread != nil:
		return &locate.Refusal{Reason: locate.Uneditable, Why: s.unread.Error(), Err: s.unread}
	}
	return refuse(locate.Generated, "no value that %s reads sets %s of %s to %s: a template or a transformer makes it", s.unit, s.field, s.q.Object, shown(s.q, s.value))
}
