package watch

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// store is what a reflector fills. It holds names only, and tells the handlers.
type store struct {
	*source
	watch *Watch
	names map[string]struct{} // namespace/name; touched by the reflector's goroutine alone
}

var _ cache.TransformingStore = &store{}

func (s *store) Add(o any) error {
	object, ok := o.(metav1.Object)
	if !ok {
		return fmt.Errorf("watch %s: a %T is no object", s.source, o)
	}
	s.watch.handling.Lock()
	defer s.watch.handling.Unlock()
	s.put(object)
	return nil
}

func (s *store) put(o metav1.Object) {
	s.names[o.GetNamespace()+"/"+o.GetName()] = struct{}{}
	for _, h := range s.watch.handlers {
		h.Put(s.gvk, o)
	}
}

// Update is the same to a handler: it knows what it made of the object before.
func (s *store) Update(o any) error { return s.Add(o) }

func (s *store) Delete(o any) error {
	object, ok := o.(metav1.Object)
	if !ok {
		return fmt.Errorf("watch %s: a %T is no object", s.source, o)
	}
	s.watch.handling.Lock()
	defer s.watch.handling.Unlock()
	s.gone(object.GetNamespace() + "/" + object.GetName())
	return nil
}

func (s *store) gone(key string) {
	delete(s.names, key)
	namespace, name, _ := strings.Cut(key, "/")
	for _, h := range s.watch.handlers {
		h.Delete(s.gvk, namespace, name)
	}
}

// Replace is a list: the first one, or one after a watch that could not be resumed.
func (s *store) Replace(list []any, _ string) error {
	s.watch.handling.Lock()
	defer s.watch.handling.Unlock()
	there := make(map[string]struct{}, len(list))
	for _, o := range list {
		if object, ok := o.(metav1.Object); ok {
			there[object.GetNamespace()+"/"+object.GetName()] = struct{}{}
			s.put(object)
		}
	}
	for key := range s.names {
		if _, ok := there[key]; !ok {
			s.gone(key)
		}
	}
	s.list()
	return nil
}

func (s *store) Resync() error { return nil }

func (s *store) Transformer() cache.TransformFunc { return trim }

// trim drops, while a list is still being read, what takes most of an object's room and nobody here reads.
func trim(o any) (any, error) {
	object, ok := o.(metav1.Object)
	if !ok {
		return o, nil
	}
	object.SetManagedFields(nil)
	if notes := object.GetAnnotations(); notes[lastApplied] != "" {
		delete(notes, lastApplied)
		object.SetAnnotations(notes)
	}
	return o, nil
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
