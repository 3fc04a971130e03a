package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/cortexops/cortexops/gitops/chain"
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
func (w *work) take(next tree, changed map[string][]byte, overlay string, made incident.Edit) error {
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
func (w *work) compare(before, after tree, own string) ([]altered, error) {
	var out []altered
	for _, overlay := range before.units(own, w.overlays) {
		from, to, same, err := before.renders(after, overlay)
		if err != nil {
			return nil, err
		}
		if same {
			continue
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
	a, err := decoded(before)
	if err != nil {
		return nil, err
	}
	b, err := decoded(after)
	if err != nil {
		return nil, err
	}
	return edit.Differences(a, b), nil
}

func decoded(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read what was rendered: %w", err)
	}
	return v, nil
}

// rendered fills in what the edits do to what is rendered.
func (w *work) rendered(p *incident.Proposal) error {
	all, err := w.compare(w.before, w.now, w.overlay)
	if err != nil {
		return err
	}
	touched := map[string]bool{w.overlay: true}
	for _, o := range all {
		touched[o.overlay] = true
	}
	for _, o := range applied(all) {
		if o.resource.Kind == "Secret" && o.resource.Group == "" {
			return &incident.NoPlan{Why: fmt.Sprintf("%s would change, and a Secret's values are shown to nobody, so that nobody could approve", o.resource)}
		}
		before, after := incident.Rendered(o.resource, o.before), incident.Rendered(o.resource, o.after)
		if o.overlay != w.overlay {
			before.Overlay, after.Overlay = o.overlay, o.overlay
		}
		p.Before, p.Objects = append(p.Before, before), append(p.Objects, after)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: %w", w.root, errNothingToDo)
	}
	p.Edits = w.edits
	for _, o := range w.before.units(w.overlay, w.overlays) {
		if !touched[o] {
			p.Untouched = append(p.Untouched, o)
		}
	}
	return nil
}

// applied are the objects that whoever applies what git says applies: what Flux makes of a HelmRelease is for that to make,
// where the HelmRelease itself, or what it takes its values from, changes.
func applied(all []altered) []altered {
	own := slices.DeleteFunc(slices.Clone(all), func(o altered) bool { return chain.ByHelm(o.overlay) })
	if len(own) == 0 {
		return all
	}
	return own
}

// files are those of the change, sorted by path.
func (w *work) files() ([]incident.File, error) {
	var out []incident.File
	for _, path := range slices.Sorted(maps.Keys(w.changed)) {
		before, err := w.Files.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a new file has nothing before
			return nil, err
		}
		out = append(out, incident.File{Path: path, Before: before, After: w.changed[path]})
	}
	return out, nil
}
