package edit

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

const maxNear = 3 // names that are offered

// Nearest are the names that a person may have meant by one that is not there, the nearest first: those with few letters
// changed, and those that it is the beginning of.
func Nearest(name string, names []string) []string {
	far := func(n string) int {
		a, b := strings.ToLower(name), strings.ToLower(n)
		if a != "" && strings.HasPrefix(b, a) {
			return 1
		}
		return levenshtein.ComputeDistance(a, b)
	}
	near := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))), func(n string) bool { return n == name || far(n) > max(min(2, len(name)/2), len(name)/3) })
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(far(a), far(b)) })
	return near[:min(len(near), maxNear)]
}

// Meant asks whether one of these was meant; "" where there are none.
func Meant(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// Near says of a path that is not in the object which one is like it; "" where none is, or where the path is one that the
// object may well have.
func (p Path) Near(sel Selector, object any) string {
	for i, s := range p {
		if _, ok := p[:i+1].Get(object); ok {
			continue
		}
		at, _ := p[:i].Get(object)
		var near []string
		switch {
		case s.Key != "" && (!isStruct(typeOf(sel, p[:i])) || typeOf(sel, p[:i+1]) == nil):
			for _, k := range Nearest(s.Key, append(keysOf(at), fieldsOf(typeOf(sel, p[:i]))...)) {
				near = append(near, append(slices.Clone(p[:i]), Step{Key: k}).String())
			}
		case s.By != "":
			names := valuesOf(at, s.By)
			if close := Nearest(s.Value, names); len(close) > 0 || len(names) > maxNear {
				names = close
			}
			for _, v := range names {
				near = append(near, append(slices.Clone(p[:i]), Step{By: s.By, Value: v}).String())
			}
		case s.Key == "":
			if list, ok := at.([]any); ok {
				return fmt.Sprintf("; %s has %d, counted from 0", p[:i], len(list))
			}
		}
		return Meant(near)
	}
	return ""
}

func keysOf(v any) (out []string) {
	m, _ := v.(map[string]any)
	for k := range m {
		out = append(out, k)
	}
	return out
}

// valuesOf are what the elements of a list have under a key.
func valuesOf(v any, key string) (out []string) {
	list, _ := v.([]any)
	for _, item := range list {
		if m, _ := item.(map[string]any); m[key] != nil {
			out = append(out, Text(m[key]))
		}
	}
	return out
}

// fieldsOf are the names that the fields of a type have in JSON.
func fieldsOf(t reflect.Type) (out []string) {
	if !isStruct(t) {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}
