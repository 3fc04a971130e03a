package chain

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/locate"
)

// Chain is a repository with all its units rendered, as one snapshot has them.
type Chain struct{ world *world }

// Open renders the repository's units. A unit that cannot be rendered is an error only where it is asked for.
func Open(ctx context.Context, files locate.Files, o Options) (*Chain, error) {
	w, err := newWorld(ctx, files, o)
	if err != nil {
		return nil, err
	}
	return &Chain{w}, nil
}

// With is the chain with some files changed or added. What they do not touch is not rendered again.
func (c *Chain) With(ctx context.Context, changed map[string][]byte) (*Chain, error) {
	w, err := c.world.with(ctx, changed)
	if err != nil {
		return nil, err
	}
	return &Chain{w}, nil
}

// Delivers reports whether the chain answers for the object: a unit renders it, or its labels name one.
func (c *Chain) Delivers(q Query) bool {
	_, err := c.world.seek(q)
	var r *locate.Refusal
	return !errors.As(err, &r) || r.Reason != locate.NotFound || q.named()
}

// Current is the value that the field is rendered with. It is not there where nothing sets it.
func (c *Chain) Current(q Query) (value string, there bool, err error) {
	s, err := c.world.seek(q)
	if err != nil {
		return "", false, err
	}
	if err := s.look(); err != nil {
		return "", false, err
	}
	return s.value, s.there, nil
}

// Locate finds the place where the value of the field comes from. The chain says what else of the tree does: an edit there
// may be refused, then, or go elsewhere, as Place says.
func (c *Chain) Locate(ctx context.Context, q Query) (locate.Found, error) {
	s, err := c.world.seek(q)
	if err != nil {
		return locate.Found{}, err
	}
	if err := s.look(); err != nil {
		return locate.Found{}, err
	}
	if !s.there {
		return locate.Found{}, refuse(locate.NotFound, "%s renders %s without %s%s", s.unit, q.Object, q.Field, q.Field.Near(q.Object, s.doc))
	}
	s.asked = true
	return s.run(ctx)
}

// Place finds where an edit goes that gives the field the value, and has proven it with that value: after it, this field
// is different, and nothing else that any unit renders.
func (c *Chain) Place(ctx context.Context, q Query, value string) (locate.Found, error) {
	s, err := c.world.seek(q)
	if err != nil {
		return locate.Found{}, err
	}
	if err := s.look(); err != nil {
		return locate.Found{}, err
	}
	if err := s.fits(value); err != nil {
		return locate.Found{}, err
	}
	if !s.there {
		return s.absent(ctx, value)
	}
	f, err := s.run(ctx)
	if err != nil || value == s.value {
		return f, err
	}
	return s.settle(ctx, f, value)
}

// Prove holds an edit to what was asked: from c to after, the field becomes want, and nothing else of any unit changes.
func (c *Chain) Prove(after *Chain, q Query, want string) error {
	s, err := c.world.seek(q)
	if err != nil {
		return err
	}
	if err := s.look(); err != nil {
		return err
	}
	return s.holds(after.world, want)
}

// Units are the names of all that is delivered, as Found.Overlay has them.
func (c *Chain) Units() []string {
	var out []string
	for _, u := range c.world.units {
		out = append(out, u.where())
	}
	return out
}

// ByHelm reports whether the unit of that name is a HelmRelease.
func ByHelm(unit string) bool {
	return strings.HasPrefix(unit, helmRelease+" ") && strings.Contains(unit, " (under ")
}

// RenderedBy is the unit that renders the object, by its name.
func (c *Chain) RenderedBy(q Query) (string, error) {
	s, err := c.world.seek(q)
	if err != nil {
		return "", err
	}
	return s.unit.where(), nil
}

// Reads are the files that the unit which renders the object, and those above it, were rendered from.
func (c *Chain) Reads(q Query) ([]string, error) {
	s, err := c.world.seek(q)
	if err != nil {
		return nil, err
	}
	var out []string
	for u := s.unit; u != nil; u = u.up {
		for _, p := range append(slices.Clone(u.reads.paths), u.file) {
			if p != "" && isFile(c.world.files, p) {
				out = append(out, p)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Render is what a unit renders, by the name that Found.Overlay has. What of the usual kinds names no namespace is in the
// one that the unit works in.
func (c *Chain) Render(unit string) ([]locate.Object, error) {
	for _, u := range c.world.units {
		if u.where() != unit {
			continue
		}
		out := slices.Clone(u.objects)
		for i, o := range out {
			if o.Namespace != "" || u.defaults == "" || !namespaced(o) {
				continue
			}
			var err error
			if out[i], err = settled(o, u.defaults); err != nil {
				return nil, err
			}
		}
		return out, u.err
	}
	return nil, refuse(locate.NotFound, "%s is no unit of the repository", unit)
}

func namespaced(o locate.Object) bool {
	return slices.Contains([]string{"apps", "batch", "autoscaling"}, o.Group) ||
		o.Group == "" && slices.Contains([]string{"ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim"}, o.Kind)
}

// settled is an object in a namespace.
func settled(o locate.Object, namespace string) (locate.Object, error) {
	v, err := decode(o.JSON)
	if err != nil {
		return o, err
	}
	meta, _ := at(v, "metadata").(m)
	if meta == nil {
		return o, nil
	}
	meta["namespace"] = namespace
	o.Namespace = namespace
	o.JSON, err = json.Marshal(v)
	return o, err
}
