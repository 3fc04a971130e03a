package chain

import (
	"encoding/base64"
	"path"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// reference is a ConfigMap or a Secret that a unit takes values from.
type reference struct {
	kind, name, key, target string
}

// references lists them in order.
func (u *unit) references() []reference {
	var from []any
	switch u.kind {
	case kustomization:
		from = list(u.spec, "postBuild", "substituteFrom")
	case helmRelease:
		from = list(u.spec, "valuesFrom")
	}
	var out []reference
	for _, f := range from {
		out = append(out, reference{text(f, "kind"), text(f, "name"), first(text(f, "valuesKey"), "values.yaml"), text(f, "targetPath")})
	}
	return out
}

// source is the object that r refers to, where it is known.
func (u *unit) sourceOf(r reference) (locate.Object, bool) {
	i := slices.IndexFunc(u.sources, func(o locate.Object) bool { return o.Kind == r.kind && o.Name == r.name })
	if i < 0 {
		return locate.Object{}, false
	}
	return u.sources[i], true
}

// dataOf reads a ConfigMap or a Secret. Keys whose values are encrypted are told apart.
func dataOf(o locate.Object) (data map[string]string, encrypted []string) {
	v, err := decode(o.JSON)
	if err != nil {
		return nil, nil
	}
	data = texts(v, "data")
	if o.Kind == "Secret" {
		for k, s := range data {
			if b, err := base64.StdEncoding.DecodeString(s); err == nil {
				data[k] = string(b)
			}
		}
	}
	for k, s := range texts(v, "stringData") {
		data[k] = s
	}
	for k, s := range data {
		if strings.HasPrefix(s, "ENC[") {
			encrypted = append(encrypted, k)
			delete(data, k)
		}
	}
	return data, encrypted
}

// repository settles which source stands for this repository, and refuses any other.
func (w *world) repository(u *unit, ref any) error {
	kind, name, namespace := text(ref, "kind"), text(ref, "name"), first(text(ref, "namespace"), u.namespace)
	key := sourceKey(kind, namespace, name)
	if kind == "HelmRepository" {
		return refuse(locate.Remote, "%s takes its chart from HelmRepository %s, which is not in the repository", u, path.Join(namespace, name))
	}
	url := w.urlOf(key)
	if w.o.URL != "" && url != "" && kind == "GitRepository" {
		if SameURL(url, w.o.URL) {
			u.source = key
			return nil
		}
		return refuse(locate.Remote, "%s reads %s %s, which is another repository: %s", u, kind, path.Join(namespace, name), url)
	}
	if u.up == nil || u.up.source == "" || u.up.source == key {
		u.source = key
		return nil
	}
	if up := w.urlOf(u.up.source); kind == "GitRepository" && url != "" && up != "" && SameURL(url, up) {
		if ref, other := w.stateOf(key, "ref"), w.stateOf(u.up.source, "ref"); edit.Text(ref) != edit.Text(other) {
			return refuse(locate.Remote, "%s reads this repository at %s, and %s at %s", u, edit.Text(ref), u.up, edit.Text(other))
		}
		u.source = key
		return nil
	}
	return refuse(locate.Remote, "%s reads %s %s, and nothing says that this is the same repository", u, kind, path.Join(namespace, name))
}

// urlOf is what a source that is declared somewhere points at.
func (w *world) urlOf(key string) string {
	url, _ := w.stateOf(key, "url").(string)
	return url
}

// stateOf is a field of the spec of a source that is declared somewhere.
func (w *world) stateOf(key, field string) any {
	d, ok := w.stated[key]
	if !ok {
		return nil
	}
	v, err := decode(d.object.JSON)
	if err != nil {
		return nil
	}
	return at(v, "spec", field)
}

// SameURL compares what two addresses of a git repository name: host and path.
func SameURL(a, b string) bool { return bare(a) == bare(b) }

func bare(url string) string {
	_, rest, found := strings.Cut(url, "://")
	if !found {
		rest = strings.Replace(url, ":", "/", 1) // git@host:path
	}
	if _, after, found := strings.Cut(rest, "@"); found {
		rest = after
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, "/"), ".git")
	if host, p, found := strings.Cut(rest, "/"); found {
		host, _, _ = strings.Cut(host, ":")
		rest = host + "/" + p
	}
	return strings.ToLower(rest)
}

// within is a path of a unit as a path of the repository. Where the root of the unit's paths is not that of the
// repository, it is the one folder above its declaration from which the path leads somewhere.
func (w *world) within(u *unit, p string) (string, error) {
	p = path.Clean(strings.TrimPrefix(p, "/"))
	if outside(p) {
		return "", refuse(locate.Remote, "%s reads %q, which is outside the repository", u, p)
	}
	if dir := path.Join(u.base, p); isDir(u.reads, dir) {
		return dir, nil
	}
	file := u.root().file
	var found []string
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if at := path.Join(dir, p); isDir(u.reads, at) {
			found = append(found, dir)
		}
	}
	switch len(found) {
	case 1:
		u.base = found[0]
		return path.Join(u.base, p), nil
	case 0:
		return "", refuse(locate.Remote, "%s reads the folder %s, which is not in the repository", u, p)
	}
	return "", refuse(locate.Ambiguous, "%s reads the folder %s, which may start at %s", u, p, strings.Join(found, " or "))
}
