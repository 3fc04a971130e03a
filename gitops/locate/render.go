package locate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Object is one rendered object. JSON is canonical: keys sorted, no space, numbers as written.
type Object struct {
	Group, Version, Kind, Namespace, Name string
	JSON                                  []byte
}

func (o Object) String() string {
	return edit.Selector{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}.String()
}

func (o Object) is(sel edit.Selector) bool {
	return o.Group == sel.Group && o.Kind == sel.Kind && o.Name == sel.Name && (sel.Namespace == "" || o.Namespace == sel.Namespace)
}

// decoded is the object as maps and lists, numbers as json.Number.
func (o Object) decoded() (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(o.JSON))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", o, err)
	}
	return v, nil
}

// Render is what the overlay, a folder with a kustomization, renders to, in kustomize's order.
func Render(files Files, overlay string) ([]Object, error) {
	s, err := collect(files, overlay)
	if err != nil {
		return nil, err
	}
	return s.render(overlay)
}

// kustomize keeps its schema in a global. Nothing that we let through changes it, so that one at a time is enough.
var one sync.Mutex

func (s *sources) render(overlay string) ([]Object, error) {
	m, err := s.build(overlay)
	if err != nil {
		for _, f := range s.list {
			var syntax *edit.SyntaxError
			if _, perr := edit.Objects(f.path, f.data); f.manifest && errors.As(perr, &syntax) {
				err = syntax
				break
			}
		}
		return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s does not render: %v", overlay, err), Err: err}
	}
	var out []Object
	for _, r := range m.Resources() {
		o := Object{Group: r.GetGvk().Group, Version: r.GetGvk().Version, Kind: r.GetKind(), Namespace: r.GetNamespace(), Name: r.GetName()}
		if o.JSON, err = r.MarshalJSON(); err != nil {
			return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: %s is no JSON: %v", overlay, o, err), Err: err}
		}
		v, err := o.decoded()
		if err != nil {
			return nil, err
		}
		if o.JSON, err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", o, err)
		}
		out = append(out, o)
	}
	return out, nil
}

// build runs kustomize over the files in memory. A panic of it is an error.
func (s *sources) build(overlay string) (m resmap.ResMap, err error) {
	one.Lock()
	defer one.Unlock()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("kustomize gave up: %v", p)
		}
	}()
	o := krusty.MakeDefaultOptions()
	o.LoadRestrictions = types.LoadRestrictionsNone // the memory is the restriction
	return krusty.MakeKustomizer(o).Run(s.mem, "/"+strings.TrimPrefix(overlay, "."))
}
