package chain

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// place chooses among the values that drive the field, and says how it is written.
func (s *search) place(ctx context.Context, hits []hit) (locate.Found, error) {
	s.hits = hits
	main := chief(hits)
	if !s.certain(main) && s.asked {
		return locate.Found{}, refuse(locate.Remote, "%s sets %s of %s, unless %s does, which cannot be read", position(main.Scalar), s.field, s.q.Object, s.unit.hidden[0])
	}
	if !s.certain(main) {
		return s.override(ctx, main, fmt.Sprintf("%s sets it, unless %s does, which cannot be read: what the release itself says is stronger", position(main.Scalar), s.unit.hidden[0]))
	}
	why := ""
	if s.isDefault(main.Scalar) {
		why = fmt.Sprintf("%s says it for every release of the chart", position(main.Scalar))
	} else if err := s.elsewhere(ctx, main); err != nil {
		why = fmt.Sprintf("%s sets it, and also %v", position(main.Scalar), err)
	}
	switch {
	case why != "" && s.asked: // where the value comes from is not where an edit goes
		s.say("%s", why)
		s.say("proof: another value there changes this field of the rendering")
		return s.found(main, append([]hit{main}, hits...)), nil
	case why != "":
		f, other := s.override(ctx, main, why)
		if other != nil && !s.isDefault(main.Scalar) {
			return f, refuse(locate.Shared, "%s; elsewhere: %v", why, other)
		}
		return f, other
	}
	s.say("%s sets it", position(main.Scalar))
	s.proof()
	return s.found(main, append([]hit{main}, hits...)), nil
}

// chief is the one that is named: of the parts of an image, the tag.
func chief(hits []hit) hit {
	main := hits[0]
	for _, h := range hits {
		if !main.whole() && h.last() && (!main.last() || len(h.before) > len(main.before)) {
			main = h
		}
	}
	return main
}

// found is the place of main; what is written there goes to the one of the hits that it fits.
func (s *search) found(main hit, hits []hit) locate.Found {
	f := locate.Found{Overlay: s.unit.where(), File: main.File, Line: main.Line, Column: main.Column, Value: s.value, Chain: s.chain}
	return f.Written(func(files locate.Files, want string) (map[string][]byte, error) { return s.set(files, hits, want) }).ReadBy(func(data []byte) (string, bool) {
		c, err := main.In(data)
		return main.before + c.Value + main.after, err == nil
	})
}

// settle proves the place with the value. Where the value changes a part that other units share, or another one than what is added
// for this unit alone, it is set for this one alone.
func (s *search) settle(ctx context.Context, f locate.Found, value string) (locate.Found, error) {
	err := s.writes(ctx, f, value)
	var r *locate.Refusal
	if !errors.As(err, &r) || r.Reason != locate.Shared && (r.Reason != locate.Uneditable || !f.New) {
		return f, err
	}
	for _, h := range s.hits {
		if _, fits := inner(value, h.before, h.after); !fits {
			continue
		}
		own, other := s.override(ctx, h, r.Why)
		if other == nil && s.writes(ctx, own, value) == nil {
			return own, nil
		}
	}
	return f, err
}

func (s *search) proof() {
	n := 0
	for _, u := range s.world.units {
		n += len(u.objects)
	}
	s.say("proof: another value there changes this field of the rendering, and no other of %d objects of %d units", n, len(s.world.units))
}

// set changes the value whose part of the field it is that want changes.
func (s *search) set(files locate.Files, hits []hit, want string) (map[string][]byte, error) {
	for _, h := range hits {
		v, ok := inner(want, h.before, h.after)
		if !ok {
			continue
		}
		data, err := files.ReadFile(h.File)
		if err != nil {
			return nil, err
		}
		c, err := h.In(data)
		if err != nil {
			return nil, &locate.Refusal{Reason: locate.Unproven, Why: err.Error(), Err: err}
		}
		if v == c.Value {
			return nil, nil
		}
		if data, err = c.Set(v); err != nil {
			return nil, &locate.Refusal{Reason: locate.Uneditable, Why: err.Error(), Err: err}
		}
		return map[string][]byte{h.File: data}, nil
	}
	return nil, refuse(locate.Uneditable, "%s of %s is put together: only what stands between %q and %q is set at %s", s.field, s.q.Object, hits[0].before, hits[0].after, position(hits[0].Scalar))
}

func inner(want, before, after string) (string, bool) {
	if len(want) < len(before)+len(after) || !strings.HasPrefix(want, before) || !strings.HasSuffix(want, after) {
		return "", false
	}
	return want[len(before) : len(want)-len(after)], true
}

// elsewhere says what else in the repository another value there would change.
func (s *search) elsewhere(ctx context.Context, h hit) error {
	data, err := h.Set(sentinel(h.candidate, s.value))
	if err != nil {
		return err
	}
	next, err := s.world.with(ctx, map[string][]byte{h.File: data})
	if err != nil {
		return err
	}
	return s.compare(next, true)
}

// certain reports whether nothing out of sight may set the field anew. What stands in the release's own object is
// stronger than all that it takes from elsewhere.
func (s *search) certain(h hit) bool {
	return len(s.unit.hidden) == 0 || s.unit.kind != helmRelease ||
		h.Object.Kind == helmRelease && len(h.Path) > 1 && h.Path[0].Key == "spec" && h.Path[1].Key == "values"
}

// isDefault reports whether c is a value of the chart itself. Flux reads a chart, and the files of values that it names,
// again only where the chart has a new version, unless it is told otherwise.
func (s *search) isDefault(c edit.Scalar) bool {
	named := slices.Contains(s.unit.named, c.File)
	if s.unit.kind == helmRelease && text(s.unit.spec, "chart", "spec", "reconcileStrategy") != "Revision" {
		return named || s.unit.prefixOf(c.File) != nil
	}
	return !named && s.unit.prefixOf(c.File) != nil && (s.unit.kind == helmRelease || !s.ownChart())
}

// ownChart reports whether the chart is there for this one Application, which gives it no values: its values.yaml is
// where they are set, then.
func (s *search) ownChart() bool {
	o := at(s.unit.spec, "source", "helm")
	if len(s.unit.named)+len(list(o, "parameters")) > 0 || text(o, "values") != "" || at(o, "valuesObject") != nil {
		return false
	}
	return !slices.ContainsFunc(s.world.units, func(u *unit) bool { return u != s.unit && u.prefixOf(path.Join(s.unit.folder, "values.yaml")) != nil })
}
