package chain

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// seek finds the one unit that makes the object.
func (w *world) seek(q Query) (*search, error) {
	kind, ns, name, certain := q.delivered()
	if name != "" && !certain && !slices.ContainsFunc(w.units, func(u *unit) bool { return u.kind == kind && u.name == name }) {
		kind, name = "", "" // the label means something else here
	}
	var hit *search
	var unread []*unit
	asked := 0
	for _, u := range w.units {
		if u.kind == applied || !q.asks(u) || name != "" && (u.kind != kind || u.name != name || ns != "" && u.namespace != ns) {
			continue
		}
		asked++
		if u.err != nil {
			unread = append(unread, u)
			continue
		}
		i := u.has(q.Object)
		if i < 0 {
			continue
		}
		if hit != nil {
			return nil, refuse(locate.Ambiguous, "%s is rendered by %s and by %s: name the folder of one cluster", q.Object, hit.unit.where(), u.where())
		}
		hit = &search{world: w, unit: u, target: i, q: q, field: q.Field}
	}
	switch {
	case hit != nil:
		return hit, nil
	case name != "" && asked == 0:
		return nil, refuse(locate.NotFound, "%s is delivered by %s %s, which the repository does not declare%s", q.Object, kind, path.Join(ns, name), w.generators(kind))
	case len(unread) > 0 && (name != "" || len(unread) == asked):
		return nil, refusal(unread[0].err, unread[0])
	}
	why := fmt.Sprintf("%s is rendered by none of %d units", q.Object, asked)
	if len(unread) > 0 {
		why += fmt.Sprintf("; %d could not be rendered, the first of them since %v", len(unread), unread[0].err)
	}
	return nil, refuse(locate.NotFound, "%s", why)
}

// Missed is why the chain may not see who delivers the object: a unit of its name cannot be rendered. It is nil where
// nothing says so.
func (c *Chain) Missed(q Query) error {
	for _, u := range c.world.units {
		if u.err == nil || !q.asks(u) || u.kind == kustomization || u.kind == applicationSet || !strings.Contains(q.Object.Name, u.name) ||
			q.Object.Namespace != first(text(u.spec, "targetNamespace"), text(u.spec, "destination", "namespace"), u.namespace) {
			continue
		}
		err := refusal(u.err, u)
		var r *locate.Refusal
		if errors.As(err, &r) {
			return &locate.Refusal{Reason: r.Reason, Why: fmt.Sprintf("%s is in no manifest of the repository; %s may make it, and cannot be rendered: %s", q.Object, u, r.Why), Err: err}
		}
	}
	return nil
}

// Delivering says how a unit delivers what is in a folder or file of the repository, and what it makes of the object; ""
// where none is made of it.
func (c *Chain) Delivering(p string, object edit.Selector) string {
	how := ""
	for _, u := range c.world.units {
		if u.kind == applied || u.folder == "" || !under(p, u.folder) && !u.readsIn(p) {
			continue
		}
		for _, o := range u.objects {
			if o.Group == object.Group && o.Kind == object.Kind && strings.Contains(o.Name, object.Name) {
				o.Namespace = first(o.Namespace, u.defaults)
				return fmt.Sprintf("%s delivers it as %s", u.where(), o)
			}
		}
		how = fmt.Sprintf("%s delivers %s, and in it nothing of that name", u.where(), u.folder)
	}
	return how
}

// readsIn reports whether the unit is rendered from the file, or from the kustomization of the folder.
func (u *unit) readsIn(p string) bool {
	return u.reads != nil && slices.ContainsFunc(u.reads.paths, func(r string) bool {
		return r == p || path.Dir(r) == p && slices.Contains(kustomizationNames, path.Base(r))
	})
}

// asks reports whether the query is about what the unit renders.
func (q Query) asks(u *unit) bool {
	if len(q.Overlays) == 0 {
		return true
	}
	for ; u != nil; u = u.up {
		if slices.ContainsFunc(q.Overlays, func(o string) bool { return under(u.file, o) && u.file != "" || under(u.folder, o) && u.folder != "" }) {
			return true
		}
	}
	return false
}

// named reports whether the object's labels say who delivers it.
func (q Query) named() bool {
	_, _, _, certain := q.delivered()
	return certain
}

// generators says who may make Applications that no file declares.
func (w *world) generators(kind string) string {
	for _, d := range w.index.sorted() {
		if kind == application && d.object.Kind == applicationSet {
			return fmt.Sprintf("; ApplicationSet %s in %s may make it", d.object.Name, d.file)
		}
	}
	return ""
}

func refusal(err error, u *unit) error {
	var r *locate.Refusal
	if errors.As(err, &r) {
		return err
	}
	return &locate.Refusal{Reason: locate.Invalid, Why: fmt.Sprintf("%s does not render: %v", u, err), Err: err}
}

// where names a unit and the file of its root.
func (u *unit) where() string { return fmt.Sprintf("%s (under %s)", u, u.root().file) }

// delivered is the unit that the live object's labels and annotations name, "" for any. named is false where they say
// nothing of it.
func (l Query) delivered() (kind, namespace, name string, named bool) {
	for _, by := range [][2]string{{"helm.toolkit.fluxcd.io", helmRelease}, {"kustomize.toolkit.fluxcd.io", kustomization}} {
		if name := l.Labels[by[0]+"/name"]; name != "" {
			return by[1], l.Labels[by[0]+"/namespace"], name, true
		}
	}
	if id := l.Annotations["argocd.argoproj.io/tracking-id"]; id != "" {
		app, object, _ := strings.Cut(id, ":")
		group := l.Object.Group
		if object == fmt.Sprintf("%s/%s:%s/%s", group, l.Object.Kind, l.Object.Namespace, l.Object.Name) { // else it was copied from another object
			ns, name, found := strings.Cut(app, "_")
			if !found {
				ns, name = "", app
			}
			return application, ns, name, true
		}
	}
	if app := l.Labels["app.kubernetes.io/instance"]; app != "" {
		return application, "", app, false
	}
	return "", "", "", false
}
