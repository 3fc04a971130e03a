package chain

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/locate"
)

var kustomizationNames = konfig.RecognizedKustomizationFileNames()

// flux renders a Kustomization as its controller does: the folder's kustomization, made up where there is none, with what
// the Kustomization adds to it, and then the variables.
func (w *world) flux(u *unit) ([]locate.Object, error) {
	if err := w.repository(u, at(u.spec, "sourceRef")); err != nil {
		return nil, err
	}
	dir, err := w.within(u, text(u.spec, "path"))
	if err != nil {
		return nil, err
	}
	u.folder, u.defaults = dir, text(u.spec, "targetNamespace")
	file, k, err := kustomizationAt(u.reads, dir, w.leftOut(u))
	if err != nil {
		return nil, err
	}
	if err := addFlux(k, u.spec); err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	objects, err := build(u.reads, dir, file, k)
	if err != nil {
		return nil, err
	}
	if objects, err = u.substitute(objects); err != nil {
		return nil, err
	}
	return marked(objects, at(u.spec, "commonMetadata"))
}

// build renders the folder with k in the place of its kustomization.
func build(files locate.Files, dir, file string, k m) ([]locate.Object, error) {
	data, err := yaml.Marshal(k)
	if err != nil {
		return nil, err
	}
	return locate.Render(made{files, map[string][]byte{file: data}}, dir)
}

// kustomizationAt is the kustomization of a folder. Where there is none, it is the one that lists every manifest below.
func kustomizationAt(files locate.Files, dir string, leftOut func(string) bool) (file string, k m, err error) {
	for _, name := range kustomizationNames {
		p := path.Join(dir, name)
		data, err := files.ReadFile(p)
		if err != nil {
			continue
		}
		if err := yaml.Unmarshal(data, &k); err != nil {
			return "", nil, refuse(locate.Invalid, "%s: %v", p, err)
		}
		if k == nil {
			k = m{}
		}
		return p, k, nil
	}
	resources, err := manifests(files, dir, leftOut)
	if err != nil {
		return "", nil, err
	}
	return path.Join(dir, kustomizationNames[0]), m{"resources": resources}, nil
}

// manifests lists what a kustomization for the whole folder has: the files, and the folders with a kustomization of
// their own.
func manifests(files locate.Files, dir string, leftOut func(string) bool) ([]any, error) {
	all, err := files.List(dir)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), leftOut)
	slices.Sort(all)
	var whole []string
	for _, p := range all {
		if slices.Contains(kustomizationNames, path.Base(p)) {
			whole = append(whole, path.Dir(p))
		}
	}
	var out []any
	for _, p := range all {
		rel := strings.TrimPrefix(p, dir+"/")
		if dir == "." {
			rel = p
		}
		i := slices.IndexFunc(whole, func(d string) bool { return strings.HasPrefix(p, d+"/") })
		switch {
		case i >= 0 && slices.Contains(kustomizationNames, path.Base(p)) && path.Dir(p) == whole[i]:
			out = append(out, path.Dir(rel))
		case i >= 0, !manifest(p):
		default:
			out = append(out, rel)
		}
	}
	return out, nil
}

// addFlux adds to k what a Kustomization's spec says.
func addFlux(k m, spec any) error {
	for from, to := range map[string]string{"targetNamespace": "namespace", "namePrefix": "namePrefix", "nameSuffix": "nameSuffix"} {
		if s := text(spec, from); s != "" {
			k[to] = s
		}
	}
	return addKustomize(k, spec)
}

// addKustomize adds the patches, images and components that Flux writes as kustomize does.
func addKustomize(k m, spec any) error {
	patches, _ := k["patches"].([]any)
	patches = append(patches, list(spec, "patches")...)
	for _, p := range list(spec, "patchesStrategicMerge") {
		data, err := yaml.Marshal(p)
		if err != nil {
			return err
		}
		patches = append(patches, m{"patch": string(data)})
	}
	for _, p := range list(spec, "patchesJson6902") {
		data, err := yaml.Marshal(at(p, "patch"))
		if err != nil {
			return err
		}
		patches = append(patches, m{"patch": string(data), "target": at(p, "target")})
	}
	if len(patches) > 0 {
		k["patches"] = patches
	}
	addNamed(k, "images", list(spec, "images"))
	if more := list(spec, "components"); len(more) > 0 {
		have, _ := k["components"].([]any)
		k["components"] = append(have, more...)
	}
	return nil
}

// addNamed adds entries, and replaces those of the same name.
func addNamed(k m, key string, entries []any) {
	have, _ := k[key].([]any)
	for _, e := range entries {
		if i := slices.IndexFunc(have, func(h any) bool { return text(h, "name") == text(e, "name") }); i >= 0 {
			have[i] = e
		} else {
			have = append(have, e)
		}
	}
	if len(have) > 0 {
		k[key] = have
	}
}

const substituteKey = "kustomize.toolkit.fluxcd.io/substitute"

var variableName = regexp.MustCompile(`^[_[:alpha:]][_[:alpha:][:digit:]]*$`)

// substitute puts the variables' values in. A variable that something out of sight may set stays as it is.
func (u *unit) substitute(objects []locate.Object) ([]locate.Object, error) {
	if at(u.spec, "postBuild") == nil {
		return objects, nil
	}
	vars, known, some := u.variables()
	u.vars = vars
	if !some {
		return objects, nil
	}
	value := func(name string) (string, bool) {
		if v, ok := vars[name]; ok {
			return v, true
		}
		if !known(name) {
			return "${" + name + "}", true
		}
		return "", true
	}
	out := slices.Clone(objects)
	for i, o := range objects {
		v, err := decode(o.JSON)
		if err != nil {
			return nil, err
		}
		if unsubstituted(v) || !strings.Contains(string(o.JSON), "$") {
			continue
		}
		if out[i], err = substituted(o, value); err != nil {
			return nil, refuse(locate.Invalid, "%s: the variables of %s: %v", u, o, err)
		}
	}
	return out, nil
}

// unsubstituted reports whether an object asks for its text to be left alone.
func unsubstituted(v any) bool {
	return text(v, "metadata", "labels", substituteKey) == "disabled" || text(v, "metadata", "annotations", substituteKey) == "disabled"
}

func substituted(o locate.Object, value func(string) (string, bool)) (locate.Object, error) {
	doc, err := yaml.JSONToYAML(o.JSON)
	if err != nil {
		return o, err
	}
	done, err := envsubst.Eval(string(doc), value)
	if err != nil {
		return o, err
	}
	data, err := yaml.YAMLToJSON([]byte(done))
	if err != nil {
		return o, err
	}
	if data, err = canonical(data); err != nil {
		return o, err
	}
	return objectOf(data)
}

// variables are those that are set, whether it is known that nothing else sets one, and whether there is any: where there
// is none, nothing is substituted, not even by a default.
func (u *unit) variables() (vars map[string]string, known func(string) bool, some bool) {
	vars = map[string]string{}
	secret := map[string]bool{}
	unseen := false
	for _, r := range u.references() {
		o, ok := u.sourceOf(r)
		if !ok {
			unseen = true
			clear(vars) // what is out of sight may set them anew
			continue
		}
		data, encrypted := dataOf(o)
		for k, v := range data {
			vars[k] = strings.ReplaceAll(v, "\n", "")
			delete(secret, k)
		}
		if len(encrypted) > 0 {
			u.hidden = append(u.hidden, o.String()+", which is encrypted,")
		}
		for _, k := range encrypted {
			secret[k] = true
			delete(vars, k)
		}
	}
	for k, v := range texts(u.spec, "postBuild", "substitute") {
		vars[k] = strings.ReplaceAll(v, "\n", "")
		delete(secret, k)
	}
	for k := range vars {
		if !variableName.MatchString(k) {
			delete(vars, k)
		}
	}
	return vars, func(name string) bool { return !unseen && !secret[name] }, unseen || len(vars)+len(secret) > 0
}
