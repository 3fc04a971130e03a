package delivery

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Live is what the cluster knows of an object beside git.
type Live struct {
	Labels, Annotations map[string]string
	Autoscaler          Ref    // the HorizontalPodAutoscaler that sets its replicas; zero where none is seen
	By                  string // who manages the autoscaler, for people
}

// Look reads it. What is not there, or we may not read, is not seen, which is no error.
func (d *Direct) Look(ctx context.Context, r Ref) (Live, error) {
	t, err := d.of(r)
	if err != nil {
		return Live{}, err
	}
	var out Live
	switch live, err := t.resource.Get(ctx, r.Name, metav1.GetOptions{}); {
	case err == nil:
		out.Labels, out.Annotations = live.GetLabels(), live.GetAnnotations()
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
		return Live{}, typed(err, r, "get")
	}
	if hpa := d.autoscaler(ctx, r); hpa != nil {
		gvk := hpa.GroupVersionKind()
		out.Autoscaler = Ref{gvk.Group, gvk.Version, gvk.Kind, hpa.GetNamespace(), hpa.GetName()}
		out.By = managedBy(hpa)
	}
	return out, nil
}

var autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}

// autoscaler is the HorizontalPodAutoscaler of the workload, or nil: not to be allowed to look is no error.
func (d *Direct) autoscaler(ctx context.Context, workload Ref) *unstructured.Unstructured {
	if workload.Namespace == "" {
		return nil
	}
	list, err := d.client.Resource(autoscalers).Namespace(workload.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	sel := edit.Selector{Group: workload.Group, Kind: workload.Kind, Namespace: workload.Namespace, Name: workload.Name}
	for i := range list.Items {
		if edit.Autoscales(list.Items[i].Object, sel) {
			return &list.Items[i]
		}
	}
	return nil
}

// managedBy says who makes an object what it is: its owner, what delivers it, its Helm release, else who last wrote its spec.
func managedBy(live *unstructured.Unstructured) string {
	for _, o := range live.GetOwnerReferences() {
		return fmt.Sprintf("%s %s/%s", o.Kind, live.GetNamespace(), o.Name)
	}
	if by := ownerOf(live); by.mode != ByUs {
		return by.unit.String()
	}
	if release := live.GetAnnotations()["meta.helm.sh/release-name"]; release != "" {
		return fmt.Sprintf("Helm release %s/%s", live.GetAnnotations()["meta.helm.sh/release-namespace"], release)
	}
	var last metav1.ManagedFieldsEntry
	for _, m := range live.GetManagedFields() {
		if m.FieldsV1 != nil && bytes.Contains(m.FieldsV1.GetRawBytes(), []byte(`"f:spec"`)) && (last.Time == nil || m.Time != nil && last.Time.Before(m.Time)) {
			last = m
		}
	}
	if last.Manager == "" {
		return ""
	}
	return fmt.Sprintf("field manager %q", last.Manager)
}
