package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

const (
	maxChartFiles = 4000
	maxChartBytes = 16 << 20
)

// chartFolder is where a chart of a unit is, and under which keys of the unit's values its own are.
type chartFolder struct {
	dir    string
	prefix edit.Path
}

// prefixOf is where the values of a chart's values.yaml are among those of the unit; nil where file is none.
func (u *unit) prefixOf(file string) edit.Path {
	if path.Base(file) != "values.yaml" {
		return nil
	}
	for _, c := range u.charts {
		if path.Dir(file) == c.dir {
			return c.prefix
		}
	}
	return nil
}

// inChart reports whether a file is of one of the unit's charts.
func (u *unit) inChart(file string) bool {
	return slices.ContainsFunc(u.charts, func(c chartFolder) bool { return under(file, c.dir) })
}

// grafter reads the files of a chart, and grafts the charts that it takes from beside it. A dependency that is nowhere in
// the repository is refused.
type grafter struct {
	files  locate.Files
	out    map[string][]byte
	size   int
	charts []chartFolder
}

// chartAt reads the chart in a folder.
func (u *unit) chartAt(dir string) (map[string][]byte, error) {
	g := &grafter{files: u.reads, out: map[string][]byte{}}
	err := g.graft(dir, "", edit.Path{}, 0)
	u.charts = append(u.charts, g.charts...)
	return g.out, err
}

func (g *grafter) graft(dir, as string, prefix edit.Path, depth int) error {
	if depth > maxDepth {
		return refuse(locate.Invalid, "the charts at %s depend on each other", dir)
	}
	all, err := g.files.List(dir)
	if err != nil {
		return err
	}
	for _, p := range all {
		data, err := g.files.ReadFile(p)
		if err != nil {
			return err
		}
		if g.size += len(data); g.size > maxChartBytes || len(g.out) > maxChartFiles {
			return refuse(locate.Unsupported, "the chart at %s has more than %d files or %d MiB", dir, maxChartFiles, maxChartBytes>>20)
		}
		g.out[path.Join(as, strings.TrimPrefix(p, dir+"/"))] = data
	}
	return g.depend(dir, as, prefix, depth)
}

// depend looks for the charts that the one in dir depends on: among its files, or beside it.
func (g *grafter) depend(dir, as string, prefix edit.Path, depth int) error {
	data, ok := g.out[path.Join(as, "Chart.yaml")]
	if !ok {
		return refuse(locate.NotFound, "%s has no Chart.yaml", dir)
	}
	g.charts = append(g.charts, chartFolder{dir, prefix})
	deps, err := dependencies(path.Join(dir, "Chart.yaml"), data)
	if err != nil {
		return err
	}
	if old, ok := g.out[path.Join(as, "requirements.yaml")]; ok {
		more, err := dependencies(path.Join(dir, "requirements.yaml"), old)
		if err != nil {
			return err
		}
		deps = append(deps, more...)
	}
	inside := slices.Sorted(maps.Keys(g.out))
	for _, p := range inside { // charts/NAME, listed as a dependency or not
		name, found := strings.CutPrefix(p, path.Join(as, "charts")+"/")
		if !found || strings.Count(name, "/") != 1 || path.Base(name) != "Chart.yaml" {
			continue
		}
		folder := path.Dir(name)
		var c struct{ Name string }
		if err := yaml.Unmarshal(g.out[p], &c); err != nil {
			return refuse(locate.Invalid, "%s: %v", path.Join(dir, "charts", name), err)
		}
		if err := g.depend(path.Join(dir, "charts", folder), path.Dir(p), child(prefix, aliasOf(deps, c.Name)), depth+1); err != nil {
			return err
		}
	}
	for _, d := range deps {
		if vendored(g.out, path.Join(as, "charts"), d.Name) {
			continue
		}
		beside, found := strings.CutPrefix(d.Repository, "file://")
		at := path.Join(dir, beside)
		if !found || outside(at) {
			return refuse(locate.Remote, "the chart at %s depends on %s %s of %s, which is not in the repository", dir, d.Name, d.Version, d.Repository)
		}
		if err := g.graft(at, path.Join(as, "charts", d.Name), child(prefix, aliasOf(deps, d.Name)), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func child(p edit.Path, key string) edit.Path { return append(slices.Clone(p), edit.Step{Key: key}) }

// aliasOf is the key of a subchart's values.
func aliasOf(deps []dependency, name string) string {
	for _, d := range deps {
		if d.Name == name && d.Alias != "" {
			return d.Alias
		}
	}
	return name
}

type dependency struct{ Name, Version, Repository, Alias string }

func dependencies(file string, data []byte) ([]dependency, error) {
	var c struct{ Dependencies []dependency }
	if err := yaml.Unmarshal(data, &c); err != nil {
		return nil, refuse(locate.Invalid, "%s: %v", file, err)
	}
	return c.Dependencies, nil
}

// vendored reports whether a dependency is among the chart's own files, as a folder or an archive.
func vendored(files map[string][]byte, dir, name string) bool {
	for p := range files {
		rest, found := strings.CutPrefix(p, dir+"/")
		if !found {
			continue
		}
		if rest == name+"/Chart.yaml" || strings.HasPrefix(rest, name+"-") && strings.HasSuffix(rest, ".tgz") {
			return true
		}
		if strings.HasSuffix(rest, "/Chart.yaml") && strings.Count(rest, "/") == 1 {
			var c struct{ Name string }
			if yaml.Unmarshal(files[p], &c) == nil && c.Name == name {
				return true
			}
		}
	}
	return false
}

// charted renders a chart, and names its objects.
func (w *world) charted(ctx context.Context, u *unit, r helm.Request) ([]locate.Object, error) {
	if w.o.Charts == nil {
		return nil, refuse(locate.Unsupported, "%s is a chart, and charts are not rendered here", u)
	}
	r.AnyValues = !w.strict // a value that stands for another need not be one that the chart allows
	raw, err := w.o.Charts.Render(ctx, r)
	var bad *helm.Invalid
	var killed *helm.Killed
	switch {
	case errors.As(err, &bad):
		return nil, &locate.Refusal{Reason: locate.Invalid, Why: fmt.Sprintf("%s does not render: %s", u, bad.Why), Err: err}
	case errors.As(err, &killed):
		return nil, &locate.Refusal{Reason: locate.Unsupported, Why: fmt.Sprintf("%s: %v", u, killed), Err: err}
	case err != nil:
		return nil, err
	}
	out := make([]locate.Object, 0, len(raw))
	for _, data := range raw {
		o, err := objectOf(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u, err)
		}
		out = append(out, o)
	}
	return out, nil
}

// release renders a HelmRelease as its controller does.
func (w *world) release(ctx context.Context, u *unit) ([]locate.Object, error) {
	dir, version, err := w.chartOf(u)
	if err != nil {
		return nil, err
	}
	u.folder, u.defaults = dir, first(text(u.spec, "targetNamespace"), u.namespace)
	r := helm.Request{Release: releaseName(u), Namespace: u.defaults}
	if r.Chart, err = u.chartAt(dir); err != nil {
		return nil, err
	}
	if version != "" {
		u.notes = append(u.notes, fmt.Sprintf("%s is the chart that %s asks for, %s", dir, u, version))
	}
	for _, f := range list(u.spec, "chart", "spec", "valuesFiles") {
		name, _ := f.(string)
		p := path.Join(u.base, name)
		data, err := u.reads.ReadFile(p)
		if err != nil && truth(u.spec, "chart", "spec", "ignoreMissingValuesFiles") {
			continue
		}
		if err != nil || outside(p) {
			return nil, refuse(locate.Invalid, "%s takes values from %s, which is not there", u, p)
		}
		u.named = append(u.named, p)
		r.Defaults = append(r.Defaults, string(data))
	}
	if r.Values, err = u.values(); err != nil {
		return nil, err
	}
	objects, err := w.charted(ctx, u, r)
	if err != nil {
		return nil, err
	}
	return postRender(u, objects)
}

// chartOf is the folder of the release's chart. A chart of a registry is taken where the repository holds the very
// version that is asked for.
func (w *world) chartOf(u *unit) (dir, version string, err error) {
	ref := at(u.spec, "chart", "spec")
	if ref == nil {
		kind, name := text(u.spec, "chartRef", "kind"), text(u.spec, "chartRef", "name")
		ns := first(text(u.spec, "chartRef", "namespace"), u.namespace)
		d, ok := w.stated[sourceKey(kind, ns, name)]
		if kind != "HelmChart" || !ok {
			return "", "", refuse(locate.Remote, "%s takes its chart from %s %s, which is not in the repository", u, kind, path.Join(ns, name))
		}
		v, err := decode(d.object.JSON)
		if err != nil {
			return "", "", err
		}
		ref = at(v, "spec")
	}
	chart := text(ref, "chart")
	err = w.repository(u, at(ref, "sourceRef"))
	if err == nil {
		dir, err = w.within(u, chart)
		return dir, "", err
	}
	if text(ref, "sourceRef", "kind") == "HelmRepository" {
		if dir := w.vendoredChart(u, chart, text(ref, "version")); dir != "" {
			return dir, chart + " " + text(ref, "version"), nil
		}
	}
	return "", "", err
}

// vendoredChart is the one folder of the repository that holds this chart in this version.
func (w *world) vendoredChart(u *unit, name, version string) string {
	if version == "" {
		return ""
	}
	all, err := u.reads.List(".")
	if err != nil {
		return ""
	}
	var found []string
	for _, p := range all {
		if path.Base(p) != "Chart.yaml" {
			continue
		}
		var c struct{ Name, Version string }
		if data, err := u.reads.ReadFile(p); err == nil && yaml.Unmarshal(data, &c) == nil && c.Name == name && c.Version == version {
			found = append(found, path.Dir(p))
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// releaseName is [targetNamespace-]name, unless the release says otherwise.
func releaseName(u *unit) string {
	if name := text(u.spec, "releaseName"); name != "" {
		return name
	}
	if ns := text(u.spec, "targetNamespace"); ns != "" {
		return ns + "-" + u.name
	}
	return u.name
}

// values are those of the release, the weakest first. What is out of sight is left out: Locate takes an answer then only
// from what is stronger.
func (u *unit) values() ([]helm.Layer, error) {
	var out []helm.Layer
	for _, r := range u.references() {
		o, ok := u.sourceOf(r)
		if !ok {
			continue
		}
		data, encrypted := dataOf(o)
		value, ok := data[r.key]
		switch {
		case slices.Contains(encrypted, r.key):
			u.hidden = append(u.hidden, fmt.Sprintf("Secret %s, which is encrypted", path.Join(o.Namespace, o.Name)))
		case !ok:
			u.hidden = append(u.hidden, fmt.Sprintf("the key %s of %s", r.key, o))
		case r.target == "":
			out = append(out, helm.Layer{YAML: value})
		case len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0]:
			out = append(out, helm.Layer{Text: r.target + "=" + value[1:len(value)-1]})
		default:
			out = append(out, helm.Layer{Set: r.target + "=" + value})
		}
	}
	if inline := at(u.spec, "values"); inline != nil {
		data, err := json.Marshal(inline)
		if err != nil {
			return nil, err
		}
		out = append(out, helm.Layer{JSON: data})
	}
	return out, nil
}

// postRender applies the release's own patches and images.
func postRender(u *unit, objects []locate.Object) ([]locate.Object, error) {
	for _, p := range list(u.spec, "postRenderers") {
		k := m{"resources": []any{"objects.yaml"}}
		if err := addKustomize(k, at(p, "kustomize")); err != nil {
			return nil, err
		}
		if len(k) == 1 {
			continue
		}
		var b strings.Builder
		for _, o := range objects {
			b.WriteString("---\n" + string(o.JSON) + "\n")
		}
		extra := map[string][]byte{"post/objects.yaml": []byte(b.String())}
		var err error
		if objects, err = build(made{nothing{}, extra}, "post", "post/kustomization.yaml", k); err != nil {
			return nil, fmt.Errorf("the post renderers of %s: %w", u, err)
		}
	}
	return objects, nil
}
