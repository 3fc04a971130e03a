package locate

import (
	"fmt"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Autoscaler is the HorizontalPodAutoscaler that the unit which renders the object renders for it; there is none without ok.
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
	for i, o := range s.objects {
		if o.Kind != "HorizontalPodAutoscaler" {
			continue
		}
		doc, err := o.decoded()
		if err != nil {
			return nil, err
		}
		if edit.Autoscales(doc, s.q.Object) {
			return &s.objects[i], nil
		}
	}
	return nil, nil
}

// autoscaled refuses to edit the replicas of a workload for which the same unit renders an autoscaler: they are not for
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
