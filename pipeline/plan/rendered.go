package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// maxFields is how many fields a proposal may change: more are not read by anybody.
const maxFields = 60

// altered is one object of one overlay before and after.
type altered struct {
	resource      incident.Resource
	overlay       string
	before, after []byte // JSON
	fields        []edit.Difference
}

// take takes a proven change over, with the fields that it changes; made says where.
func (w *work) take(changed map[string][]byte, overlay string, made incident.Edit) error {
	next := locate.With(w.now, changed)
	all, err := w.compare(w.now, next, overlay)
	if err != nil {
		return err
	}
	for _, o := range all {
		for _, f := range o.fields {
			e := made
			e.Resource, e.Field, e.From, e.To = o.resource, f.Path, f.From, f.To
			w.edits = append(w.edits, e)
		}
	}
	if len(w.edits) > maxFields {
		return &incident.NoPlan{Why: fmt.Sprintf("it would change %d fields, more than the %d that people can be asked to approve at once", len(w.edits), maxFields)}
	}
	w.now, w.overlay = next, overlay
	maps.Copy(w.changed, changed)
	return nil
}

// compare lists the objects that are rendered differently, in all overlays; those of own come first, and of them the root.
func (w *work) compare(before, after locate.Files, own string) ([]altered, error) {
	var out []altered
	overlays := slices.DeleteFunc(slices.Clone(w.overlays), func(o string) bool { return o == own })
	for _, overlay := range append([]string{own}, overlays...) {
		if locate.Unchanged(before, after, overlay) {
			continue
		}
		from, err := locate.Render(before, overlay)
		if err != nil {
			return nil, err
		}
		to, err := locate.Render(after, overlay)
		if err != nil {
			return nil, err
		}
		all, err := compare(w.root, overlay, from, to)
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
	}
	slices.SortStableFunc(out, func(a, b altered) int {
		rank := func(o altered) int {
			if o.resource.Key() == w.root.Key() {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return out, nil
}

// compare pairs the objects of two renderings. One that comes or goes is refused: what we apply neither makes nor removes any.
func compare(root incident.Resource, overlay string, from, to []locate.Object) ([]altered, error) {
	id := func(o locate.Object) incident.Resource { return resource(root.Cluster, o) }
	was := map[string][]byte{}
	for _, o := range from {
		was[id(o).Key()] = o.JSON
	}
	var out []altered
	for _, o := range to {
		r := id(o)
		old, there := was[r.Key()]
		if !there {
			return nil, &incident.NoPlan{Why: fmt.Sprintf("%s would be a new object in %s, and nothing is applied that makes one", r, overlay)}
		}
		delete(was, r.Key())
		if bytes.Equal(old, o.JSON) {
			continue
		}
		fields, err := differences(old, o.JSON)
		if err != nil {
			return nil, err
		}
		out = append(out, altered{r, overlay, old, o.JSON, fields})
	}
	for _, o := range from {
		if _, left := was[id(o).Key()]; left {
			return nil, &incident.NoPlan{Why: fmt.Sprintf("%s would be gone from %s, and nothing is applied that removes one", id(o), overlay)}
		}
	}
	return out, nil
}

func resource(cluster string, o locate.Object) incident.Resource {
	return incident.Resource{Cluster: cluster, Group: o.Group, Version: o.Version, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

func differences(before, after []byte) ([]edit.Difference, error) {
	var sides [2]any
	for i, data := range [][]byte{before, after} {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&sides[i]); err != nil {
			return nil, fmt.Errorf("read what was rendered: %w", err)
		}
	}
	return edit.Differences(sides[0], sides[1]), nil
}

// rendered fills in what the edits do to what is rendered.
func (w *work) rendered(p *incident.Proposal) error {
	all, err := w.compare(w.Files, w.now, w.overlay)
	if err != nil {
		return err
	}
	touched := map[string]bool{w.overlay: true}
	for _, o := range all {
		if o.resource.Kind == "Secret" && o.resource.Group == "" {
			return &incident.NoPlan{Why: fmt.Sprintf("%s would change, and a Secret's values are shown to nobody, so that nobody could approve", o.resource)}
		}
		before, after := incident.Rendered(o.resource, o.before), incident.Rendered(o.resource, o.after)
		if touched[o.overlay] = true; o.overlay != w.overlay {
			before.Overlay, after.Overlay = o.overlay, o.overlay
		}
		p.Before, p.Objects = append(p.Before, before), append(p.Objects, after)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: %w", w.root, errNothingToDo)
	}
	p.Edits = w.edits
	for _, o := range w.overlays {
		if !touched[o] {
			p.Untouched = append(p.Untouched, o)
		}
	}
	return nil
}
