package chain

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

const maxGenerated = 1000 // Applications of one ApplicationSet

// params are what a generator gives a template, by their dotted names.
type params = map[string]string

// applicationSet makes the Applications of a set, as far as the repository says which they are.
func (w *world) applicationSet(u *unit) ([]locate.Object, error) {
	if u.up != nil {
		u.source = u.up.source
	}
	if at(u.spec, "templatePatch") != nil {
		return nil, refuse(locate.Unsupported, "%s has a templatePatch", u)
	}
	var out []locate.Object
	for _, g := range list(u.spec, "generators") {
		all, err := w.generated(u, g, 0)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			o, err := applicationOf(u, p)
			if err != nil {
				return nil, err
			}
			if out = append(out, o); len(out) > maxGenerated {
				return nil, refuse(locate.Unsupported, "%s makes more than %d Applications", u, maxGenerated)
			}
		}
	}
	return out, nil
}

func applicationOf(u *unit, p params) (locate.Object, error) {
	filled, err := fill(u, at(u.spec, "template"), p)
	if err != nil {
		return locate.Object{}, err
	}
	meta, _ := at(filled, "metadata").(m)
	if text(meta, "name") == "" {
		return locate.Object{}, refuse(locate.Invalid, "%s makes an Application without a name", u)
	}
	meta["namespace"] = u.namespace
	data, err := json.Marshal(m{"apiVersion": "argoproj.io/v1alpha1", "kind": application, "metadata": meta, "spec": at(filled, "spec")})
	if err != nil {
		return locate.Object{}, err
	}
	return objectOf(data)
}

// generated lists what one generator gives. What only a server knows, as the clusters, is refused.
func (w *world) generated(u *unit, g any, depth int) ([]params, error) {
	if at(g, "selector") != nil || at(g, "list", "template") != nil || at(g, "git", "template") != nil || depth > 2 {
		return nil, refuse(locate.Unsupported, "%s has a generator with a selector or a template of its own", u)
	}
	switch {
	case at(g, "list") != nil && text(g, "list", "elementsYaml") == "":
		var out []params
		for _, e := range list(g, "list", "elements") {
			out = append(out, flat(params{}, "", e))
		}
		return out, nil
	case at(g, "git") != nil && text(g, "git", "pathParamPrefix") == "":
		return w.fromGit(u, at(g, "git"))
	case len(list(g, "matrix", "generators")) == 2:
		return w.matrix(u, list(g, "matrix", "generators"), depth)
	}
	kinds, _ := g.(m)
	return nil, refuse(locate.Unsupported, "%s makes its Applications by the generator %s, which the repository alone does not answer", u, strings.Join(sortedKeys(kinds), ", "))
}

// matrix joins each of the first generator's with each that the second gives, which may use the first's.
func (w *world) matrix(u *unit, pair []any, depth int) ([]params, error) {
	outer, err := w.generated(u, pair[0], depth+1)
	if err != nil {
		return nil, err
	}
	var out []params
	for _, a := range outer {
		second, err := fill(u, pair[1], a)
		if err != nil {
			second = pair[1] // it has no use for them
		}
		inner, err := w.generated(u, second, depth+1)
		if err != nil {
			return nil, err
		}
		for _, b := range inner {
			both := maps.Clone(a)
			maps.Copy(both, b)
			if out = append(out, both); len(out) > maxGenerated {
				return nil, refuse(locate.Unsupported, "%s makes more than %d Applications", u, maxGenerated)
			}
		}
	}
	return out, nil
}

// fromGit lists the folders, or what the files say, that a git generator names.
func (w *world) fromGit(u *unit, g any) ([]params, error) {
	if err := w.ours(u, g); err != nil {
		return nil, err
	}
	all, err := u.reads.List(".")
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	var out []params
	dirs, excluded := chosen(list(g, "directories"), foldersOf(all), func(pattern string) func(string) bool {
		return func(p string) bool { ok, _ := path.Match(pattern, p); return ok }
	})
	u.excluded = append(u.excluded, excluded...)
	for _, dir := range dirs {
		out = append(out, ofPath(params{}, dir))
	}
	from, _ := chosen(list(g, "files"), all, pathspec)
	for _, p := range from {
		data, err := u.reads.ReadFile(p)
		if err != nil {
			return nil, err
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, refuse(locate.Invalid, "%s, which %s is made from: %v", p, u, err)
		}
		items, many := v.([]any)
		if !many {
			items = []any{v}
		}
		for _, item := range items {
			each := ofPath(flat(params{}, "", item), path.Dir(p))
			each["path.filename"], each["path.filenameNormalized"] = path.Base(p), normal(path.Base(p))
			out = append(out, each)
		}
	}
	for _, each := range out {
		values, err := fill(u, at(g, "values"), each)
		if err != nil {
			return nil, err
		}
		flat(each, "values", values)
	}
	return out, nil
}

// foldersOf are the folders that files are in, at any depth.
func foldersOf(files []string) []string {
	seen := map[string]bool{}
	for _, f := range files {
		for d := path.Dir(f); d != "." && !seen[d]; d = path.Dir(d) {
			seen[d] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// chosen are the names that some pattern has and none excludes, and those that one excludes.
func chosen(patterns []any, names []string, matcher func(pattern string) func(name string) bool) (taken, excluded []string) {
	var in, out []func(string) bool
	for _, p := range patterns {
		match := matcher(strings.TrimPrefix(text(p, "path"), "/"))
		if truth(p, "exclude") {
			out = append(out, match)
		} else {
			in = append(in, match)
		}
	}
	hit := func(name string) func(func(string) bool) bool {
		return func(m func(string) bool) bool { return m(name) }
	}
	for _, n := range names {
		switch {
		case slices.ContainsFunc(out, hit(n)):
			excluded = append(excluded, n)
		case slices.ContainsFunc(in, hit(n)):
			taken = append(taken, n)
		}
	}
	return taken, excluded
}

// pathspec matches as git does: a * goes over slashes too.
func pathspec(pattern string) func(name string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + quoted + "$").MatchString
}

// ofPath adds what both kinds of templates know of a path.
func ofPath(p params, dir string) params {
	p["path"], p["path.path"] = dir, dir
	p["path.basename"], p["path.basenameNormalized"] = path.Base(dir), normal(path.Base(dir))
	for i, part := range strings.Split(dir, "/") {
		p["path["+strconv.Itoa(i)+"]"], p["path.segments["+strconv.Itoa(i)+"]"] = part, part
	}
	return p
}

var unfit = regexp.MustCompile(`[^-a-z0-9]+`)

// normal is a name that Kubernetes takes.
func normal(s string) string {
	return strings.Trim(unfit.ReplaceAllString(strings.ToLower(s), "-"), "-.")
}

// flat adds the members of v under their dotted names.
func flat(p params, name string, v any) params {
	o, ok := v.(m)
	if !ok {
		if _, many := v.([]any); !many && v != nil {
			p[name] = edit.Text(v)
		}
		return p
	}
	for k, member := range o {
		flat(p, strings.TrimPrefix(name+"."+k, "."), member)
	}
	return p
}

var (
	variable = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)
	indexed  = regexp.MustCompile(`^index \.([\w.]+) (\d+)$`)
)

// fill writes the parameters into every text of v. A template that does more than name one is refused.
func fill(u *unit, v any, p params) (any, error) {
	switch v := v.(type) {
	case string:
		var failed error
		out := variable.ReplaceAllStringFunc(v, func(whole string) string {
			name := variable.FindStringSubmatch(whole)[1]
			if i := indexed.FindStringSubmatch(name); i != nil {
				name = i[1] + "[" + i[2] + "]"
			}
			value, ok := p[strings.TrimPrefix(name, ".")]
			if !ok && failed == nil {
				failed = refuse(locate.Unsupported, "the template of %s has %s, which is not worked out here", u, whole)
			}
			return value
		})
		return out, failed
	case m:
		out := m{}
		for k, member := range v {
			filled, err := fill(u, member, p)
			if err != nil {
				return nil, err
			}
			out[k] = filled
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			filled, err := fill(u, item, p)
			if err != nil {
				return nil, err
			}
			out = append(out, filled)
		}
		return out, nil
	}
	return v, nil
}
