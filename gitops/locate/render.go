package locate

import (
	"bytes"
	recency "container/list"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"sync"
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

// renderings keeps the last renderings by the digest of what they were made of: an edit is located, placed and proven
// on the same files, and each asks for them again.
var renderings = kept{at: map[[32]byte]*recency.Element{}}

const maxKept = 64 << 20 // bytes of JSON

type kept struct {
	sync.Mutex
	recent recency.List
	at     map[[32]byte]*recency.Element
	size   int
}

type rendering struct {
	digest  [32]byte
	objects []Object
	size    int
}

// rendered is u.render(), remembered. Nobody changes the objects.
func rendered(u unit) ([]Object, error) {
	digest := u.digest()
	if objects, ok := renderings.get(digest); ok {
		return objects, nil
	}
	objects, err := u.render()
	if err == nil {
		renderings.put(digest, objects)
	}
	return objects, err
}

func (m *kept) get(digest [32]byte) ([]Object, bool) {
	m.Lock()
	defer m.Unlock()
	e, ok := m.at[digest]
	if !ok {
		return nil, false
	}
	m.recent.MoveToFront(e)
	return e.Value.(rendering).objects, true
}

func (m *kept) put(digest [32]byte, objects []Object) {
	m.Lock()
	defer m.Unlock()
	if _, ok := m.at[digest]; ok {
		return
	}
	r := rendering{digest: digest, objects: objects, size: 1024}
	for _, o := range objects {
		r.size += len(o.JSON) + 128
	}
	m.at[digest] = m.recent.PushFront(r)
	for m.size += r.size; m.size > maxKept && m.recent.Len() > 1; {
		old := m.recent.Remove(m.recent.Back()).(rendering)
		delete(m.at, old.digest)
		m.size -= old.size
	}
}

// kustomize keeps its schema in a global. Nothing that we let through changes it, so that one at a time is enough.
var one = make(chan struct{}, 1)

// maxRender is how long a rendering is waited for. It cannot be killed, and ends by itself: what it reads is bounded.
const maxRender = time.Minute

func (s *kustomized) render() ([]Object, error) {
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
	var out []Object
	for _, r := range m.Resources() {
		o := Object{Group: r.GetGvk().Group, Version: r.GetGvk().Version, Kind: r.GetKind(), Namespace: r.GetNamespace(), Name: r.GetName()}
		if o.JSON, err = r.MarshalJSON(); err != nil {
			return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: %s is no JSON: %v", s.dir, o, err), Err: err}
		}
		if o.JSON, err = canonical(o); err != nil {
			return nil, err
		}
		out = append(out, o)
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
