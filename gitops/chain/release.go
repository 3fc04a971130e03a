package chain

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

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
