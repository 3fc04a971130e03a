package chain

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

const (
	maxDepth = 16   // of units that render each other
	maxUnits = 4000 // of one repository
)

// world is every unit of the repository, rendered.
type world struct {
	o      Options
	files  snapshot
	index  index
	cache  *cache
	units  []*unit
	stated map[string]declared // sources that are declared, by kind, namespace and name
	strict bool                // charts hold values to their schemas
	above  map[string][]string // the kustomizations that a file of a HelmRelease is read by
}

// cache keeps renderings. An entry is good for as long as nothing that it read changed. What a later world adds goes with
// it.
type cache struct {
	entries map[string][]entry
	up      *cache
}

type entry struct {
	changed map[string][]byte // when it was made
	unit    unit              // what rendering filled in
}

func newWorld(ctx context.Context, files locate.Files, o Options) (*world, error) {
	s := snapshot{base: files}
	x, err := buildIndex(s)
	if err != nil {
		return nil, err
	}
	w := &world{o: o, files: s, index: x, cache: &cache{entries: map[string][]entry{}}, above: map[string][]string{}}
	return w, w.grow(ctx)
}

// with is the world after more changes.
func (w *world) with(ctx context.Context, changed map[string][]byte) (*world, error) {
	files := w.files
	for p, data := range changed {
		files = files.with(p, data)
	}
	next := &world{o: w.o, files: files, index: w.index.with(changed), cache: &cache{map[string][]entry{}, w.cache}, strict: w.strict, above: maps.Clone(w.above)}
	return next, next.grow(ctx)
}

// grow renders every tree, from the units that nothing renders but themselves.
func (w *world) grow(ctx context.Context) error {
	w.stated = map[string]declared{}
	var own []*unit
	for _, d := range w.index.sorted() {
		if d.object.Group == "source.toolkit.fluxcd.io" {
			w.stated[sourceKey(d.object.Kind, d.object.Namespace, d.object.Name)] = d
		}
		if !isUnit(d.object) {
			continue
		}
		u, err := newUnit(d.object)
		if err != nil {
			return err
		}
		u.file = d.file
		own = append(own, u)
	}
	for _, u := range own {
		if u.kind == helmRelease {
			continue
		}
		if err := w.render(ctx, u, nil); err != nil {
			return err
		}
	}
	folders, err := w.byHand(ctx, own)
	if err != nil {
		return err
	}
	for _, u := range own {
		if slices.ContainsFunc(slices.Concat(own, folders), func(by *unit) bool { return by != u && by.declares(u) }) {
			continue
		}
		if u.kind == helmRelease && w.belowKustomization(u.file) {
			continue // by itself it need not be what is deployed
		}
		if err := w.tree(ctx, u); err != nil {
			return err
		}
	}
	w.dropRendered()
	return nil
}

// dropRendered leaves out the trees whose root an ApplicationSet's Application renders in another tree.
func (w *world) dropRendered() {
	dropped := map[*unit]bool{}
	for _, root := range w.units {
		if root.up == nil && root.file != "" && slices.ContainsFunc(w.units, func(by *unit) bool {
			return by.root() != root && !dropped[by.root()] && by.up != nil && by.up.kind == applicationSet && by.declares(root)
		}) {
			dropped[root] = true
		}
	}
	w.units = slices.DeleteFunc(w.units, func(u *unit) bool { return dropped[u.root()] })
}

// belowKustomization reports whether a file is in a folder that a kustomization is made of, or below one.
func (w *world) belowKustomization(file string) bool {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if hasKustomization(w.files, dir) {
			return true
		}
		if dir == "." {
			return false
		}
	}
}

// declares reports whether u renders the unit that a file declares.
func (u *unit) declares(other *unit) bool {
	return u.reads != nil && u.reads.seen[other.file] && slices.ContainsFunc(u.objects, func(o locate.Object) bool {
		return o.Group == other.object.Group && o.Kind == other.object.Kind && strings.Contains(o.Name, other.name) && (o.Namespace == other.namespace || other.namespace == "")
	})
}

// tree renders a root and all that it leads to.
func (w *world) tree(ctx context.Context, root *unit) error {
	t := &tree{waiting: []*unit{root}, seen: map[string]bool{root.id(): true}}
	for progress := true; len(t.waiting) > 0; {
		var later []*unit
		now := t.waiting
		t.waiting = nil
		rendered := false
		for _, u := range now {
			if progress && t.lacks(u) {
				later = append(later, u)
				continue
			}
			rendered = true
			if err := w.visit(ctx, t, u); err != nil {
				return err
			}
		}
		progress = rendered
		t.waiting = append(later, t.waiting...)
	}
	w.units = append(w.units, t.units...)
	return nil
}

// tree is what one root leads to.
type tree struct {
	units   []*unit
	waiting []*unit
	seen    map[string]bool
}

func (w *world) visit(ctx context.Context, t *tree, u *unit) error {
	if err := w.render(ctx, u, t); err != nil {
		return err
	}
	if i := u.has(edit.Selector{Group: u.object.Group, Kind: u.object.Kind, Namespace: u.namespace, Name: u.name}); i >= 0 && u.up == nil && string(u.objects[i].JSON) != string(u.object.JSON) {
		if self, err := newUnit(u.objects[i]); err == nil { // it renders itself, patched
			self.file = u.file
			*u = *self
			if err := w.render(ctx, u, t); err != nil {
				return err
			}
		}
	}
	t.units = append(t.units, u)
	depth := 0
	for up := u.up; up != nil; up = up.up {
		depth++
	}
	for _, o := range u.objects {
		if !isUnit(o) || depth >= maxDepth {
			continue
		}
		child, err := newUnit(o)
		if err != nil {
			return err
		}
		if child.namespace == "" {
			child.namespace = u.defaults
		}
		if t.seen[child.id()] {
			continue
		}
		t.seen[child.id()] = true
		if child.up, child.base = u, u.base; len(t.seen) > maxUnits {
			return refuse(locate.Unsupported, "%s leads to more than %d units", u.root(), maxUnits)
		}
		t.waiting = append(t.waiting, child)
	}
	return nil
}

// find is an object that some unit of the tree makes.
func (t *tree) find(kind, namespace, name string) (locate.Object, bool) {
	if t == nil {
		return locate.Object{}, false
	}
	for _, u := range t.units {
		if i := u.has(edit.Selector{Kind: kind, Namespace: namespace, Name: name}); i >= 0 {
			return u.objects[i], true
		}
	}
	return locate.Object{}, false
}

// lacks reports whether u takes values from an object that was not rendered yet.
func (t *tree) lacks(u *unit) bool {
	for _, r := range u.references() {
		if _, ok := t.find(r.kind, u.namespace, r.name); !ok {
			return true
		}
	}
	return false
}

// render fills in what u makes. What cannot be rendered is u's error, and not that of the whole.
func (w *world) render(ctx context.Context, u *unit, t *tree) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u.sources, u.hidden, u.charts, u.named, u.notes, u.excluded = nil, nil, nil, nil, nil, nil
	for _, r := range u.references() {
		if o, ok := t.find(r.kind, u.namespace, r.name); ok {
			u.sources = append(u.sources, o)
		} else {
			u.hidden = append(u.hidden, fmt.Sprintf("%s %s", r.kind, path.Join(u.namespace, r.name)))
		}
	}
	key := fmt.Sprint(w.strict, u.key())
	for c := w.cache; c != nil; c = c.up {
		for _, e := range c.entries[key] {
			if e.unit.reads.same(e.changed, w.files.changed) {
				u.take(e.unit)
				return nil
			}
		}
	}
	u.reads = newReads(w.files)
	switch u.kind {
	case kustomization:
		u.objects, u.err = w.flux(u)
	case helmRelease:
		u.objects, u.err = w.release(ctx, u)
	case applied:
		u.objects, u.err = w.applied(u)
	case application:
		u.objects, u.err = w.argo(ctx, u)
	case applicationSet:
		u.objects, u.err = w.applicationSet(u)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	u.reads.Files = nothing{}
	w.cache.entries[key] = append(w.cache.entries[key], entry{w.files.changed, *u})
	return nil
}

// key is everything that u's rendering depends on but the files.
func (u *unit) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s\n%s\n%s\n", u.file, u, u.base, u.object.JSON, strings.Join(u.hidden, ","))
	if u.up != nil {
		b.WriteString(u.up.source)
	}
	for _, o := range u.sources {
		b.Write(o.JSON)
	}
	return b.String()
}

// take copies what rendering filled in.
func (u *unit) take(from unit) {
	u.objects, u.reads, u.err, u.vars = from.objects, from.reads, from.err, from.vars
	u.charts, u.named, u.hidden, u.excluded = from.charts, from.named, from.hidden, from.excluded
	u.defaults, u.folder, u.base, u.source, u.notes = from.defaults, from.folder, from.base, from.source, from.notes
}

func sourceKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }
