package locate

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cortexops/cortexops/gitops/edit"
)

// strategicPatch sets one field of the object, which the resource calls o. It has no indices of lists.
func strategicPatch(o edit.Selector, version string, a ask) (text func(value string) *yaml.Node, in edit.At, ok bool) {
	first := a.path[0].Key
	own := first == "metadata" && (len(a.path) < 3 || a.path[1].Key == "")
	if own || first == "" || first == "kind" || first == "apiVersion" || a.path[len(a.path)-1].Key == "" ||
		slices.ContainsFunc(a.path, func(s edit.Step) bool { return s.Key == "" && s.By == "" }) {
		return nil, edit.At{}, false
	}
	return func(value string) *yaml.Node {
		node := a.scalar(value)
		for _, step := range slices.Backward(a.path) {
			if step.Key != "" {
				node = mapping(step.Key, node)
				continue
			}
			node.Content = append(mapping(step.By, str(step.Value)).Content, node.Content...)
			node = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
		}
		meta := mapping("name", str(o.Name))
		if o.Namespace != "" {
			meta.Content = append(meta.Content, str("namespace"), str(o.Namespace))
		}
		root := mapping("apiVersion", str(version))
		root.Content = append(root.Content, str("kind"), str(o.Kind), str("metadata"), meta)
		if first == "metadata" {
			meta.Content = append(meta.Content, node.Content[1].Content...)
		} else {
			root.Content = append(root.Content, node.Content...)
		}
		return root
	}, edit.At{Selector: o, Path: a.path}, true
}

// newJSONPatch sets one field by its place. It first tests that the elements of lists are still those that are meant, so
// that it fails where another order would make it hit another one.
func newJSONPatch(a ask) (text func(value string) *yaml.Node, in edit.At, ok bool) {
	var ops []*yaml.Node
	pointer, doc, there := "", a.doc, 0
	for i, step := range a.path {
		next, found := a.path[i : i+1].Get(doc)
		if !found {
			break
		}
		token := step.Key
		if list, isList := doc.([]any); isList {
			n := slices.IndexFunc(list, func(item any) bool { v, ok := edit.Path{step}.Get([]any{item}); return ok && step.By != "" && v != nil })
			if step.By == "" {
				n = step.Index
			}
			token = strconv.Itoa(n)
			if step.By != "" {
				ops = append(ops, operation("test", pointer+"/"+token+"/"+escape(step.By), str(step.Value)))
			}
		}
		pointer += "/" + escape(token)
		doc, there = next, i+1
	}
	rest := a.path[there:]
	if there == 0 || slices.ContainsFunc(rest, func(s edit.Step) bool { return s.Key == "" }) {
		return nil, edit.At{}, false
	}
	verb, inside := "replace", edit.Path{at(len(ops)), key("value")}
	if len(rest) > 0 {
		verb, pointer = "add", pointer+"/"+escape(rest[0].Key)
		inside = append(inside, rest[1:]...)
	}
	return func(value string) *yaml.Node {
		node := a.scalar(value)
		for i := len(rest) - 1; i > 0; i-- {
			node = mapping(rest[i].Key, node)
		}
		return &yaml.Node{Kind: yaml.SequenceNode, Content: append(slices.Clone(ops), operation(verb, pointer, node))}
	}, edit.At{Path: inside}, true
}

// escape writes a token of a JSON pointer.
func escape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}

func operation(verb, pointer string, value *yaml.Node) *yaml.Node {
	op := mapping("op", str(verb))
	op.Content = append(op.Content, str("path"), str(pointer), str("value"), value)
	return op
}

// target is what a patch is for, in flow style.
func target(o edit.Selector) string {
	t := mapping("kind", str(o.Kind))
	t.Style = yaml.FlowStyle
	t.Content = append(t.Content, str("name"), str(strings.ReplaceAll(o.Name, ".", `\.`)))
	if o.Group != "" {
		t.Content = append([]*yaml.Node{str("group"), str(o.Group)}, t.Content...)
	}
	if o.Namespace != "" {
		t.Content = append(t.Content, str("namespace"), str(o.Namespace))
	}
	edit.Quote(t)
	b, err := yaml.Marshal(t)
	if err != nil {
		return "" // strings always encode
	}
	return strings.TrimSpace(string(b))
}

// scalar is the value as a patch has it: a number or a boolean where the field was one.
func (a ask) scalar(value string) *yaml.Node {
	n := str(value)
	if a.plain && (isNumber(value) || value == "true" || value == "false") {
		n.Tag = ""
	}
	return n
}

func str(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func mapping(k string, v *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{str(k), v}}
}
