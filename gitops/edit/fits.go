package edit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Fits refuses a value that the field of the object cannot have, and a field that the object does not have and cannot be
// given by one value. object is decoded, as it is rendered. The error is ErrNotFound where there is no such field, and
// else a *Refusal without a file.
func Fits(sel Selector, p Path, object any, value string) error {
	if len(p) == 0 {
		return unfit("%s is no field", sel)
	}
	if p[0].Key == "status" {
		return unfit("%s of %s is what controllers say, and not for git to set", p, sel)
	}
	if sel.Group == "apps" && len(p) > 1 && p[0].Key == "spec" && p[1].Key == "selector" {
		return unfit("%s of %s cannot be changed once it is there: make another %s", p, sel, sel.Kind)
	}
	was, there := p.Get(object)
	if why := misfit(sel, p, value); why != "" {
		return unfit("%s", why)
	}
	if _, number := was.(json.Number); number && typeOf(kindOf(sel), p) == nil && !measure(value) {
		return unfit("%s of %s is a number: it cannot become %q", p, sel, value)
	}
	if why := crossed(sel, p, object, value); why != "" {
		return unfit("%s", why)
	}
	if there {
		return nil
	}
	return addable(sel, p, object)
}

func unfit(format string, args ...any) error { return &Refusal{Why: fmt.Sprintf(format, args...)} }

// kindOf is the kind whose fields the object has: a Rollout of Argo has those of a Deployment.
func kindOf(sel Selector) Selector {
	if sel.Group == "argoproj.io" && sel.Kind == "Rollout" {
		return Selector{Group: "apps", Kind: "Deployment"}
	}
	return sel
}

// misfit says why a value is none of the field, by the type that Kubernetes has for it; "" where it may be one, and where
// Kubernetes does not know the kind or the field.
func misfit(sel Selector, p Path, value string) string {
	is := ""
	switch t := typeOf(kindOf(sel), p); {
	case t == nil:
		if n, err := strconv.Atoi(value); err == nil && n < 0 && slices.Contains(counts, p[len(p)-1].Key) {
			is = "a number that is not below 0"
		}
	case t == reflect.TypeFor[resource.Quantity]():
		if q, err := quantity(value); err != nil || q.Sign() < 0 {
			is = "a quantity that is not below 0"
		}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()): // as IntOrString
	default:
		is = mustBe(t, p, value)
	}
	if is == "" {
		return ""
	}
	return fmt.Sprintf("%s of %s is %s: it cannot become %q", p, sel, is, value)
}

var (
	counts = []string{"replicas", "minReplicas", "maxReplicas"}
	// belowZero are the integers of Kubernetes that may be negative.
	belowZero = []string{"tolerationSeconds", "priority", "value"}
	// imageName is a reference to an image; what builds images may have a scheme before it.
	imageName = regexp.MustCompile(`^([a-z]+://\S+|([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]+)?)$`)
)

// mustBe says what a field of that type is, where the value is none.
func mustBe(t reflect.Type, p Path, value string) string {
	last := p[len(p)-1].Key
	switch t.Kind() {
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(value, 10, t.Bits())
		if err != nil || strconv.FormatInt(n, 10) != value {
			return "an integer"
		}
		if n < 0 && last != "" && !slices.Contains(belowZero, last) {
			return "an integer that is not below 0"
		}
	case reflect.Bool:
		if value != "true" && value != "false" {
			return "true or false"
		}
	case reflect.String:
		if last == "image" && len(p) > 2 && p[len(p)-2].Key == "" && !imageName.MatchString(value) {
			return "an image"
		}
	case reflect.Struct, reflect.Map:
		return "a mapping and no single value"
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 {
			return "a list and no single value"
		}
	}
	return ""
}

// measure reports whether a value may take a number's place where the type is not known.
func measure(value string) bool {
	if _, err := quantity(strings.TrimSuffix(value, "%")); err == nil {
		return true
	}
	_, err := time.ParseDuration(value)
	return err == nil
}

// crossed says why the bounds of an autoscaler would leave nothing between them.
func crossed(sel Selector, p Path, object any, value string) string {
	if sel.Kind != "HorizontalPodAutoscaler" || len(p) != 2 || p[0].Key != "spec" {
		return ""
	}
	bound := func(key string) int {
		if p[1].Key == key {
			n, _ := strconv.Atoi(value)
			return n
		}
		v, _ := Path{{Key: "spec"}, {Key: key}}.Get(object)
		n, err := strconv.Atoi(Text(v))
		if err != nil && key == "minReplicas" {
			return 1 // its default
		}
		return n
	}
	low, high := bound("minReplicas"), bound("maxReplicas")
	if p[1].Key != "minReplicas" && p[1].Key != "maxReplicas" || low <= high || high == 0 && p[1].Key == "minReplicas" {
		return ""
	}
	return fmt.Sprintf("minReplicas %d of %s would be above maxReplicas %d", low, sel, high)
}

// addable refuses to add a field that Kubernetes does not know, and elements of lists, of which one value makes nothing
// whole: a container has a name, an image and more. Only a variable is a name and a value.
func addable(sel Selector, p Path, object any) error {
	for i, s := range p {
		if s.Key != "" {
			continue
		}
		if _, there := p[:i+1].Get(object); there {
			continue
		}
		if list, _ := p[:i].Get(object); several(list, s) || i != len(p)-2 || p.variable() < 0 {
			return fmt.Errorf("%s has no one %s, and one field does not make it: %w", sel, p[:i+1], ErrNotFound)
		}
	}
	if n := p.variable(); n > 0 {
		if _, from := append(slices.Clone(p[:n+2]), Step{Key: "valueFrom"}).Get(object); from {
			return unfit("%s of %s takes its value from elsewhere, by valueFrom", p[:n+2], sel)
		}
	}
	for i := range p {
		if p[i].Key != "" && typeOf(sel, p[:i+1]) == nil && isStruct(typeOf(sel, p[:i])) {
			return fmt.Errorf("a %s has no field %s: %w", sel.Kind, p[:i+1], ErrNotFound)
		}
	}
	return nil
}

func isStruct(t reflect.Type) bool {
	return t != nil && t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// several reports whether more than one element of a list answers to a step.
func several(list any, s Step) bool {
	n := 0
	items, _ := list.([]any)
	for _, item := range items {
		if m, _ := item.(map[string]any); s.By != "" && m[s.By] != nil && Text(m[s.By]) == s.Value {
			n++
		}
	}
	return n > 1
}
