package locate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// plain is a file of manifests, or a folder of them with its subfolders, as kubectl apply -R reads them. Folders of
// kustomizations and charts are not part of it.
type plain struct {
	path string
	list []source
	size int
	err  error
}

// isPlain tells whether the unit of that name is no kustomization.
func isPlain(files Files, name string) bool {
	_, _, err := kustomizationFile(files, name)
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != NotFound {
		return false
	}
	if exists(files, name) {
		return true
	}
	in, err := files.List(name)
	return err == nil && slices.ContainsFunc(in, isYAML)
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
}

func openPlain(files Files, name string) *plain {
	s := &plain{path: name}
	if exists(files, name) {
		s.add(files, name)
		return s
	}
	in, err := files.List(name)
	if err != nil {
		s.err = fmt.Errorf("list %s: %w", name, err)
		return s
	}
	own := owned(in, name)
	for _, f := range in {
		if isYAML(f) && !own(f) {
			s.add(files, f)
		}
	}
	return s
}

// owned tells which files below dir are in the folder of a kustomization or a chart.
func owned(in []string, dir string) func(file string) bool {
	owners := map[string]bool{}
	for _, f := range in {
		if base := path.Base(f); isKustomization(base) || base == "Chart.yaml" {
			owners[path.Dir(f)] = true
		}
	}
	return func(f string) bool {
		for d := path.Dir(f); ; d = path.Dir(d) {
			if owners[d] {
				return true
			}
			if d == dir || d == "." || d == "/" {
				return false
			}
		}
	}
}

func (s *plain) add(files Files, file string) {
	data, err := files.ReadFile(file)
	if err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("read %s: %w", file, err))
		return
	}
	s.size += len(data)
	switch {
	case s.err != nil:
	case s.size > maxBytes:
		s.err = &Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has more than %d MiB of manifests", s.path, maxBytes>>20)}
	case utf16(data):
		s.err = notUTF8(file)
	case !bounded(files, source{path: file, data: data}):
		s.err = &Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has more than %d values when its aliases are written out", file, maxNodes)}
	}
	s.list = append(s.list, source{path: file, data: data, manifest: true})
}

// utf16 tells whether YAML is in UTF-16 or UTF-32, as its first two bytes say.
func utf16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) || len(data) > 1 && (data[0] == 0 || data[1] == 0)
}

func notUTF8(file string) error {
	return &Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s is in UTF-16 or UTF-32, and only UTF-8 is read: save it as that", file)}
}

func (s *plain) name() string { return s.path }

func (s *plain) reads(path string) bool {
	return slices.ContainsFunc(s.list, func(f source) bool { return f.path == path })
}

func (s *plain) digest() [32]byte {
	return digestOf(fmt.Sprintf("plain %q %v", s.path, s.err), s.list)
}

func (s *plain) mayRender(sel edit.Selector) bool {
	return s.err != nil || slices.ContainsFunc(s.list, func(f source) bool { return bytes.Contains(f.data, []byte(sel.Name)) })
}

func (s *plain) render() ([]*part, error) {
	var out []*part
	for _, f := range s.list {
		if s.err != nil {
			break
		}
		r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(f.data)))
		for {
			doc, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			var p *part
			if err == nil {
				p, err = renderings.part(sha256.Sum256(doc), func() ([]Object, error) {
					json, err := yaml.YAMLToJSON(doc)
					if err != nil {
						return nil, err
					}
					return appendPlain(nil, json)
				})
			}
			if err != nil {
				return nil, invalid(f.path, f.data, err)
			}
			out = append(out, p)
		}
	}
	return out, s.err
}

// appendPlain adds the object, or those of a list. What is no object is passed over.
func appendPlain(out []Object, doc []byte) ([]Object, error) {
	var o struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	err := json.Unmarshal(doc, &o)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) && o.Kind != "" && o.APIVersion != "" && strings.HasPrefix(other.Field, "metadata.name") { // or namespace
		return nil, fmt.Errorf("%s of %s is a %s to YAML 1.1, as Kubernetes reads it: put it in quotes", other.Field, o.Kind, other.Value)
	}
	if err != nil || o.Kind == "" {
		return out, nil
	}
	if o.Kind == "List" {
		for _, item := range o.Items {
			if out, err = appendPlain(out, item); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if o.Metadata.Name == "" {
		return out, nil
	}
	group, version, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		group, version = "", group
	}
	r := Object{Group: group, Version: version, Kind: o.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, JSON: doc}
	r.JSON, err = canonical(r)
	return append(out, r), err
}

func (s *plain) candidates(a ask) []candidate {
	var out []candidate
	for _, f := range s.list {
		out = append(out, manifestCandidates(f.path, f.data, a, func(o edit.Selector) bool {
			return o.Group == a.sel.Group && o.Kind == a.sel.Kind && o.Name == a.sel.Name &&
				(o.Namespace == a.sel.Namespace || o.Namespace == "" || a.sel.Namespace == "")
		}, nil)...)
	}
	return out
}
