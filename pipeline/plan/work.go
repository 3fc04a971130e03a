package plan

import (
	"context"
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

// work is one proposal in the making: edits are made one after the other, each proven by rendering before and after.
type work struct {
	Request
	overlays []string
	root     incident.Resource
	before   tree
	now      tree              // before with the edits so far
	changed  map[string][]byte // the files in which they differ
	overlay  string            // the one that renders root; known after the first edit
	edits    []incident.Edit
	why      []string // the next edit is made, beside the proof of its place
	reverts  *incident.Suspect

	parameters []incident.Parameter
	blame      *incident.Suspect // whose change is taken back
}

func (w *work) query(object incident.Resource, path edit.Path, base bool) locate.Query {
	return locate.Query{Overlays: w.overlays, Whole: true, Field: path, Base: base,
		Object: edit.Selector{Group: object.Group, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}}
}

// edit makes one edit of the playbook.
func (w *work) edit(ctx context.Context, e playbooks.Edit) error {
	switch {
	case e.Revert != nil:
		return w.revert(ctx, *e.Revert)
	case e.Autoscaler != nil:
		return w.bounds(ctx, *e.Autoscaler, e.Base)
	case e.Annotation != nil:
		at := edit.Path{{Key: "metadata"}, {Key: "annotations"}, {Key: e.Annotation.Name}}
		if e.Annotation.Pods {
			at = append(w.pods(), at...)
		}
		return w.set(ctx, w.root, at, e.Base, e.Annotation.Value)
	case e.Env != nil:
		return w.env(ctx, *e.Env, e.Base)
	case e.Field == "":
		return w.amend(ctx, e)
	}
	path, err := edit.ParsePath(e.Field)
	if err != nil {
		return err
	}
	if e.Remove {
		return w.amend(ctx, e)
	}
	if path.String() == "spec.replicas" && (e.Scale != nil || e.Set != nil) {
		hpa, there, err := w.autoscaler()
		if err != nil {
			return err
		}
		if there {
			return w.autoscaled(ctx, hpa, e)
		}
	}
	to, err := w.value(ctx, e, path)
	if err != nil {
		return err
	}
	return w.set(ctx, w.root, path, e.Base, to)
}

// value is what the field gets.
func (w *work) value(ctx context.Context, e playbooks.Edit, path edit.Path) (to string, err error) {
	value, there, err := w.now.current(w.query(w.root, path, e.Base))
	switch {
	case err != nil:
		return "", err
	case e.Stamp:
		return w.Began.UTC().Format(time.RFC3339), nil
	case e.Set != nil:
		return *e.Set, nil
	case !there:
		return "", fmt.Errorf("%s is rendered without %s: %w", w.root, e.Field, edit.ErrNotFound)
	case e.RollBack != nil:
		return w.rollBack(ctx, *e.RollBack, path, value)
	case e.Image != nil:
		to, err = edit.Image(value, e.Image.Tag, e.Image.Digest)
	default:
		to, err = w.scale(w.root, path, *e.Scale, value)
	}
	if err != nil { // of the value that is there: no retry mends it
		return "", &incident.NoPlan{Why: fmt.Sprintf("%s: %s: %v", w.root, e.Field, err)}
	}
	return to, nil
}

// set gives one field one value.
func (w *work) set(ctx context.Context, object incident.Resource, path edit.Path, base bool, to string) error {
	q := w.query(object, path, base)
	found, err := w.now.place(ctx, q, to)
	if err != nil {
		return err
	}
	if to == found.Value {
		return fmt.Errorf("%s: %s is %s: %w", object, path, to, errNothingToDo)
	}
	changed, err := found.Write(w.now.files, to)
	if err != nil {
		return err
	}
	next, err := w.now.with(ctx, changed)
	if err != nil {
		return err
	}
	if err := w.now.prove(next, q, found.Overlay, to); err != nil {
		return err
	}
	why := slices.Concat(found.Chain, w.why)
	w.why = nil
	return w.take(next, changed, found.Overlay, incident.Edit{File: found.File, Line: found.Line, Why: why})
}

// env sets a variable where the container has it, and adds it where not.
func (w *work) env(ctx context.Context, e playbooks.Env, base bool) error {
	container := append(w.pods(), edit.Step{Key: "spec"}, edit.Step{Key: "containers"}, edit.Step{By: "name", Value: e.Container})
	at := append(slices.Clone(container), edit.Step{Key: "env"}, edit.Step{By: "name", Value: e.Name}, edit.Step{Key: "value"})
	_, there, err := w.now.current(w.query(w.root, at, base))
	switch {
	case err != nil:
		return err
	case there:
		return w.set(ctx, w.root, at, base, e.Value)
	}
	return w.change(ctx, base, func(file string, src []byte, object edit.Selector) ([]byte, error) {
		return edit.SetEnv(file, src, object, container, e.Name, e.Value)
	})
}

// onlyContainer is the name of the root's container where it has one only, so that the signals need not name it.
func (w *work) onlyContainer() string {
	name := func(i int) string {
		at := append(w.pods(), edit.Step{Key: "spec"}, edit.Step{Key: "containers"}, edit.Step{Index: i}, edit.Step{Key: "name"})
		value, _, err := w.before.current(w.query(w.root, at, false))
		if err != nil { // the edit will say so
			return ""
		}
		return value
	}
	if name(1) != "" {
		return ""
	}
	return name(0)
}

// pods leads to the template of the pods that the root makes.
func (w *work) pods() edit.Path {
	p := edit.Path{{Key: "spec"}, {Key: "template"}}
	if w.root.Kind == "CronJob" {
		p = edit.Path{{Key: "spec"}, {Key: "jobTemplate"}, {Key: "spec"}, {Key: "template"}}
	}
	return p
}

// amend makes an edit that is more than one scalar.
func (w *work) amend(ctx context.Context, e playbooks.Edit) error {
	return w.change(ctx, e.Base, func(file string, src []byte, object edit.Selector) ([]byte, error) {
		switch {
		case e.Suspend != nil:
			return edit.Suspend(file, src, object, *e.Suspend)
		case e.Remove:
			path, err := edit.ParsePath(e.Field)
			if err != nil {
				return nil, err
			}
			return edit.Remove(file, src, object, path)
		case e.JSON6902 != "":
			return edit.JSON6902(file, src, object, []byte(e.JSON6902))
		}
		return edit.Patch(file, src, object, []byte(e.Patch))
	})
}

func (w *work) change(ctx context.Context, base bool, change locate.Change) error {
	made, err := w.now.amend(ctx, w, w.query(w.root, nil, base), change)
	if err != nil {
		return err
	}
	if len(made.Fields) == 0 {
		return fmt.Errorf("%s: %w", w.root, errNothingToDo)
	}
	if slices.ContainsFunc(made.Fields, func(d edit.Difference) bool { return d.Path == "spec.replicas" && d.To != "" }) {
		hpa, there, err := w.autoscaler()
		if err != nil {
			return err
		}
		if there {
			return &incident.NoPlan{Why: fmt.Sprintf("%s sets the replicas of %s: its bounds are what git says of them", hpa, w.root)}
		}
	}
	next, err := w.now.with(ctx, made.Changed)
	if err != nil {
		return err
	}
	return w.take(next, made.Changed, made.Overlay, incident.Edit{File: made.File, Line: made.Line, Why: made.Chain})
}
