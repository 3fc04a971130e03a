package deployer

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Applier writes objects by server-side apply, as one field manager, and takes fields from whoever has them.
type Applier struct {
	client  dynamic.Interface
	mapper  meta.RESTMapper
	manager string
}

// NewApplier uses the identity of rc.
func NewApplier(rc *rest.Config, manager string) (*Applier, error) {
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("make a client to apply with: %w", err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("make a client to apply with: %w", err)
	}
	return &Applier{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d)), manager}, nil
}

// Apply writes all that can be written, in order, and tells what could not.
func (a *Applier) Apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	var errs error
	for _, o := range objects {
		errs = errors.Join(errs, a.one(ctx, o))
	}
	return errs
}

func (a *Applier) one(ctx context.Context, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	fail := func(err error) error {
		return fmt.Errorf("apply %s %s/%s: %w", gvk.Kind, o.GetNamespace(), o.GetName(), err)
	}
	m, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return fail(err)
	}
	var r dynamic.ResourceInterface = a.client.Resource(m.Resource)
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		r = a.client.Resource(m.Resource).Namespace(o.GetNamespace())
	}
	if _, err := r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: a.manager, Force: true}); err != nil {
		return fail(err)
	}
	return nil
}
