package locate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

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

// Render is what the unit of that path, a folder with a kustomization or with plain manifests, or a file of them,
// renders to, in order.
func Render(files Files, unit string) ([]Object, error) {
	return rendered(open(files, unit))
}

// kustomize keeps its schema in a global. Nothing that we let through changes it, so that one at a time is enough.
var one = make(chan struct{}, 1)

// maxRender is how long a rendering is waited for. It cannot be killed, and ends by itself: what it reads is bounded.
const maxRender = time.Minute

func (s *kustomized) render() ([]*part, error) {
	if s.err != nil {
		return nil, s.err
	}
	m, err := s.build()
	if err != nil {
		for _, f := range s.list {
			var syntax *edit.SyntaxError
			if _, perr := edit.Objects(f.path, f.data); f.manifest && errors.As(perr, &syntax) {
				err = syntax
				break
			}
		}
		return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s does not render: %v", s.dir, err), Err: err}
	}
	var out []*part
	for _, r := range m.Resources() {
		p, err := renderings.part(digestOfNode(r.YNode()), func() ([]Object, error) {
			o := Object{Group: r.GetGvk().Group, Version: r.GetGvk().Version, Kind: r.GetKind(), Namespace: r.GetNamespace(), Name: r.GetName()}
			var err error
			if o.JSON, err = r.MarshalJSON(); err != nil {
				return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: %s is no JSON: %v", s.dir, o, err), Err: err}
			}
			o.JSON, err = canonical(o)
			return []Object{o}, err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func canonical(o Object) ([]byte, error) {
	v, err := o.decoded()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", o, err)
	}
	return b, nil
}

// build runs kustomize over the files in memory, alone.
func (s *kustomized) build() (resmap.ResMap, error) {
	type result struct {
		m   resmap.ResMap
		err error
	}
	late := time.NewTimer(maxRender)
	defer late.Stop()
	select {
	case one <- struct{}{}:
	case <-late.C:
		return nil, errors.New("another rendering takes too long")
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-one }()
		var r result
		r.m, r.err = s.run()
		done <- r
	}()
	select {
	case r := <-done:
		return r.m, r.err
	case <-late.C:
		return nil, fmt.Errorf("it takes longer than %v", maxRender)
	}
}

// run is kustomize. A panic of it is an error.
func (s *kustomized) run() (m resmap.ResMap, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("kustomize gave up: %v", p)
		}
	}()
	mem := filesys.MakeFsInMemory()
	for _, f := range s.list {
		if err := mem.WriteFile("/"+f.path, f.data); err != nil {
			return nil, err
		}
	}
	o := krusty.MakeDefaultOptions()
	o.LoadRestrictions = types.LoadRestrictionsNone // the memory is the restriction
	return krusty.MakeKustomizer(o).Run(mem, path.Join("/", s.dir))
}
