package locate

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/cortexops/cortexops/gitops/edit"
)

// createFor is a new patch that makes after of before, and its element in the kustomization: a strategic one where
// Kubernetes knows the kind, and a JSON patch.
func (w *adder) createFor(l *layer, before, after Object) {
	base, version, ok := w.original()
	if !ok {
		return
	}
	ref := w.freeName(l, base)
	if ref == "" {
		return
	}
	if n := strategicDifference(base, version, before, after); n != nil {
		w.out = append(w.out, w.patchFile(l, ref, "path: "+ref+"\n", func(string) *yaml.Node { return n }, edit.At{}))
	}
	if n := jsonDifference(before, after); n != nil {
		w.out = append(w.out, w.patchFile(l, ref, "path: "+ref+"\ntarget: "+target(base)+"\n", func(string) *yaml.Node { return n }, edit.At{}))
	}
}

// strategicDifference is nil where there is none. It says nothing of the order of lists.
func strategicDifference(base edit.Selector, version string, before, after Object) *yaml.Node {
	typed, err := scheme.Scheme.New(schema.GroupVersionKind{Group: before.Group, Version: before.Version, Kind: before.Kind})
	if err != nil {
		return nil
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before.JSON, after.JSON, typed)
	if err != nil {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(patch, &fields); err != nil {
		return nil
	}
	ordered(fields)
	meta, _ := fields["metadata"].(map[string]any)
	delete(fields, "metadata")
	named := mapping("name", str(base.Name))
	if base.Namespace != "" {
		named.Content = append(named.Content, str("namespace"), str(base.Namespace))
	}
	root := mapping("apiVersion", str(version))
	root.Content = append(root.Content, str("kind"), str(base.Kind), str("metadata"), named)
	for _, part := range []struct {
		into *yaml.Node
		from map[string]any
	}{{named, meta}, {root, fields}} {
		var n yaml.Node
		if err := n.Encode(part.from); err != nil {
			return nil
		}
		part.into.Content = append(part.into.Content, n.Content...)
	}
	return root
}

// ordered takes the directives away that kustomize does not know.
func ordered(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if strings.HasPrefix(k, "$setElementOrder/") || k == "$retainKeys" {
				delete(v, k)
				continue
			}
			ordered(below)
		}
	case []any:
		for _, below := range v {
			ordered(below)
		}
	}
}

// jsonDifference is a JSON patch, nil where there is none.
func jsonDifference(before, after Object) *yaml.Node {
	a, errA := before.decoded()
	b, errB := after.decoded()
	if errA != nil || errB != nil {
		return nil
	}
	d := jsonDiff{}
	d.value("", a, b)
	if d.failed || len(d.ops) == 0 {
		return nil
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Content: d.ops}
}

type jsonDiff struct {
	ops    []*yaml.Node
	failed bool
}

func (d *jsonDiff) add(verb, pointer string, v any) {
	if verb == "remove" {
		op := mapping("op", str(verb))
		op.Content = append(op.Content, str("path"), str(pointer))
		d.ops = append(d.ops, op)
		return
	}
	var n yaml.Node
	b, err := json.Marshal(v)
	if err == nil {
		err = yaml.Unmarshal(b, &n)
	}
	if err != nil || len(n.Content) != 1 {
		d.failed = true
		return
	}
	block(n.Content[0])
	d.ops = append(d.ops, operation(verb, pointer, n.Content[0]))
}

// block writes what was JSON as people write YAML. Texts keep their quotes where they need them.
func block(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle | yaml.DoubleQuotedStyle
	for _, c := range n.Content {
		block(c)
	}
}

func (d *jsonDiff) value(pointer string, a, b any) {
	am, isMap := a.(map[string]any)
	bm, toMap := b.(map[string]any)
	al, isList := a.([]any)
	bl, toList := b.([]any)
	switch {
	case reflect.DeepEqual(a, b):
	case isMap && toMap:
		d.mapping(pointer, am, bm)
	case isList && toList && len(al) <= len(bl):
		d.list(pointer, al, bl)
	default:
		d.add("replace", pointer, b)
	}
}

func (d *jsonDiff) mapping(pointer string, a, b map[string]any) {
	for _, k := range unique(append(keys(a), keys(b)...)) {
		at := pointer + "/" + escape(k)
		was, had := a[k]
		is, has := b[k]
		switch {
		case !has:
			d.add("remove", at, nil)
		case !had:
			d.add("add", at, is)
		default:
			d.value(at, was, is)
		}
	}
}

// list tests the names of the elements that it goes into, so that it fails where their order is another one.
func (d *jsonDiff) list(pointer string, a, b []any) {
	for i := range a {
		if reflect.DeepEqual(a[i], b[i]) {
			continue
		}
		at := pointer + "/" + strconv.Itoa(i)
		if m, ok := a[i].(map[string]any); ok && m["name"] != nil && reflect.DeepEqual(m["name"], nameOf(b[i])) {
			d.add("test", at+"/name", m["name"])
		}
		d.value(at, a[i], b[i])
	}
	for _, v := range b[len(a):] {
		d.add("add", pointer+"/-", v)
	}
}

func nameOf(v any) any {
	m, _ := v.(map[string]any)
	return m["name"]
}

func keys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
