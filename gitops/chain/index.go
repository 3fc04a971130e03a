package chain

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/locate"
)

// declared is an object of interest in a file: a unit, or a source.
type declared struct {
	object locate.Object
	file   string
}

var groups = [][]byte{[]byte("toolkit.fluxcd.io"), []byte("argoproj.io")}

// declarations lists the units and sources that a file declares. Files that are no manifests, as the templates of
// charts, declare none.
func declarations(file string, data []byte) []declared {
	if !slices.ContainsFunc(groups, func(g []byte) bool { return bytes.Contains(data, g) }) {
		return nil
	}
	var out []declared
	for _, doc := range bytes.Split(append([]byte("\n"), data...), []byte("\n---")) {
		if !slices.ContainsFunc(groups, func(g []byte) bool { return bytes.Contains(doc, g) }) {
			continue
		}
		json, err := yaml.YAMLToJSON(doc)
		if err != nil {
			continue
		}
		o, err := objectOf(json)
		if err != nil || o.Name == "" {
			continue
		}
		if isUnit(o) || o.Group == "source.toolkit.fluxcd.io" {
			out = append(out, declared{o, file})
		}
	}
	return out
}

// index is what all files declare.
type index map[string][]declared

func buildIndex(files locate.Files) (index, error) {
	all, err := files.List(".")
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	out := index{}
	for _, p := range all {
		if !manifest(p) {
			continue
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return nil, err
		}
		if d := declarations(p, data); d != nil {
			out[p] = d
		}
	}
	return out, nil
}

func manifest(p string) bool {
	ext := path.Ext(p)
	return ext == ".yaml" || ext == ".yml"
}

// with is the index after some files changed.
func (x index) with(changed map[string][]byte) index {
	out := index{}
	for p, d := range x {
		out[p] = d
	}
	for p, data := range changed {
		delete(out, p)
		if d := declarations(p, data); d != nil && manifest(p) {
			out[p] = d
		}
	}
	return out
}

// sorted lists what is declared, by file.
func (x index) sorted() []declared {
	var files []string
	for p := range x {
		files = append(files, p)
	}
	slices.Sort(files)
	var out []declared
	for _, p := range files {
		out = append(out, x[p]...)
	}
	return out
}

func under(p, dir string) bool {
	return dir == "" || dir == "." || p == dir || strings.HasPrefix(p, dir+"/")
}
