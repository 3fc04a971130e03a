package locate

import (
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Objects is all that the units of the query render, as far as they can be rendered.
func Objects(files Files, q Query) []Object {
	q.Object = edit.Selector{}
	units, err := q.units(files)
	if err != nil {
		return nil
	}
	var out []Object
	for _, tier := range units {
		for _, u := range tier {
			if objects, err := rendered(u); err == nil {
				out = append(out, objects...)
			}
		}
	}
	return out
}

// Near asks whether another of the objects was meant by one that is not among them: of its name in another namespace, of
// a name like it, or of its kind written otherwise. It is "" where none is like it.
func Near(sel edit.Selector, objects []Object) string {
	var same, others, names []string
	for _, o := range objects {
		if !strings.EqualFold(o.Kind, sel.Kind) || o.is(sel) {
			continue
		}
		if o.Name == sel.Name && o.Namespace == "" && sel.Namespace != "" {
			continue // the search has looked at it
		}
		if o.Name == sel.Name {
			same = append(same, full(o))
			continue
		}
		if sel.Namespace == "" || o.Namespace == "" || o.Namespace == sel.Namespace || len(edit.Nearest(sel.Namespace, []string{o.Namespace})) > 0 {
			names = append(names, o.Name)
		}
	}
	near := edit.Nearest(sel.Name, names)
	for _, name := range near {
		for _, o := range objects {
			elsewhere := func(x Object) bool {
				return o.Namespace == "" && x.Namespace != "" && x.Kind == o.Kind && x.Name == o.Name
			}
			if o.Name == name && strings.EqualFold(o.Kind, sel.Kind) && !slices.Contains(others, full(o)) && !slices.ContainsFunc(objects, elsewhere) {
				others = append(others, full(o))
			}
		}
	}
	slices.Sort(same)
	all := append(slices.Compact(same), others...)
	return edit.Meant(all[:min(len(all), 3)])
}

// full is all that names an object: GROUP/VERSION/KIND/NAMESPACE/NAME.
func full(o Object) string {
	return strings.Join([]string{o.Group, o.Version, o.Kind, o.Namespace, o.Name}, "/")
}
