package locate

import (
	"fmt"
	"slices"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Autoscaler is the HorizontalPodAutoscaler that the unit which renders the object renders for it, or another of the
// query's Overlays does; there is none without ok.
func Autoscaler(files Files, q Query) (hpa edit.Selector, ok bool, err error) {
	s, err := seek(files, q)
	if err != nil {
		return hpa, false, err
	}
	o, err := s.autoscaler()
	if o == nil || err != nil {
		return hpa, false, err
	}
	return edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}, true, nil
}

func (s *search) autoscaler() (*Object, error) {
	if o, err := autoscalerOf(s.objects, s.q.Object); o != nil || err != nil || len(s.q.Overlays) == 0 {
		return o, err
	}
	for _, u := range s.units[0] {
		if u.name() == s.unit.name() || !u.mayRender(edit.Selector{Name: "HorizontalPodAutoscaler"}) {
			continue
		}
		objects, err := rendered(u)
		if err != nil {
			continue // it deploys nothing as it is
		}
		own := s.objects[s.target].Namespace
		objects = slices.DeleteFunc(slices.Clone(objects), func(o Object) bool { return o.Namespace == "" || o.Namespace != own })
		if o, err := autoscalerOf(objects, s.q.Object); o != nil || err != nil {
			return o, err
		}
	}
	return nil, nil
}

func autoscalerOf(objects []Object, workload edit.Selector) (*Object, error) {
	for i, o := range objects {
		if o.Kind != "HorizontalPodAutoscaler" {
			continue
		}
		doc, err := o.decoded()
		if err != nil {
			return nil, err
		}
		if edit.Autoscales(doc, workload) {
			return &objects[i], nil
		}
	}
	return nil, nil
}

// autoscaled refuses to edit the replicas of a workload for which an autoscaler is rendered: they are not for
// git to say, and the next apply would take them from it.
func (s *search) autoscaled() error {
	if s.q.Field.String() != "spec.replicas" {
		return nil
	}
	o, err := s.autoscaler()
	if o == nil || err != nil {
		return err
	}
	return &Refusal{Reason: Autoscaled, Why: fmt.Sprintf("%s sets the replicas of %s: edit its spec.minReplicas or spec.maxReplicas", o, s.q.Object)}
}
