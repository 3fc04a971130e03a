package locate

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

func unsupported(k *types.Kustomization) string {
	for _, f := range []struct {
		what string
		used bool
	}{
		{"openapi", len(k.OpenAPI) > 0}, {"helmCharts", len(k.HelmCharts) > 0}, {"helmGlobals", k.HelmGlobals != nil},
		{"generators", len(k.Generators) > 0}, {"validators", len(k.Validators) > 0},
	} {
		if f.used {
			return f.what
		}
	}
	return ""
}

// references lists the files that k reads, apart from its resources and components.
func references(k *types.Kustomization) (patches, plain []string) {
	for _, p := range append(k.Patches, k.PatchesJson6902...) { //nolint:staticcheck // deprecated, and in many repositories
		if p.Path != "" {
			patches = append(patches, p.Path)
		}
	}
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // as above
		if !inline(p) {
			patches = append(patches, string(p))
		}
	}
	for _, r := range k.Replacements {
		if r.Path != "" {
			plain = append(plain, r.Path)
		}
	}
	plain = append(append(plain, k.Crds...), k.Configurations...)
	var generators []types.KvPairSources
	for _, g := range k.ConfigMapGenerator {
		generators = append(generators, g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		generators = append(generators, g.KvPairSources)
	}
	for _, g := range generators {
		for _, f := range g.FileSources {
			if _, after, found := strings.Cut(f, "="); found {
				f = after
			}
			plain = append(plain, f)
		}
		plain = append(plain, g.EnvSources...)
	}
	return patches, plain
}

// ownTexts are the texts in k that are patches themselves.
func ownTexts(k *types.Kustomization) (out []string) {
	for _, p := range append(k.Patches, k.PatchesJson6902...) { //nolint:staticcheck // as above
		out = append(out, p.Patch)
	}
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // as above
		out = append(out, string(p))
	}
	return append(out, k.Transformers...)
}

// inline tells whether an entry of patchesStrategicMerge is the patch itself, and not the path of one.
func inline(p types.PatchStrategicMerge) bool { return strings.Contains(string(p), "\n") }

// remote is what kustomize reads as a URL, a git repository or an SSH address, even where a file has that name.
var remote = regexp.MustCompile(`(?i)^(git::|[a-z][a-z0-9+.-]*:|[a-z][a-z0-9-]*@|github\.com[/:])`)

// resolve turns a reference of a kustomization in dir into a path of the repository.
func resolve(file, dir, ref string) (string, error) {
	if remote.MatchString(ref) || path.IsAbs(ref) || strings.Contains(ref, "?") {
		return "", &Refusal{Reason: Remote, Why: fmt.Sprintf("%s refers to %q, which is not in the repository", file, ref)}
	}
	p := path.Join(dir, ref)
	if outside(p) {
		return "", &Refusal{Reason: Remote, Why: fmt.Sprintf("%s refers to %q, which is outside the repository", file, ref)}
	}
	return p, nil
}
