package chain

import (
	"context"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

// argo renders an Application as its repository server does: each of its sources by what is in its folder.
func (w *world) argo(ctx context.Context, u *unit) ([]locate.Object, error) {
	u.defaults, u.source = text(u.spec, "destination", "namespace"), ""
	sources := list(u.spec, "sources")
	if len(sources) == 0 {
		sources = []any{at(u.spec, "source")}
	}
	var out []locate.Object
	for _, s := range sources {
		if text(s, "path") == "" && text(s, "chart") == "" && text(s, "ref") != "" {
			continue // only others read from it
		}
		objects, err := w.argoSource(ctx, u, s, sources)
		if err != nil {
			return nil, err
		}
		for _, o := range objects { // the last source wins
			if i := u.index(out, o); i >= 0 {
				out[i] = o
			} else {
				out = append(out, o)
			}
		}
	}
	return out, nil
}

func (u *unit) index(objects []locate.Object, o locate.Object) int {
	return slices.IndexFunc(objects, func(x locate.Object) bool {
		return x.Group == o.Group && x.Kind == o.Kind && x.Namespace == o.Namespace && x.Name == o.Name
	})
}

func (w *world) argoSource(ctx context.Context, u *unit, s any, all []any) ([]locate.Object, error) {
	if chart := text(s, "chart"); chart != "" {
		return nil, refuse(locate.Remote, "%s takes the chart %s from %s, which is not in the repository", u, chart, text(s, "repoURL"))
	}
	if err := w.ours(u, s); err != nil {
		return nil, err
	}
	dir, err := w.within(u, text(s, "path"))
	if err != nil {
		return nil, err
	}
	u.folder = dir
	if at(s, "plugin") != nil {
		return nil, refuse(locate.Unsupported, "%s renders with a plugin", u)
	}
	switch {
	case at(s, "helm") != nil, at(s, "kustomize") == nil && at(s, "directory") == nil && isFile(u.reads, path.Join(dir, "Chart.yaml")):
		return w.argoChart(ctx, u, s, all, dir)
	case at(s, "kustomize") != nil, at(s, "directory") == nil && hasKustomization(u.reads, dir):
		return argoKustomize(u, s, dir)
	}
	return argoDirectory(u, at(s, "directory"), dir)
}

// ours refuses a source that is another repository.
func (w *world) ours(u *unit, s any) error {
	url := text(s, "repoURL")
	want := w.o.URL
	if want == "" && u.up != nil {
		want = u.up.source
	}
	if want == "" && u.kind == application {
		want = u.source // of an earlier source: only one of two repositories is this one
	}
	if want != "" && !SameURL(url, want) {
		return refuse(locate.Remote, "%s reads %s, which is another repository", u, url)
	}
	u.source = url
	return nil
}

func hasKustomization(files locate.Files, dir string) bool {
	return slices.ContainsFunc(kustomizationNames, func(n string) bool { return isFile(files, path.Join(dir, n)) })
}

// argoDirectory is the manifests of a folder, of it alone or of all below it, as they stand there. What has only a
// generateName, as many hooks, is none of them.
func argoDirectory(u *unit, o any, dir string) ([]locate.Object, error) {
	if at(o, "jsonnet") != nil {
		return nil, refuse(locate.Unsupported, "%s has settings for jsonnet, which is a program", u)
	}
	include, err := glob(u, text(o, "include"), true)
	if err != nil {
		return nil, err
	}
	exclude, err := glob(u, text(o, "exclude"), false)
	if err != nil {
		return nil, err
	}
	all, err := u.reads.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	var out []locate.Object
	for _, p := range all {
		rel := strings.TrimPrefix(p, dir+"/")
		switch ext := path.Ext(p); {
		case !truth(o, "recurse") && rel != path.Base(p), exclude(rel), !include(rel):
		case ext == ".jsonnet":
			return nil, refuse(locate.Unsupported, "%s has %s, which is a program", u, p)
		case manifest(p) || ext == ".json":
			objects, err := locate.Render(u.reads, p)
			if err != nil {
				return nil, err
			}
			out = append(out, objects...)
		}
	}
	return out, nil
}

// glob matches as Argo CD does: a * goes over slashes too, and {a,b} is either. No pattern matches what none says.
func glob(u *unit, pattern string, none bool) (func(string) bool, error) {
	if pattern == "" {
		return func(string) bool { return none }, nil
	}
	if strings.ContainsAny(pattern, `[]\`) {
		return nil, refuse(locate.Unsupported, "%s chooses its files by %q, which is not worked out here", u, pattern)
	}
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".", `\{`, "(?:", `\}`, ")", ",", "|").Replace(regexp.QuoteMeta(pattern))
	re, err := regexp.Compile("^(?:" + quoted + ")$")
	if err != nil {
		return nil, refuse(locate.Invalid, "%s chooses its files by %q: %v", u, pattern, err)
	}
	return re.MatchString, nil
}

// argoKustomize is the folder's kustomization with what the source adds.
func argoKustomize(u *unit, s any, dir string) ([]locate.Object, error) {
	file, k, err := kustomizationAt(u.reads, dir, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	o := at(s, "kustomize")
	for _, key := range []string{"namePrefix", "nameSuffix", "namespace"} {
		if v := text(o, key); v != "" {
			k[key] = v
		}
	}
	var images []any
	for _, i := range list(o, "images") {
		t, _ := i.(string)
		images = append(images, kustomizeImage(t))
	}
	addNamed(k, "images", images)
	addNamed(k, "replicas", list(o, "replicas"))
	if err := addKustomize(k, m{"patches": at(o, "patches"), "components": at(o, "components")}); err != nil {
		return nil, err
	}
	for _, key := range []string{"commonLabels", "commonAnnotations"} {
		if more, _ := at(o, key).(m); len(more) > 0 {
			have, _ := k[key].(m)
			next := m{}
			for _, each := range []m{have, more} {
				for name, v := range each {
					next[name] = v
				}
			}
			k[key] = next
		}
	}
	return build(u.reads, dir, file, k)
}

// kustomizeImage reads [name=]name[:tag][@digest].
func kustomizeImage(t string) m {
	out := m{}
	name, rest, named := strings.Cut(t, "=")
	if !named {
		rest = t
	}
	rest, digest, _ := strings.Cut(rest, "@")
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		out["newTag"] = rest[i+1:]
		rest = rest[:i]
	}
	if digest != "" {
		out["digest"] = digest
	}
	if named {
		out["name"], out["newName"] = name, rest
	} else {
		out["name"] = rest
	}
	return out
}

func (w *world) argoChart(ctx context.Context, u *unit, s any, all []any, dir string) ([]locate.Object, error) {
	o := at(s, "helm")
	r := helm.Request{Release: first(text(o, "releaseName"), u.name), Namespace: first(text(o, "namespace"), u.defaults)}
	var err error
	if r.Chart, err = u.chartAt(dir); err != nil {
		return nil, err
	}
	if len(list(o, "fileParameters")) > 0 {
		return nil, refuse(locate.Unsupported, "%s takes values from files by fileParameters", u)
	}
	for _, f := range list(o, "valueFiles") {
		name, _ := f.(string)
		p, err := w.valueFile(u, name, dir, all)
		if err != nil {
			return nil, err
		}
		data, err := u.reads.ReadFile(p)
		if err != nil && truth(o, "ignoreMissingValueFiles") {
			continue
		}
		if err != nil {
			return nil, refuse(locate.Invalid, "%s takes values from %s, which is not there", u, p)
		}
		u.named = append(u.named, p)
		r.Values = append(r.Values, helm.Layer{YAML: string(data)})
	}
	if v := at(o, "valuesObject"); v != nil {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		asYAML, err := yaml.JSONToYAML(data)
		if err != nil {
			return nil, err
		}
		r.Values = append(r.Values, helm.Layer{YAML: string(asYAML)})
	} else if v := text(o, "values"); v != "" {
		r.Values = append(r.Values, helm.Layer{YAML: v})
	}
	for _, p := range list(o, "parameters") {
		set := text(p, "name") + "=" + strings.ReplaceAll(edit.Text(at(p, "value")), ",", `\,`)
		if strings.Contains(set, "$ARGOCD_") {
			return nil, refuse(locate.Unsupported, "%s has the parameter %s, which Argo CD fills in", u, set)
		}
		if truth(p, "forceString") {
			r.Values = append(r.Values, helm.Layer{Text: set})
		} else {
			r.Values = append(r.Values, helm.Layer{Set: set})
		}
	}
	return w.charted(ctx, u, r)
}

// valueFile is relative to the chart, to the repository's root where it starts with a slash, or to another source.
func (w *world) valueFile(u *unit, name, dir string, all []any) (string, error) {
	p := path.Join(dir, name)
	switch {
	case strings.HasPrefix(name, "$"):
		ref, rest, _ := strings.Cut(name[1:], "/")
		i := slices.IndexFunc(all, func(s any) bool { return text(s, "ref") == ref })
		if i < 0 {
			return "", refuse(locate.Invalid, "%s takes values from %s, and has no source %s", u, name, ref)
		}
		if err := w.ours(u, all[i]); err != nil {
			return "", err
		}
		p = path.Join(u.base, rest)
	case strings.HasPrefix(name, "/"):
		p = path.Join(u.base, name[1:])
	case strings.Contains(name, "://"):
		return "", refuse(locate.Remote, "%s takes values from %s", u, name)
	}
	if outside(p) {
		return "", refuse(locate.Remote, "%s takes values from %s, which is outside the repository", u, name)
	}
	return p, nil
}
