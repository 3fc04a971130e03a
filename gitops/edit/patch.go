package edit

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// Patch merges a strategic merge patch, one YAML document, into the object by point edits: only what differs is written.
// Lists of the kinds that Kubernetes itself has are merged by their merge keys, all others are replaced; null removes a
// key, `$patch: delete` and `$patch: replace` mean what they mean to kubectl, and any other directive is refused.
// apiVersion, kind, name and namespace only say what the patch is for. Errors are as Set's, or at a place in a file
// named "patch".
func Patch(file string, src []byte, sel Selector, patch []byte) ([]byte, error) {
	root, err := fragment("patch", patch)
	if err != nil {
		return nil, err
	}
	e, err := newEditor(file, src, sel)
	if err != nil {
		return nil, err
	}
	object, err := e.object()
	if err != nil {
		return nil, err
	}
	if root, err = unnamed(root, object, sel); err != nil {
		return nil, err
	}
	if err := e.merge(nil, root, metaOf(object)); err != nil {
		return nil, err
	}
	return e.src, nil
}

// unnamed is the patch without what says which object it is for, which must be this one.
func unnamed(patch, object *yaml.Node, sel Selector) (*yaml.Node, error) {
	if patch.Kind != yaml.MappingNode {
		return nil, refuse("patch", patch, "a strategic merge patch is a mapping")
	}
	var rest []*yaml.Node
	for i := 0; i+1 < len(patch.Content); i += 2 {
		k, v := patch.Content[i], patch.Content[i+1]
		switch k.Value {
		case "apiVersion", "kind":
			if v.Value != text(value(object, k.Value)) {
				return nil, refuse("patch", v, "it is for another object than "+sel.String())
			}
			continue
		case "metadata":
			name, space := value(v, "name"), value(v, "namespace")
			have := text(value(value(object, "metadata"), "namespace"))
			if name != nil && name.Value != sel.Name || space != nil && space.Value != sel.Namespace && space.Value != have {
				return nil, refuse("patch", v, "it is for another object than "+sel.String())
			}
			v = without(v, "name", "namespace")
			if len(v.Content) == 0 {
				continue
			}
		}
		rest = append(rest, k, v)
	}
	return holds(patch, rest...), nil
}

func without(m *yaml.Node, keys ...string) *yaml.Node {
	if m.Kind != yaml.MappingNode {
		return m
	}
	var rest []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !slices.Contains(keys, m.Content[i].Value) {
			rest = append(rest, m.Content[i], m.Content[i+1])
		}
	}
	return holds(m, rest...)
}

// patchMeta knows how the lists of a type are merged; nil: nobody does, and they are replaced.
type patchMeta = strategicpatch.LookupPatchMeta

func metaOf(object *yaml.Node) patchMeta {
	gv, err := schema.ParseGroupVersion(text(value(object, "apiVersion")))
	if err != nil {
		return nil
	}
	typed, err := scheme.Scheme.New(gv.WithKind(text(value(object, "kind"))))
	if err != nil {
		return nil
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil
	}
	return meta
}

const (
	deleteDirective  = "delete"
	replaceDirective = "replace"
)

// directive is the value of $patch in a mapping of the patch.
func directive(n *yaml.Node) (string, error) {
	if n.Kind != yaml.MappingNode {
		return "", nil
	}
	said := ""
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !strings.HasPrefix(k.Value, "$") {
			continue
		}
		if k.Value != "$patch" || v.Value != deleteDirective && v.Value != replaceDirective && v.Value != "merge" {
			return "", refuse("patch", k, fmt.Sprintf("the directive %s: %s is not supported", k.Value, v.Value))
		}
		said = v.Value
	}
	return said, nil
}

// merge merges the mapping patch into the one at p, which is there.
func (e *editor) merge(p Path, patch *yaml.Node, meta patchMeta) error {
	said, err := directive(patch)
	if err != nil {
		return err
	}
	body := without(patch, "$patch")
	switch {
	case said != "" && said != "merge" && len(p) == 0:
		return refuse("patch", patch, "$patch: "+said+" of the whole object is not supported")
	case said == deleteDirective:
		return e.take(p)
	case said == replaceDirective:
		return e.becomeClean(p, body)
	}
	for i := 0; i+1 < len(body.Content); i += 2 {
		if err := e.mergeKey(child(p, Step{Key: body.Content[i].Value}), body.Content[i+1], meta); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) mergeKey(p Path, v *yaml.Node, meta patchMeta) error {
	old, err := e.at(p)
	if err != nil {
		return err
	}
	name := p[len(p)-1].Key
	switch {
	case v.Tag == "!!null":
		if old == nil {
			return nil
		}
		return e.take(p)
	case v.Kind == yaml.MappingNode && old != nil && old.Kind == yaml.MappingNode:
		var below patchMeta
		if meta != nil {
			if m, _, err := meta.LookupPatchMetadataForStruct(name); err == nil {
				below = m
			}
		}
		return e.merge(p, v, below)
	case v.Kind == yaml.SequenceNode && old != nil && old.Kind == yaml.SequenceNode && meta != nil:
		below, how, err := meta.LookupPatchMetadataForSlice(name)
		if err == nil && slices.Contains(how.GetPatchStrategies(), "merge") {
			return e.mergeList(p, v, how.GetPatchMergeKey(), below)
		}
	}
	if said, err := directive(v); err != nil || said == deleteDirective {
		return err // there is nothing to delete
	}
	return e.becomeClean(p, v)
}

// mergeList merges by the key, or as a set where there is none.
func (e *editor) mergeList(p Path, patch *yaml.Node, by string, meta patchMeta) error {
	if i := slices.IndexFunc(patch.Content, func(n *yaml.Node) bool { return text(value(n, "$patch")) == replaceDirective }); i >= 0 {
		if n := patch.Content[i]; len(n.Content) > 2 { // kubectl empties the list, kustomize replaces the element
			return refuse("patch", n, "$patch: replace stands alone in its element, and is for the whole list")
		}
		return e.becomeClean(p, holds(patch, slices.Delete(slices.Clone(patch.Content), i, i+1)...))
	}
	for _, item := range patch.Content {
		old, err := e.at(p)
		if err != nil {
			return err
		}
		if old == nil || old.Kind != yaml.SequenceNode {
			return refuse("patch", item, fmt.Sprintf("%s is no list any more", p))
		}
		id := value(item, by)
		if by != "" && id == nil {
			return refuse("patch", item, "the element has no "+by+", by which the list is merged")
		}
		i := slices.IndexFunc(old.Content, func(n *yaml.Node) bool {
			return by == "" && equal(n, item) || by != "" && value(n, by) != nil && equal(value(n, by), id)
		})
		said, err := directive(item)
		switch {
		case err != nil:
			return err
		case i >= 0 && by != "":
			err = e.merge(child(p, Step{Index: i}), item, meta)
		case i < 0 && said != deleteDirective:
			err = e.becomeClean(child(p, Step{Index: len(old.Content)}), item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// becomeClean is become with a value of the patch, without its nulls and directives.
func (e *editor) becomeClean(p Path, v *yaml.Node) error {
	clean, err := cleaned(v)
	if err != nil {
		return err
	}
	return e.become(p, clean)
}

func cleaned(n *yaml.Node) (*yaml.Node, error) {
	if _, err := directive(n); err != nil {
		return nil, err
	}
	var content []*yaml.Node
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && (i%2 == 0 || c.Tag == "!!null" || n.Content[i-1].Value == "$patch") {
			continue
		}
		v, err := cleaned(c)
		if err != nil {
			return nil, err
		}
		if n.Kind == yaml.MappingNode {
			content = append(content, n.Content[i-1])
		}
		content = append(content, v)
	}
	return holds(n, content...), nil
}

// at is the node at p, whose steps are keys and indices, or nil where there is none. A way through an alias is refused
// when it is edited.
func (e *editor) at(p Path) (*yaml.Node, error) {
	n, err := e.object()
	for _, s := range p {
		if err != nil || n == nil {
			return nil, err
		}
		i := member(n, s)
		if i < 0 {
			return nil, nil
		}
		n = n.Content[i]
	}
	return n, err
}
