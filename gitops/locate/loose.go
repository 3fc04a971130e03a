package locate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const strict = -1 // the tier where an object must name its namespace

// looseness takes an object without a namespace for one of any, where whoever applies the unit chooses the namespace. What
// another kustomization includes, or Flux or Argo CD delivers, is what they make of it.
type looseness struct {
	q     Query
	units [][]unit
	tier  int
	said  string // what is taken for none of any
}

// takes tells whether o, that u renders, is the object in the namespace that is asked for.
func (l *looseness) takes(u unit, o Object) bool {
	if l.tier == strict || o.Namespace != "" || !o.is(unnamespaced(l.q.Object)) {
		return false
	}
	how := l.included(u)
	if how == "" && l.q.Delivered != nil {
		how = l.q.Delivered(u.name(), l.q.Object)
	}
	if how != "" && l.said == "" {
		l.said = fmt.Sprintf("; %s renders %s without a namespace, and %s", u.name(), o, how)
	}
	return how == ""
}

// partial tells whether o is a patch rather than a manifest, as an overlay that has lost its kustomization leaves it: no API server
// takes a workload without a selector and with a container without an image.
func (l *looseness) partial(u unit, o Object) bool {
	if o.Group != "apps" || !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, o.Kind) {
		return false
	}
	var whole struct {
		Spec struct {
			Selector any
			Template struct {
				Spec struct{ Containers []struct{ Image string } }
			}
		}
	}
	if json.Unmarshal(o.JSON, &whole) != nil || whole.Spec.Selector != nil ||
		!slices.ContainsFunc(whole.Spec.Template.Spec.Containers, func(c struct{ Image string }) bool { return c.Image == "" }) {
		return false
	}
	if l.said == "" {
		l.said = fmt.Sprintf("; %s has a part of it only: a patch that nothing here applies", u.name())
	}
	return true
}

// included names a kustomization that includes u, and what it makes of the object; "" where none does.
func (l *looseness) included(u unit) string {
	how := ""
	for _, tier := range l.units[:min(2, len(l.units))] {
		for _, by := range tier {
			s, ok := by.(*kustomized)
			if !ok || s.dir == u.name() || s.layers[u.name()] == nil {
				continue
			}
			if as := s.variant(l.q); as != "" {
				return fmt.Sprintf("%s, which includes it, as %s", s.dir, as)
			}
			how = s.dir + " includes it"
		}
	}
	return how
}

// variant is the object as a kustomization renders it, under a name and in a namespace of its own.
func (s *kustomized) variant(q Query) string {
	objects, err := rendered(s)
	if err != nil {
		return ""
	}
	for _, o := range objects {
		if o.Group == q.Object.Group && o.Kind == q.Object.Kind && strings.Contains(o.Name, q.Object.Name) {
			return o.String()
		}
	}
	return ""
}
