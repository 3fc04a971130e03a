package edit

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Difference is one field that two versions of an object do not share. An absent side is "".
type Difference struct{ Path, From, To string }

// Differences lists the leaves in which two decoded JSON values differ, by path. Elements of lists are paired by their
// name where every element has one of its own, else by index.
func Differences(before, after any) []Difference {
	return appendDifferences(nil, nil, before, after)
}

// absent marks the side that has no such field.
type absent struct{}

func appendDifferences(out []Difference, at Path, a, b any) []Difference {
	if reflect.DeepEqual(a, b) {
		return out
	}
	am, aIsMap := a.(map[string]any)
	bm, bIsMap := b.(map[string]any)
	al, aIsList := a.([]any)
	bl, bIsList := b.([]any)
	_, noA := a.(absent)
	_, noB := b.(absent)
	switch {
	case (aIsMap || noA) && (bIsMap || noB) && len(am)+len(bm) > 0:
		return mapDifferences(out, at, am, bm)
	case (aIsList || noA) && (bIsList || noB) && len(al)+len(bl) > 0:
		return listDifferences(out, at, al, bl)
	}
	return append(out, Difference{at.String(), Text(a), Text(b)})
}

func mapDifferences(out []Difference, at Path, a, b map[string]any) []Difference {
	keys := slices.Sorted(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = appendDifferences(out, child(at, Step{Key: k}), get(a, k), get(b, k))
	}
	return out
}

func get(m map[string]any, k string) any {
	if v, ok := m[k]; ok {
		return v
	}
	return absent{}
}

func listDifferences(out []Difference, at Path, a, b []any) []Difference {
	an, aNamed := named(a)
	bn, bNamed := named(b)
	if !aNamed || !bNamed {
		for i := range max(len(a), len(b)) {
			av, bv := any(absent{}), any(absent{})
			if i < len(a) {
				av = a[i]
			}
			if i < len(b) {
				bv = b[i]
			}
			out = appendDifferences(out, child(at, Step{Index: i}), av, bv)
		}
		return out
	}
	for _, n := range an {
		bv := any(absent{})
		if i := slices.Index(bn, n); i >= 0 {
			bv = b[i]
		}
		out = appendDifferences(out, child(at, Step{By: "name", Value: n}), a[slices.Index(an, n)], bv)
	}
	for i, n := range bn {
		if !slices.Contains(an, n) {
			out = appendDifferences(out, child(at, Step{By: "name", Value: n}), absent{}, b[i])
		}
	}
	in := func(other []string) func(string) bool {
		return func(n string) bool { return !slices.Contains(other, n) }
	}
	aOrder, bOrder := slices.DeleteFunc(slices.Clone(an), in(bn)), slices.DeleteFunc(slices.Clone(bn), in(an))
	if !slices.Equal(aOrder, bOrder) { // the order of a list means something
		out = append(out, Difference{at.String(), strings.Join(aOrder, ", "), strings.Join(bOrder, ", ")})
	}
	return out
}

// named lists the names of the elements, if each has one and no two share it. An empty list is named.
func named(list []any) ([]string, bool) {
	var names []string
	for _, item := range list {
		m, _ := item.(map[string]any)
		n, ok := m["name"].(string)
		if !ok || slices.Contains(names, n) {
			return nil, false
		}
		names = append(names, n)
	}
	return names, true
}

func child(at Path, s Step) Path { return append(slices.Clone(at), s) }

// Text is a decoded JSON value as people write it: strings bare, everything else as JSON, nothing for what is absent.
func Text(v any) string {
	switch v := v.(type) {
	case absent:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
