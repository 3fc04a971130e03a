package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// told is what a handler heard.
type told []string

func (t *told) Put(kind schema.GroupVersionKind, o metav1.Object) {
	*t = append(*t, "put "+kind.Kind+" "+o.GetNamespace()+"/"+o.GetName())
}

func (t *told) Delete(kind schema.GroupVersionKind, namespace, name string) {
	*t = append(*t, "delete "+kind.Kind+" "+namespace+"/"+name)
}

func meta(name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

// TestWhatAListLacksIsDeleted: a watch that could not be resumed hides nothing.
func TestWhatAListLacksIsDeleted(t *testing.T) {
	t.Parallel()
	heard := &told{}
	s := &store{watch: &Watch{handlers: []Handler{heard}}, source: &source{kind: kind{gvk: schema.GroupVersionKind{Kind: "Job"}}}, names: map[string]struct{}{}}
	for _, err := range []error{s.Replace([]any{meta("a"), meta("b")}, "1"), s.Add(meta("c")), s.Update(meta("c")), s.Delete(meta("b")), s.Replace([]any{meta("c")}, "9")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := told{"put Job shop/a", "put Job shop/b", "put Job shop/c", "put Job shop/c", "delete Job shop/b", "put Job shop/c", "delete Job shop/a"}
	if !slices.Equal(*heard, want) || !s.settled {
		t.Errorf("heard %q, want %q", *heard, want)
	}
	if s.Add("no object") == nil || s.Delete("no object") == nil {
		t.Error("what is no object is taken")
	}
}

// TestAProblemIsToldUntilItIsOver, and a right that is missing does not hold the others up.
func TestAProblemIsToldUntilItIsOver(t *testing.T) {
	t.Parallel()
	nodes := &source{kind: kinds[0]}
	w := &Watch{log: slog.New(slog.DiscardHandler), reflectors: []*source{nodes}}
	w.notice(t.Context(), nodes, errors.New("connection refused"))
	if err := w.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") || w.Synced() {
		t.Errorf("%v", err)
	}
	w.notice(t.Context(), nodes, apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", nil))
	var forbidden *ForbiddenError
	if err := w.Check(t.Context()); !errors.As(err, &forbidden) || !strings.Contains(err.Error(), `{apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}`) || !w.Synced() {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w.notice(gone, nodes, nil) // we stop: it says nothing
	if w.Check(t.Context()) == nil {
		t.Error("forgotten")
	}
	w.notice(t.Context(), nodes, nil)
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
