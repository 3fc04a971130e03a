package chain

import (
	"github.com/cortexops/cortexops/gitops/edit"
)

// Autoscaler is the HorizontalPodAutoscaler of the object that the unit which renders it renders too, or another of the
// same tree does, as of the same cluster; there is none without ok.
func (c *Chain) Autoscaler(q Query) (hpa edit.Selector, ok bool, err error) {
	s, err := c.world.seek(q)
	if err != nil {
		return hpa, false, err
	}
	for _, u := range append([]*unit{s.unit}, c.world.units...) {
		if u.root() != s.unit.root() {
			continue
		}
		for _, o := range u.objects {
			space := first(o.Namespace, u.defaults)
			if o.Kind != "HorizontalPodAutoscaler" || u != s.unit && space != q.Object.Namespace {
				continue
			}
			doc, err := decode(o.JSON)
			if err != nil {
				return hpa, false, err
			}
			if edit.Autoscales(doc, q.Object) {
				return edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: space, Name: o.Name}, true, nil
			}
		}
	}
	return hpa, false, nil
}
