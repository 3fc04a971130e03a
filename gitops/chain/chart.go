package chain

import (
	"context"
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
