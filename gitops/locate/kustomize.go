package locate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

const (
	maxBytes  = 32 << 20 // of all files that one unit reads
	maxDepth  = 32       // of kustomizations that include each other
	maxLayers = 2048     // kustomizations, each counted as often as it is included
	maxNodes  = 1 << 20  // of one file, with its aliases written out
)

// source is a file that a unit reads.
type source struct {
	path     string
	data     []byte
	manifest bool // a resource or a patch
}

// layer is one kustomization of those that an overlay is made of.
type layer struct {
	dir, file string
	data      []byte
	k         types.Kustomization // as written
	fixed     types.Kustomization // with what is deprecated moved to where it belongs
	below     []string            // the resources and then the components that are folders, each as often as it is named
}

// kustomized is every file that one overlay reads.
type kustomized struct {
	files   Files
	dir     string
	list    []source
	at      map[string]int // index in list
	layers  map[string]*layer
	renamed bool // some kustomization gives names a prefix or a suffix
	size    int
	err     error // why it cannot be rendered
}

// collect walks the kustomizations from the overlay down, in the types that kustomize itself decodes, and keeps what
// they read. A reference that kustomize would take for a remote one is refused, whatever it points at. The walk goes on
// after an error, so that what the overlay reads is known.
func collect(files Files, dir string) *kustomized {
	s := &kustomized{files: files, dir: dir, at: map[string]int{}, layers: map[string]*layer{}}
	if dir != path.Clean(dir) || path.IsAbs(dir) || outside(dir) {
		s.fail(&Refusal{Reason: Invalid, Why: fmt.Sprintf("%q is no path in the repository", dir)})
		return s
	}
	if err := s.kustomization(dir, 0); err != nil {
		s.fail(err)
	}
	if n := s.visits(dir, map[string]int{}); n > maxLayers {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s includes kustomizations more than %d times", dir, maxLayers)})
	}
	return s
}

func (s *kustomized) name() string { return s.dir }

func (s *kustomized) reads(path string) bool {
	_, ok := s.at[path]
	return ok
}

func (s *kustomized) digest() [32]byte {
	return digestOf(fmt.Sprintf("%q %v", s.dir, s.err), s.list)
}

// mayRender looks for the name in the files. Names that kustomize makes are only a part of themselves there.
func (s *kustomized) mayRender(sel edit.Selector) bool {
	if s.renamed || s.err != nil || sel.Kind == "ConfigMap" || sel.Kind == "Secret" {
		return true
	}
	for _, f := range s.list {
		if bytes.Contains(f.data, []byte(sel.Name)) {
			return true
		}
	}
	return false
}

func (s *kustomized) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func outside(p string) bool { return p == ".." || strings.HasPrefix(p, "../") }

// kustomization reads that of a folder, and everything below it. Its error is NotFound where there is none.
func (s *kustomized) kustomization(dir string, depth int) error {
	if depth > maxDepth {
		return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: kustomizations include each other more than %d deep", dir, maxDepth)}
	}
	if s.layers[dir] != nil {
		return nil
	}
	l := &layer{dir: dir}
	var err error
	if l.file, l.data, err = kustomizationFile(s.files, dir); err != nil {
		return err
	}
	s.layers[dir] = l
	s.add(source{path: l.file, data: l.data})
	if err := l.k.Unmarshal(l.data); err != nil {
		s.fail(invalid(l.file, l.data, err))
		return nil
	}
	if err := l.fixed.Unmarshal(l.data); err != nil {
		return err
	}
	l.fixed.FixKustomization()
	for _, text := range append(ownTexts(&l.k), ownTexts(&l.fixed)...) {
		if !edit.Bounded([]byte(text), maxNodes) {
			s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has a patch of more than %d values when its aliases are written out", l.file, maxNodes)})
		}
	}
	if what := unsupported(&l.fixed); what != "" {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s uses %s, which would run code or reach outside the repository", l.file, what)})
	}
	s.renamed = s.renamed || l.k.NamePrefix != "" || l.k.NameSuffix != ""
	s.transformers(l, depth)
	patches, plain := references(&l.fixed)
	for _, p := range patches {
		s.file(l, p, true)
	}
	for _, p := range plain {
		s.file(l, p, false)
	}
	for _, p := range append(l.fixed.Components, l.fixed.Resources...) {
		s.resource(l, p, depth)
	}
	return nil
}

// kustomizationFile is the one file in dir that makes it a kustomization.
func kustomizationFile(files Files, dir string) (file string, data []byte, err error) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		p := path.Join(dir, name)
		b, err := files.ReadFile(p)
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

// resource is a file, or a folder with a kustomization.
func (s *kustomized) resource(l *layer, ref string, depth int) {
	p, err := resolve(l.file, l.dir, ref)
	if err != nil {
		s.fail(err)
		return
	}
	data, err := s.files.ReadFile(p)
	switch {
	case err == nil:
		s.add(source{path: p, data: data, manifest: true})
		return
	case !errors.Is(err, fs.ErrNotExist):
		s.fail(fmt.Errorf("read %s: %w", p, err))
		return
	}
	l.below = append(l.below, p)
	err = s.kustomization(p, depth+1)
	var r *Refusal
	if errors.As(err, &r) && r.Reason == NotFound {
		err = &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s refers to %q, which is neither a file nor a kustomization", l.file, ref), Err: err}
	}
	if err != nil {
		s.fail(err)
	}
}

func (s *kustomized) file(l *layer, ref string, manifest bool) {
	p, err := resolve(l.file, l.dir, ref)
	if err != nil {
		s.fail(err)
		return
	}
	data, err := s.files.ReadFile(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fail(&Refusal{Reason: Invalid, Why: fmt.Sprintf("%s refers to %q, which is not there", l.file, ref), Err: err})
	case err != nil:
		s.fail(fmt.Errorf("read %s: %w", p, err))
	default:
		s.add(source{path: p, data: data, manifest: manifest})
	}
}

func (s *kustomized) add(f source) {
	if s.reads(f.path) {
		return
	}
	s.size += len(f.data)
	if s.size > maxBytes {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("the overlay reads more than %d MiB", maxBytes>>20)})
		return
	}
	if utf16(f.data) && (f.manifest || isKustomization(path.Base(f.path))) {
		s.fail(notUTF8(f.path))
	}
	if !bounded(s.files, f) {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has more than %d values when its aliases are written out", f.path, maxNodes)})
		return
	}
	s.at[f.path] = len(s.list)
	s.list = append(s.list, f)
}

// visits counts how often kustomize reads a kustomization for that of dir: each is read again wherever it is included.
func (s *kustomized) visits(dir string, known map[string]int) int {
	if n, ok := known[dir]; ok {
		return n
	}
	known[dir] = 1 // kustomize refuses circles
	n := 1
	if l := s.layers[dir]; l != nil {
		for _, b := range l.below {
			n = min(n+s.visits(b, known), maxLayers+1)
		}
	}
	known[dir] = n
	return n
}

// invalid refuses a file that kustomize cannot read, with the place where YAML says that it is broken.
func invalid(file string, data []byte, err error) error {
	var syntax *edit.SyntaxError
	if _, perr := edit.Objects(file, data); errors.As(perr, &syntax) {
		return &Refusal{Reason: Invalid, Why: syntax.Error(), Err: syntax}
	}
	return &Refusal{Reason: Invalid, Why: fmt.Sprintf("%s: %v", file, err), Err: err}
}
