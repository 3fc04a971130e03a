package main

import (
	"context"
	"errors"
	"slices"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

// source answers from a repository: along the way that Flux or Argo CD takes where one of their objects in it delivers what
// is asked for, else by its kustomizations and manifests.
type source struct {
	files  locate.Files
	charts *helm.Renderer
	way    *chain.Chain // nil: nothing delivers it
	missed error        // what may deliver it, and cannot be rendered

	delivering func(unit string, object edit.Selector) (how string)
	leftOut    func(unit string) (by string)
	delivered  func(q locate.Query) []locate.Object
	leaves     func(ctx context.Context, changed map[string][]byte) error // all that is delivered as it is
}

func openSource(ctx context.Context, files locate.Files, q locate.Query) (*source, error) {
	files = locate.Once(files)
	charts, err := chartRenderer()
	if err != nil {
		return nil, err
	}
	way, err := chain.Open(ctx, files, chain.Options{Charts: charts})
	if err != nil {
		charts.Close()
		return nil, err
	}
	s := &source{files: files, charts: charts, delivering: way.Delivering, leftOut: way.LeftOut, leaves: way.Leaves}
	s.delivered = func(q locate.Query) []locate.Object { return way.Objects(chain.Query{Query: q}) }
	if way.Delivers(chain.Query{Query: q}) {
		s.way = way
	} else {
		s.missed = way.Missed(chain.Query{Query: q})
	}
	return s, nil
}

// plain is the answer of the kustomizations and manifests alone. Where they have none, what may deliver the object says
// more, or a name like it does; where an ApplicationSet leaves out what they have, that is said.
func (s *source) plain(q locate.Query, found locate.Found, err error) (locate.Found, error) {
	if err == nil {
		if out := s.leftOut(found.Overlay); out != "" {
			found.Chain = append(found.Chain, "beware: "+out)
		}
		return found, nil
	}
	var r *locate.Refusal
	if !errors.As(err, &r) || r.Reason != locate.NotFound {
		return found, err
	}
	if s.missed != nil {
		return found, s.missed
	}
	objects := append(s.delivered(q), locate.Objects(s.files, q)...)
	if slices.ContainsFunc(objects, func(o locate.Object) bool {
		return o.Kind == q.Object.Kind && o.Name == q.Object.Name && o.Namespace == q.Object.Namespace
	}) {
		return found, err // it is the field that is not there
	}
	return found, &locate.Refusal{Reason: r.Reason, Why: r.Why + locate.Near(q.Object, objects), Err: err}
}

func (s *source) close() { s.charts.Close() }

func (s *source) current(q locate.Query) (string, bool, error) {
	if s.way == nil {
		q.Delivered = s.delivering
		value, there, err := locate.Current(s.files, q)
		_, err = s.plain(q, locate.Found{}, err)
		return value, there, err
	}
	return s.way.Current(chain.Query{Query: q})
}

func (s *source) locate(ctx context.Context, q locate.Query) (locate.Found, error) {
	if s.way == nil {
		q.Delivered = s.delivering
		found, err := locate.Locate(s.files, q)
		return s.plain(q, found, err)
	}
	return s.way.Locate(ctx, chain.Query{Query: q})
}

func (s *source) place(ctx context.Context, q locate.Query, value string) (locate.Found, error) {
	if s.way == nil {
		q.Delivered = s.delivering
		q.Elsewhere = func(changed map[string][]byte) error { return s.leaves(ctx, changed) }
		found, err := locate.Place(s.files, q, value)
		return s.plain(q, found, err)
	}
	return s.way.Place(ctx, chain.Query{Query: q}, value)
}

// prove holds the edit to what was asked, and is what the overlay renders without and with it, and which others render
// differently, as they do where they include the overlay.
func (s *source) prove(ctx context.Context, changed map[string][]byte, q locate.Query, overlay, to string) (before, after []locate.Object, others []string, err error) {
	if s.way == nil {
		edited := locate.With(s.files, changed)
		if err := locate.Prove(s.files, edited, q, overlay, to); err != nil {
			return nil, nil, nil, err
		}
		if before, err = locate.Render(s.files, overlay); err != nil {
			return nil, nil, nil, err
		}
		if after, err = locate.Render(edited, overlay); err != nil {
			return nil, nil, nil, err
		}
		others, err = locate.Changed(s.files, edited, overlay)
		return before, after, others, err
	}
	edited, err := s.way.With(ctx, changed)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := s.way.Prove(edited, chain.Query{Query: q}, to); err != nil {
		return nil, nil, nil, err
	}
	if before, err = s.way.Render(overlay); err != nil {
		return nil, nil, nil, err
	}
	after, err = edited.Render(overlay)
	return before, after, nil, err
}
