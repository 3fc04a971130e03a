package chain

import (
	"path"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// Autoscaler is the HorizontalPodAutoscaler of the object that the unit which renders it renders too, or another of the
// same tree does, as of the same cluster; there is none without ok.
func (c *Chain) Autoscaler(q Query) (hpa edit.Selector, ok bool, err error) {
	s, err := c.world.seek(q)
	if err != nil {
		return hpa, false, err
	}
	return s.autoscaler()
}

func (s *search) autoscaler() (hpa edit.Selector, ok bool, err error) {
	for _, u := range append([]*unit{s.unit}, s.world.units...) {
		if u.root() != s.unit.root() {
			continue
		}
		for _, o := range u.objects {
			space := first(o.Namespace, u.defaults)
			if o.Kind != "HorizontalPodAutoscaler" || u != s.unit && space != s.q.Object.Namespace {
				continue
			}
			doc, err := decode(o.JSON)
			if err != nil {
				return hpa, false, err
			}
			if edit.Autoscales(doc, s.q.Object) {
				return edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: space, Name: o.Name}, true, nil
			}
		}
	}
	return hpa, false, nil
}

// fits refuses a value that the field cannot have, and replicas that an autoscaler chooses.
func (s *search) fits(value string) error {
	doc, err := decode(s.unit.objects[s.target].JSON)
	if err != nil {
		return err
	}
	if err := edit.Fits(s.q.Object, s.field, doc, value); err != nil {
		return locate.Unfit(err, s.field.Near(s.q.Object, s.doc))
	}
	if s.field.String() != "spec.replicas" {
		return nil
	}
	hpa, ok, err := s.autoscaler()
	if err != nil || !ok {
		return err
	}
	return refuse(locate.Autoscaled, "%s %s sets the replicas of %s: edit its spec.minReplicas or spec.maxReplicas", hpa.Kind, path.Join(hpa.Namespace, hpa.Name), s.q.Object)
}
