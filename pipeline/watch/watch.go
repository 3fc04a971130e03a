// Package watch follows the objects of a cluster and hands over every change of them, one at a time. It keeps no object: a
// store of its own under client-go's reflector holds their names only, so that a large cluster costs what its handlers make
// of it. A watch that breaks is resumed where it was; where it cannot be, the list is compared with the names, and what is
// gone is handed over as deleted.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// absent is how often the server is asked whether it serves a kind by now that it did not.
const absent = time.Minute

// Handler is told of every object when it is first seen, when it changes and when it is gone. Put may repeat itself. It is
// called for one object at a time; while it blocks, nothing is read. An object is a typed one of k8s.io/api, a
// *metav1.PartialObjectMetadata or an *unstructured.Unstructured, as kinds.go says, and must not be changed.
type Handler interface {
	Put(kind schema.GroupVersionKind, object metav1.Object)
	Delete(kind schema.GroupVersionKind, namespace, name string)
}

// Options of New.
type Options struct {
	Config     *rest.Config // of an identity that may list and watch what kinds.go names; what it may not is told by Check
	Namespaces []string     // none: all of them, which needs a ClusterRole
	Handlers   []Handler
	Log        *slog.Logger
}

// Watch is safe for concurrent use.
type Watch struct {
	handlers   []Handler
	log        *slog.Logger
	discover   discovery.DiscoveryInterface
	reflectors []*source

	handling sync.Mutex // one change at a time, over all kinds
}

// source is one kind in one namespace.
type source struct {
	kind
	namespace string
	lister    *cache.ListWatch

	mu      sync.Mutex
	settled bool // listed once, or known not to be listable
	listed  bool
	problem error
}

// New prepares the watches. Nothing is asked of the server before Run.
func New(o Options) (*Watch, error) {
	clients, err := connect(o.Config)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{metav1.NamespaceAll}
	}
	w := &Watch{handlers: o.Handlers, log: o.Log, discover: clients.discover}
	for _, k := range kinds {
		in := slices.Compact(slices.Sorted(slices.Values(o.Namespaces)))
		if k.cluster {
			in = []string{metav1.NamespaceAll}
		}
		for _, namespace := range in {
			s := &source{kind: k, namespace: namespace}
			s.lister = w.noticing(s, clients.lister(k, namespace))
			w.reflectors = append(w.reflectors, s)
		}
	}
	return w, nil
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range w.reflectors {
		running.Go(func() { w.follow(ctx, s) })
	}
	running.Wait()
}

func (w *Watch) follow(ctx context.Context, s *source) {
	if s.optional && !w.served(ctx, s) {
		return
	}
	silent := logr.Discard() // it would repeat, in its own form, what is noticed already
	cache.NewReflectorWithOptions(s.lister, s.example(), &store{watch: w, source: s, names: map[string]struct{}{}},
		cache.ReflectorOptions{Logger: &silent, Name: s.String(), TypeDescription: s.gvk.Kind}).RunWithContext(klog.NewContext(ctx, silent))
}

// served waits until the server has the kind, and is false when ctx ends first. To ask for one that it has not would be
// answered by Forbidden where nobody gave a right to it, and nobody has to.
func (w *Watch) served(ctx context.Context, s *source) bool {
	for {
		list, err := w.discover.ServerResourcesForGroupVersion(s.gvk.GroupVersion().String())
		wait := absent
		switch {
		case err == nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == s.resource }):
			return true
		case err == nil, apierrors.IsNotFound(err): // what it does not serve is not there
			w.notice(ctx, s, nil)
			s.list()
		default:
			wait = time.Second
			w.notice(ctx, s, err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// Synced reports whether each kind was listed once, is not served, or may not be read: then no more is to be had.
func (w *Watch) Synced() bool {
	return !slices.ContainsFunc(w.reflectors, func(s *source) bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.settled })
}

// WaitSynced returns nil as soon as Synced, or with why not when ctx ends.
func (w *Watch) WaitSynced(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !w.Synced() {
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the cluster's objects were not listed: %w", ctx.Err()), w.problems())
		case <-tick.C:
		}
	}
	return nil
}

// Check names every kind that cannot be watched now, and where a permission is missing, the rule that gives it.
func (w *Watch) Check(context.Context) error {
	if err := w.problems(); err != nil {
		return err
	}
	if !w.Synced() {
		return errors.New("the cluster's objects are still being listed")
	}
	return nil
}

func (w *Watch) problems() error {
	var all []error
	for _, s := range w.reflectors {
		s.mu.Lock()
		if s.problem != nil {
			all = append(all, s.problem)
		}
		s.mu.Unlock()
	}
	return errors.Join(all...)
}

func (s *source) list() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled, s.listed = true, true
}

// Listed reports whether all objects of a kind that are there were handed over, or nobody follows them. What was not is gone only
// then: where a right is missing, nobody has looked.
func (w *Watch) Listed(kind schema.GroupKind, namespace string) bool {
	return !slices.ContainsFunc(w.reflectors, func(s *source) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.listed && s.gvk.GroupKind() == kind && (s.namespace == "" || s.namespace == namespace)
	})
}

func (s *source) String() string {
	if s.namespace == "" {
		return s.resource
	}
	return s.resource + " in " + s.namespace
}
