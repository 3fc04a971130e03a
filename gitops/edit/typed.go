package edit

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// IsText reports whether a field that nothing sets yet is written as text: what the kind's own type says, where
// Kubernetes knows the kind. Of other kinds labels and annotations are text, and so is what is no number and no boolean.
func IsText(sel Selector, p Path, value string) bool {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(value), &n); err != nil || len(n.Content) != 1 || n.Content[0].Value != value {
		return true
	}
	switch n.Content[0].Tag {
	case "!!int", "!!float", "!!bool":
	default:
		return true
	}
	if t := typeOf(sel, p); t != nil {
		return t.Kind() == reflect.String || t == reflect.TypeFor[resource.Quantity]()
	}
	for i, s := range p {
		if i > 0 && p[i-1].Key == "metadata" && (s.Key == "labels" || s.Key == "annotations") {
			return true
		}
	}
	return false
}

// typeOf is the type that Kubernetes has for a field; nil where it does not know it.
func typeOf(sel Selector, p Path) reflect.Type {
	kind := schema.GroupKind{Group: sel.Group, Kind: sel.Kind}
	for _, version := range scheme.Scheme.VersionsForGroupKind(kind) {
		object, err := scheme.Scheme.New(kind.WithVersion(version.Version))
		if err != nil {
			continue
		}
		if t := fieldType(reflect.TypeOf(object), p); t != nil {
			return t
		}
	}
	return nil
}

// fieldType follows a path through the names that the types have in JSON; nil where it leads nowhere.
func fieldType(t reflect.Type, p Path) reflect.Type {
	t = pointedAt(t)
	for _, s := range p {
		switch {
		case t == reflect.TypeFor[intstr.IntOrString]():
			return nil
		case t.Kind() == reflect.Struct && s.Key != "":
			f, ok := fieldOf(t, s.Key)
			if !ok {
				return nil
			}
			t = f
		case t.Kind() == reflect.Map && s.Key != "", t.Kind() == reflect.Slice && s.Key == "":
			t = t.Elem()
		default:
			return nil
		}
		t = pointedAt(t)
	}
	return t
}

func pointedAt(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == key {
			return f.Type, true
		}
		if name == "" && strings.Contains(options, "inline") {
			if inner, ok := fieldOf(pointedAt(f.Type), key); ok {
				return inner, true
			}
		}
	}
	return nil, false
}
