package locate

import (
	"bytes"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

func isKustomization(base string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), base)
}

// listed are the files of a repository, each of which is read once.
func listed(files Files) (known *once, all []string, err error) {
	known, ok := files.(*once)
	if !ok {
		known = Once(files).(*once)
	}
	if all, err = known.List("."); err != nil {
		return nil, nil, fmt.Errorf("list the repository: %w", err)
	}
	return known, all, nil
}

// discover finds the units of a repository, in three tiers: the kustomizations that no other one includes, those that
// are included, and the manifests that no kustomization reads. Of these only such as may have the object are looked at.
func discover(files Files, sel edit.Selector) ([][]unit, error) {
	known, all, err := listed(files)
	if err != nil {
		return nil, err
	}
	tiers, taken := kustomizations(known, all)
	chart := owned(slices.DeleteFunc(slices.Clone(all), func(f string) bool { return path.Base(f) != "Chart.yaml" }), ".")
	for _, f := range all {
		if !isYAML(f) || taken[f] || chart(f) {
			continue
		}
		data, err := known.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
		if bytes.Contains(data, []byte(sel.Name)) && bytes.Contains(data, []byte(sel.Kind)) || utf16(data) {
			tiers[2] = append(tiers[2], openPlain(known, f))
		}
	}
	return tiers, nil
}

// kustomizations are the first two tiers, and the files that they read.
func kustomizations(known *once, all []string) (tiers [][]unit, taken map[string]bool) {
	var dirs []string
	for _, f := range all {
		if isKustomization(path.Base(f)) {
			dirs = append(dirs, path.Dir(f))
		}
	}
	dirs = unique(dirs)
	found := map[string]*kustomized{}
	included := map[string]bool{}
	taken = map[string]bool{}
	for _, dir := range dirs {
		s := known.layout(dir)
		found[dir] = s
		for d, l := range s.layers {
			included[d] = included[d] || d != dir || l.k.Kind == types.ComponentKind
		}
		for _, f := range s.list {
			taken[f.path] = true
		}
	}
	tiers = make([][]unit, 3)
	for _, dir := range dirs {
		switch s := found[dir]; {
		case !included[dir]:
			tiers[0] = append(tiers[0], s)
		case s.layers[dir] == nil || s.layers[dir].k.Kind != types.ComponentKind:
			tiers[1] = append(tiers[1], s)
		}
	}
	return tiers, taken
}

// Tops are the kustomizations, by folder, that read the file and that no other one includes.
func Tops(files Files, file string) ([]string, error) {
	known, all, err := listed(files)
	if err != nil {
		return nil, err
	}
	tiers, _ := kustomizations(known, all)
	var out []string
	for _, u := range tiers[0] {
		if u.reads(file) {
			out = append(out, u.name())
		}
	}
	return out, nil
}

// neighbours are the kustomizations of the repository that a query does not name: others deploy them. Those that include
// own deploy the same, and are in the second tier.
func neighbours(files Files, named []string, own string) ([][]unit, error) {
	known, all, err := listed(files)
	if err != nil {
		return nil, err
	}
	found, _ := kustomizations(known, all)
	tiers := make([][]unit, 2)
	for i, tier := range found[:2] {
		for _, u := range tier {
			switch s, ok := u.(*kustomized); {
			case slices.Contains(named, u.name()):
			case ok && s.layers[own] != nil:
				tiers[1] = append(tiers[1], u)
			default:
				tiers[i] = append(tiers[i], u)
			}
		}
	}
	return tiers, nil
}

type result struct {
	data []byte
	err  error
}
