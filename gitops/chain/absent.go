package chain

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

const maxTail = 3 // keys of the field that are added below a value of the chart

// absent finds where a field that nothing sets is added: to the object itself or a patch of it, or to the values of its
// chart, below one that the template puts there as a whole.
func (s *search) absent(ctx context.Context, value string) (locate.Found, error) {
	s.story()
	h := hit{candidate: candidate{Scalar: edit.Scalar{Position: edit.Position{Value: value}, Text: edit.IsText(s.q.Object, s.field, value)}}}
	last := error(refuse(locate.NotFound, "%s renders %s without %s, and no place for it is proven", s.unit, s.q.Object, s.field))
	fields := []own{{s.unit, s.q.Object, s.field}}
	if len(s.unit.charts) > 0 {
		fields = s.tails()
	}
	for _, f := range fields {
		for _, file := range s.files() {
			found, err := s.addTo(ctx, h, f, file)
			if err == nil {
				return found, s.writes(ctx, found, value)
			}
			if !errors.Is(err, errNoPlace) && !errors.Is(err, edit.ErrNotFound) {
				last = err
			}
		}
		for _, patch := range []func(context.Context, hit, own) (locate.Found, error){s.patch, s.above} {
			if found, err := patch(ctx, h, f); err == nil {
				return found, s.writes(ctx, found, value)
			}
		}
	}
	return locate.Found{}, last
}

// writes proves the place with the value.
func (s *search) writes(ctx context.Context, f locate.Found, value string) error {
	changed, err := f.Write(s.world.files, value)
	if err != nil {
		return err
	}
	return s.proves(ctx, changed, value)
}

// tails are the fields of the unit's own values that may become the field: a mapping of the chart's values whose name is
// like that of the mapping around the field, and the rest of the field below it.
func (s *search) tails() []own {
	var out []own
	for _, c := range s.unit.charts {
		data, err := s.world.files.ReadFile(c.dir + "/values.yaml")
		if err != nil {
			continue
		}
		var values m
		if yaml.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &values) != nil {
			continue
		}
		for _, p := range mappings(nil, values) {
			for n := 1; n <= maxTail && n < len(s.field); n++ {
				tail := s.field[len(s.field)-n:]
				around := s.field[len(s.field)-n-1].Key
				if slices.ContainsFunc(tail, func(st edit.Step) bool { return st.Key == "" }) || around == "" ||
					!strings.Contains(strings.ToLower(lastKey(p)), strings.ToLower(around)) {
					continue
				}
				at := edit.Scalar{Position: edit.Position{File: c.dir + "/values.yaml"}, Path: slices.Concat(p, tail)}
				out = append(out, s.ownFields(hit{candidate: candidate{Scalar: at}})...)
			}
		}
	}
	return out
}

// mappings are the paths of the mappings in decoded values, sorted.
func mappings(at edit.Path, values m) []edit.Path {
	var out []edit.Path
	for _, k := range sortedKeys(values) {
		below, ok := values[k].(m)
		if !ok && values[k] != nil {
			continue
		}
		p := append(slices.Clone(at), edit.Step{Key: k})
		out = append(out, p)
		out = append(out, mappings(p, below)...)
	}
	return out
}
