package plan

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

var errNothingToDo = errors.New("the field has the value already")

// edited is a snapshot with some files changed.
type edited struct {
	locate.Files
	changed map[string][]byte
}

func (e edited) ReadFile(path string) ([]byte, error) {
	if data, ok := e.changed[path]; ok {
		return data, nil
	}
	return e.Files.ReadFile(path)
}

func (e edited) with(path string, data []byte) edited {
	next := edited{Files: e.Files, changed: map[string][]byte{path: data}}
	for p, d := range e.changed {
		if p != path {
			next.changed[p] = d
		}
	}
	return next
}

// work is one proposal in the making: edits are made one after the other, each proven by rendering before and after.
type work struct {
	overlays []string
	root     incident.Resource
	began    time.Time // what a stamp says
	before   locate.Files
	now      edited
	overlay  string // the one that renders root; known after the first edit
}

func (w *work) selector() edit.Selector {
	return edit.Selector{Group: w.root.Group, Kind: w.root.Kind, Namespace: w.root.Namespace, Name: w.root.Name}
}

func (w *work) edit(e playbooks.Edit) (incident.Edit, error) {
	path, err := edit.ParsePath(e.Field)
	if err != nil {
		return incident.Edit{}, err
	}
	found, to, err := w.locate(e, path)
	if err != nil {
		return incident.Edit{}, err
	}
	w.overlay = found.Overlay
	if to == found.Value {
		return incident.Edit{}, fmt.Errorf("%s: %s is %s: %w", w.root, e.Field, to, errNothingToDo)
	}
	src, err := w.now.ReadFile(found.File)
	if err != nil {
		return incident.Edit{}, err
	}
	change := edit.Set
	if found.Absent {
		change = edit.Add
	}
	after, err := change(found.File, src, found.Selector, path, to)
	if err != nil {
		return incident.Edit{}, err
	}
	next := w.now.with(found.File, after)
	if err := locate.Prove(w.now, next, w.overlay, w.others(), w.selector(), path, to); err != nil {
		return incident.Edit{}, err
	}
	w.now = next
	return incident.Edit{Resource: w.root, Field: e.Field, From: found.Value, To: to, File: found.File, Line: found.Line, Why: found.Chain}, nil
}

// locate finds the place and the value that it gets.
func (w *work) locate(e playbooks.Edit, path edit.Path) (found locate.Found, to string, err error) {
	if e.Stamp {
		to = w.began.UTC().Format(time.RFC3339)
		found, err = locate.Place(w.now, w.overlays, w.selector(), path, to)
		return found, to, err
	}
	if found, err = locate.Locate(w.now, w.overlays, w.selector(), path); err != nil {
		return found, "", err
	}
	if e.Set != nil {
		return found, *e.Set, nil
	}
	to, err = edit.ScaleQuantity(found.Value, e.Scale.By, e.Scale.Min, e.Scale.Max)
	return found, to, err
}

// others are the overlays that must not change.
func (w *work) others() []string {
	return slices.DeleteFunc(slices.Clone(w.overlays), func(o string) bool { return o == w.overlay })
}

func (w *work) files() ([]incident.File, error) {
	var out []incident.File
	for path, after := range w.now.changed {
		before, err := w.before.ReadFile(path)
		if err != nil {
			return nil, err
		}
		out = append(out, incident.File{Path: path, Before: before, After: after})
	}
	slices.SortFunc(out, func(a, b incident.File) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return out, nil
}

// rendered is the root object as the overlay renders it from files.
func (w *work) rendered(files locate.Files) ([]incident.RenderedObject, error) {
	objects, err := locate.Render(files, w.overlay)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.Group == w.root.Group && o.Kind == w.root.Kind && o.Namespace == w.root.Namespace && o.Name == w.root.Name {
			r := w.root
			r.Version = o.Version
			return []incident.RenderedObject{incident.Rendered(r, o.JSON)}, nil
		}
	}
	return nil, fmt.Errorf("%s does not render %s", w.overlay, w.root)
}

func summary(p *playbooks.Playbook, b playbooks.Bound) incident.Playbook {
	out := incident.Playbook{Name: p.Name, Digest: p.Digest, Risk: string(p.Risk), People: p.People, Within: p.Within,
		Window: p.Window, Rollback: string(p.Rollback)}
	for _, c := range b.Checks {
		out.Checks = append(out.Checks, incident.Check{Name: c.Name, Query: c.Query, Must: c.Must, For: c.For})
	}
	return out
}

func explanation(inc incident.Incident, e incident.Edit) playbooks.Explanation {
	own := inc.OfRoot()
	return playbooks.Explanation{Container: own.Container, Namespace: inc.Root.Namespace, Name: inc.Root.Name, Count: own.Signals,
		Alerts: own.Alerts, From: e.From, To: e.To}
}
