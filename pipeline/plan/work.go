package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

var errNothingToDo = errors.New("the field has the value already")

// work is one proposal in the making: edits are made one after the other, each proven by rendering before and after.
type work struct {
	overlays []string
	root     incident.Resource
	began    time.Time // what a stamp says
	before   locate.Files
	now      locate.Files      // before with the edits so far
	changed  map[string][]byte // the files in which they differ
	overlay  string            // the one that renders root; known after the first edit
}

func (w *work) query(path edit.Path) locate.Query {
	return locate.Query{Overlays: w.overlays, Field: path,
		Object: edit.Selector{Group: w.root.Group, Kind: w.root.Kind, Namespace: w.root.Namespace, Name: w.root.Name}}
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
	changed, err := found.Write(w.now, to)
	if err != nil {
		return incident.Edit{}, err
	}
	next := locate.With(w.now, changed)
	if err := locate.Prove(w.now, next, w.query(path), w.overlay, to); err != nil {
		return incident.Edit{}, err
	}
	w.now = next
	maps.Copy(w.changed, changed)
	return incident.Edit{Resource: w.root, Field: e.Field, From: found.Value, To: to, File: found.File, Line: found.Line, Why: found.Chain}, nil
}

// locate finds the value that the field gets, and the place where an edit gives it that.
func (w *work) locate(e playbooks.Edit, path edit.Path) (found locate.Found, to string, err error) {
	q := w.query(path)
	value, there, err := locate.Current(w.now, q)
	switch {
	case err != nil:
		return found, "", err
	case e.Stamp:
		to = w.began.UTC().Format(time.RFC3339)
	case e.Set != nil:
		to = *e.Set
	case !there:
		return found, "", fmt.Errorf("%s is rendered without %s: %w", w.root, e.Field, edit.ErrNotFound)
	case e.Image != nil:
		to, err = edit.Image(value, e.Image.Tag, e.Image.Digest)
	default:
		to, err = edit.ScaleQuantity(value, e.Scale.By, e.Scale.Min, e.Scale.Max)
	}
	if err != nil { // of the value that is there: no retry mends it
		return found, "", &incident.NoPlan{Why: fmt.Sprintf("%s: %s: %v", w.root, e.Field, err)}
	}
	found, err = locate.Place(w.now, q, to)
	return found, to, err
}

// others are the overlays that must not change.
func (w *work) others() []string {
	return slices.DeleteFunc(slices.Clone(w.overlays), func(o string) bool { return o == w.overlay })
}

func (w *work) files() ([]incident.File, error) {
	var out []incident.File
	for path, after := range w.changed {
		before, err := w.before.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a new file has nothing before
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
	return nil, &incident.NoPlan{Why: fmt.Sprintf("%s does not render %s under that name after the edit", w.overlay, w.root)}
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
