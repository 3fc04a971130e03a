package watch

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// ForbiddenError is a kind that we may not watch. It says which rule is missing.
type ForbiddenError struct {
	Kind, Group, Resource string
	Namespace             string // "" is all of them
	Err                   error
}

func (e *ForbiddenError) Error() string {
	role := "a ClusterRole bound by a ClusterRoleBinding"
	if e.Namespace != "" {
		role = "a Role in namespace " + e.Namespace
	}
	return fmt.Sprintf("%ss are not watched, what depends on them is not known: the rule {apiGroups: [%q], resources: [%s], verbs: [get, list, watch]} is missing, give it by %s",
		e.Kind, e.Group, e.Resource, role)
}

func (e *ForbiddenError) Unwrap() error { return e.Err }

// noticing remembers how the last question to the server went.
func (w *Watch) noticing(s *source, of *cache.ListWatch) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := of.ListWithContext(ctx, o)
			w.notice(ctx, s, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			stream, err := of.WatchWithContext(ctx, o)
			w.notice(ctx, s, err)
			return stream, err
		},
	}
}

func (w *Watch) notice(ctx context.Context, s *source, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.problem
	switch {
	case err == nil, apierrors.IsResourceExpired(err), apierrors.IsGone(err): // listed anew
		s.problem = nil
	case apierrors.IsForbidden(err):
		s.settled = true
		s.problem = &ForbiddenError{Kind: s.gvk.Kind, Group: s.gvk.Group, Resource: s.resource, Namespace: s.namespace, Err: err}
	default:
		s.problem = fmt.Errorf("watch %s: %w", s, err)
	}
	if s.problem != nil && before == nil {
		w.log.WarnContext(ctx, "a kind of the cluster's objects cannot be watched, trying again", "kind", s.gvk.Kind, "namespace", s.namespace,
			"error", strings.TrimSpace(s.problem.Error()))
	}
}

func listWatch[L runtime.Object](list func(context.Context, metav1.ListOptions) (L, error), watch func(context.Context, metav1.ListOptions) (apiwatch.Interface, error)) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return list(ctx, o) },
		WatchFuncWithContext: watch,
	}
}
