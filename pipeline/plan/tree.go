package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// tree is the repository at one stage of the edits. What Flux or Argo CD delivers is found along their way, all else by the
// kustomizations and manifests.
type tree struct {
	files  locate.Files
	way    *chain.Chain // nil: nothing in the repository delivers the root
	beside *chain.Chain // what is delivered of other things, then; nil: nothing is
	live   incident.Live
}

func along(q locate.Query) chain.Query { return chain.Query{Query: q} }

// along asks the repository alone, and has what marks the live object choose where that has several answers.
func (t tree) along(q locate.Query) chain.Query {
	out := along(q)
	var refusal *locate.Refusal
	if _, err := t.way.RenderedBy(out); errors.As(err, &refusal) && refusal.Reason == locate.Ambiguous {
		out.Labels, out.Annotations = t.live.Labels, t.live.Annotations
	}
	return out
}

func (t tree) with(ctx context.Context, changed map[string][]byte) (tree, error) {
	next := tree{files: locate.With(t.files, changed), live: t.live}
	var err error
	switch {
	case t.way != nil:
		next.way, err = t.way.With(ctx, changed)
	case t.beside != nil:
		next.beside, err = t.beside.With(ctx, changed)
	}
	return next, err
}

func (t tree) current(q locate.Query) (value string, there bool, err error) {
	if t.way == nil {
		return locate.Current(t.files, q)
	}
	return t.way.Current(t.along(q))
}

func (t tree) locate(ctx context.Context, q locate.Query) (locate.Found, error) {
	if t.way == nil {
		return locate.Locate(t.files, q)
	}
	return t.way.Locate(ctx, t.along(q))
}

func (t tree) place(ctx context.Context, q locate.Query, value string) (locate.Found, error) {
	switch {
	case t.way == nil:
		q.Elsewhere = t.leaves(ctx)
		return locate.Place(t.files, q, value)
	case q.Base:
		return locate.Found{}, &locate.Refusal{Reason: locate.Unsupported, Why: fmt.Sprintf("%s is delivered by Flux or Argo CD, along whose way an edit is for this one only: scope base is not", q.Object)}
	}
	return t.way.Place(ctx, t.along(q), value)
}

func (t tree) prove(after tree, q locate.Query, unit, want string) error {
	if t.way == nil {
		return locate.Prove(t.files, after.files, q, unit, want)
	}
	return t.way.Prove(after.way, t.along(q), want)
}

func (t tree) renderedBy(q locate.Query) (string, error) {
	if t.way == nil {
		return locate.RenderedBy(t.files, q)
	}
	return t.way.RenderedBy(t.along(q))
}

// autoscaler is the one that is rendered for the object.
func (t tree) autoscaler(q locate.Query) (hpa edit.Selector, ok bool, err error) {
	if t.way == nil {
		return locate.Autoscaler(t.files, q)
	}
	return t.way.Autoscaler(t.along(q))
}

// leaves refuses changes of what is delivered beside the root.
func (t tree) leaves(ctx context.Context) func(changed map[string][]byte) error {
	if t.beside == nil {
		return nil
	}
	return func(changed map[string][]byte) error { return t.beside.Leaves(ctx, changed) }
}

// amend makes an edit that is more than a scalar where a kustomization or a manifest has the object; along a way it must do
// the same to what that renders.
func (t tree) amend(ctx context.Context, w *work, q locate.Query, change locate.Change) (locate.Amended, error) {
	q.Elsewhere = t.leaves(ctx)
	made, err := locate.Amend(t.files, q, change)
	if err != nil || t.way == nil || len(made.Fields) == 0 {
		return made, err
	}
	if made.Overlay, err = t.way.RenderedBy(t.along(q)); err != nil {
		return made, err
	}
	next, err := t.with(ctx, made.Changed)
	if err != nil {
		return made, err
	}
	all, err := w.compare(t, next, made.Overlay)
	if err == nil && (len(all) != 1 || all[0].resource.Key() != w.root.Key() || !slices.Equal(all[0].fields, made.Fields)) {
		err = &locate.Refusal{Reason: locate.Unproven, Why: fmt.Sprintf("%s does not render %s as the change makes it", made.Overlay, q.Object)}
	}
	return made, err
}

// units are all that may render something differently, own first.
func (t tree) units(own string, overlays []string) []string {
	if t.way != nil {
		overlays = t.way.Units()
	}
	return append([]string{own}, slices.DeleteFunc(slices.Clone(overlays), func(o string) bool { return o == own })...)
}

// renders are what a unit renders before and after; same says that nobody need look.
func (t tree) renders(after tree, unit string) (from, to []locate.Object, same bool, err error) {
	if t.way == nil && locate.Unchanged(t.files, after.files, unit) {
		return nil, nil, true, nil
	}
	from, err = t.render(unit)
	to, errAfter := after.render(unit)
	switch {
	case err != nil && errAfter != nil && t.way != nil: // one of many that cannot be rendered, before as after
		return nil, nil, true, nil
	case err == nil:
		err = errAfter
	}
	return from, to, false, err
}

func (t tree) render(unit string) ([]locate.Object, error) {
	if t.way == nil {
		return locate.Render(t.files, unit)
	}
	return t.way.Render(unit)
}

// delivered reports whether the way leads to the root.
func delivered(way *chain.Chain, root incident.Resource, overlays []string) bool {
	return way != nil && way.Delivers(along(locate.Query{Overlays: overlays,
		Object: edit.Selector{Group: root.Group, Kind: root.Kind, Namespace: root.Namespace, Name: root.Name}}))
}
