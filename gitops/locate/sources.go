package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/cortexops/cortexops/gitops/edit"
)

const (
	maxBytes = 32 << 20 // of all files that one overlay reads
	maxDepth = 32       // of kustomizations that include each other
)

// source is a file that an overlay reads.
type source struct {
	path     string
	data     []byte
	patch    bool // a patch file: it may name its target elsewhere than in itself
	manifest bool // a resource or a patch, so that it may set a field
}

// sources is every file that one overlay reads, patches before what they patch.
type sources struct {
	files   Files
	mem     filesys.FileSystem
	list    []source
	seen    map[string]bool
	renamed bool // some kustomization gives names a prefix or a suffix
	size    int
}

// collect walks the kustomizations from the overlay down, in the types that kustomize itself decodes, and copies what
// they read into memory. A reference that kustomize would take for a remote one is refused, whatever it points at.
func collect(files Files, overlay string) (*sources, error) {
	s := &sources{files: files, mem: filesys.MakeFsInMemory(), seen: map[string]bool{}}
	if overlay != path.Clean(overlay) || path.IsAbs(overlay) || outside(overlay) {
		return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%q is no path in the repository", overlay)}
	}
	return s, s.kustomization(overlay, 0)
}

func outside(p string) bool { return p == ".." || strings.HasPrefix(p, "../") }

func (s *sources) kustomization(dir string, depth int) error {
	if depth > maxDepth {
		return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: kustomizations include each other more than %d deep", dir, maxDepth)}
	}
	if s.seen[dir+"/"] {
		return nil
	}
	s.seen[dir+"/"] = true
	file, data, err := s.kustomizationFile(dir)
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return invalid(file, data, err)
	}
	k.FixKustomization()
	if what := unsupported(&k); what != "" {
		return &Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s uses %s, which would run code or reach outside the repository", file, what)}
	}
	if err := s.add(source{path: file, data: data}); err != nil {
		return err
	}
	s.renamed = s.renamed || k.NamePrefix != "" || k.NameSuffix != ""
	patches, plain := references(&k)
	for _, p := range patches {
		if err := s.file(file, dir, p, source{patch: true, manifest: true}); err != nil {
			return err
		}
	}
	for _, p := range plain {
		if err := s.file(file, dir, p, source{}); err != nil {
			return err
		}
	}
	for _, p := range append(k.Components, k.Resources...) {
		if err := s.resource(file, dir, p, depth); err != nil {
			return err
		}
	}
	return nil
}

// kustomizationFile is the one file in dir that makes it a kustomization.
func (s *sources) kustomizationFile(dir string) (file string, data []byte, err error) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		p := path.Join(dir, name)
		b, err := s.files.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("read %s: %w", p, err)
		}
		if file != "" {
			return "", nil, &Refusal{Reason: Ambiguous, Why: fmt.Sprintf("%s and %s are both there", file, p)}
		}
		file, data = p, b
	}
	if file == "" {
		return "", nil, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s has no kustomization.yaml", dir)}
	}
	return file, data, nil
}

func unsupported(k *types.Kustomization) string {
	for what, used := range map[string]bool{
		"openapi": len(k.OpenAPI) > 0, "helmCharts": len(k.HelmCharts) > 0, "helmGlobals": k.HelmGlobals != nil,
		"generators": len(k.Generators) > 0, "transformers": len(k.Transformers) > 0, "validators": len(k.Validators) > 0,
	} {
		if used {
			return what
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
		if !strings.Contains(string(p), "\n") { // else it is the patch itself
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

// resource is a file, or a folder with a kustomization.
func (s *sources) resource(file, dir, ref string, depth int) error {
	p, err := resolve(file, dir, ref)
	if err != nil {
		return err
	}
	data, err := s.files.ReadFile(p)
	if err == nil {
		return s.add(source{path: p, data: data, manifest: true})
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", p, err)
	}
	err = s.kustomization(p, depth+1)
	var r *Refusal
	if errors.As(err, &r) && r.Reason == NotFound {
		return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s refers to %q, which is neither a file nor a kustomization", file, ref), Err: err}
	}
	return err
}

func (s *sources) file(by, dir, ref string, as source) error {
	p, err := resolve(by, dir, ref)
	if err != nil {
		return err
	}
	as.path = p
	as.data, err = s.files.ReadFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s refers to %q, which is not there", by, ref), Err: err}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	return s.add(as)
}

func (s *sources) add(f source) error {
	if s.seen[f.path] {
		return nil
	}
	s.seen[f.path] = true
	s.size += len(f.data)
	if s.size > maxBytes {
		return &Refusal{Reason: Unsupported, Why: fmt.Sprintf("the overlay reads more than %d MiB", maxBytes>>20)}
	}
	s.list = append(s.list, f)
	return s.mem.WriteFile("/"+f.path, f.data)
}

// invalid refuses a file that kustomize cannot read, with the place where YAML says that it is broken.
func invalid(file string, data []byte, err error) error {
	var syntax *edit.SyntaxError
	if _, perr := edit.Objects(file, data); errors.As(perr, &syntax) {
		return &Refusal{Reason: Invalid, Why: syntax.Error(), Err: syntax}
	}
	return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: %v", file, err), Err: err}
}
