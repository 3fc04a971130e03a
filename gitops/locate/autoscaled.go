package locate

import (
	"fmt"

	"github.com/cortexops/cortexops/gitops/edit"
)

// autoscaled refuses to edit the replicas of a workload for which the same unit renders an autoscaler: they are not for
// git to say, and the next apply would take them from it.
func (s *search) autoscaled() error {
	if s.q.Field.String() != "spec.replicas" {
		return nil
	}
	for _, o := range s.objects {
		if o.Kind != "HorizontalPodAutoscaler" {
			continue
		}
		doc, err := o.decoded()
		if err != nil {
			return err
		}
		if edit.Autoscales(doc, s.q.Object) {
			return &Refusal{Reason: Autoscaled, Why: fmt.Sprintf("%s sets the replicas of %s: edit its spec.minReplicas or spec.maxReplicas", o, s.q.Object)}
		}
	}
	return nil
}
