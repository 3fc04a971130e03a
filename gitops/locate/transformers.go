package locate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

// harmless are the transformers of kustomize's own that load nothing.
var harmless = []string{"LabelTransformer", "AnnotationsTransformer", "PrefixTransformer", "SuffixTransformer", "NamespaceTransformer",
	"ImageTagTransformer", "ReplicaCountTransformer"}

// transformers reads the configurations of transformers, which stand in the kustomization, or are files or folders with a
// kustomization of such. Anything but what is harmless is refused, and so is an annotation, which may name a program to run.
func (s *kustomized) transformers(l *layer, depth int) {
	for _, ref := range l.k.Transformers {
		if strings.Contains(ref, "\n") {
			s.transformer(l, []byte(ref))
		} else {
			s.transformersAt(l, ref, depth)
		}
	}
}

func (s *kustomized) transformersAt(l *layer, ref string, depth int) {
	p, err := resolve(l.file, l.dir, ref)
	if err != nil {
		s.fail(err)
		return
	}
	if _, err := s.files.ReadFile(p); !errors.Is(err, fs.ErrNotExist) {
		s.file(l, ref, false)
		if i, ok := s.at[p]; ok {
			s.transformer(l, s.list[i].data)
		}
		return
	}
	l.below = append(l.below, p)
	var r *Refusal
	switch err := s.kustomization(p, depth+1); {
	case errors.As(err, &r) && r.Reason == NotFound:
		s.fail(&Refusal{Reason: Invalid, Why: fmt.Sprintf("%s has the transformer %q, which is neither a file nor a kustomization", l.file, ref), Err: err})
		return
	case err != nil:
		s.fail(err)
		return
	}
	below := s.layers[p]
	if !onlyResources(below.k) || depth > maxDepth {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has the transformer %q, and %s does more than to list files: what it makes is not known before it is rendered", l.file, ref, below.file)})
		return
	}
	for _, ref := range below.k.Resources {
		s.transformersAt(below, ref, depth+1)
	}
}

// onlyResources tells whether a kustomization has nothing but resources, so that they are what it renders.
func onlyResources(k types.Kustomization) bool {
	k.TypeMeta, k.MetaData, k.Resources = types.TypeMeta{}, nil, nil
	text, err := yaml.Marshal(k)
	return err == nil && string(text) == "{}\n"
}

func (s *kustomized) transformer(l *layer, text []byte) {
	named, err := edit.Objects(l.file, text)
	plain := err == nil && len(named) > 0 && !bytes.Contains(text, []byte("annotations")) && bytes.Count(text, []byte("builtin")) == len(named)
	for _, o := range named {
		plain = plain && slices.Contains(harmless, o.Kind)
		s.renamed = s.renamed || o.Kind == "PrefixTransformer" || o.Kind == "SuffixTransformer"
	}
	if !plain {
		s.fail(&Refusal{Reason: Unsupported, Why: fmt.Sprintf("%s has a transformer that may run code or reach outside the repository", l.file)})
	}
}
