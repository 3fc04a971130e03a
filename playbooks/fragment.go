package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patch is a strategic merge patch, without what says which object it is for: that is the incident's.
func (d *decoder) patch(n *yaml.Node, p *Playbook) string {
	if n.Kind != yaml.MappingNode || n.Anchor != "" || len(n.Content) == 0 {
		d.fail(n, "patch must be a mapping with something in it, without anchors or aliases")
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		d.theirs(k, k.Value)
		for j := 0; k.Value == "metadata" && v.Kind == yaml.MappingNode && j < len(v.Content); j += 2 {
			d.theirs(v.Content[j], k.Value, v.Content[j].Value)
		}
	}
	return d.fragment(n, p, "patch")
}

// theirs refuses a change of what an object is, and of what only the server writes.
func (d *decoder) theirs(n *yaml.Node, field ...string) {
	if slices.Contains([]string{"apiVersion", "kind", "status"}, field[0]) ||
		len(field) > 1 && field[0] == "metadata" && slices.Contains([]string{"name", "namespace"}, field[1]) {
		d.fail(n, "%s is not for a playbook to change", clip(strings.Join(field, ".")))
	}
}

func (d *decoder) json6902(n *yaml.Node, p *Playbook) string {
	faults := len(d.errs)
	d.list(n, "json6902", func(n *yaml.Node) {
		var op string
		d.mapping(n, "an operation",
			key{name: "op", read: oneOf(d, "op", &op, "add", "replace", "remove", "test")},
			key{name: "path", read: d.pointer},
			key{name: "value", optional: true, read: func(n *yaml.Node) { d.fragment(n, p, "value") }},
		)
		if op != "" && has(n, "value") == (op == "remove") {
			d.fail(n, "add, replace and test need a value, remove has none")
		}
	})
	if len(d.errs) > faults {
		return ""
	}
	return d.fragment(n, p, "json6902")
}

var jsonPointer = regexp.MustCompile(`^(/([^~/\x00-\x1f]|~[01])+)+$`)

func (d *decoder) pointer(n *yaml.Node) {
	s, ok := d.scalar(n, "path")
	if !ok {
		return
	}
	if !jsonPointer.MatchString(s) || placeholder.MatchString(s) {
		d.fail(n, "path is %q: write a JSON pointer without placeholders, such as /spec/paused", clip(s))
		return
	}
	field := strings.Split(strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(s, "/")), "/")
	if field[0] == "metadata" && len(field) == 1 {
		d.fail(n, "metadata is not for a playbook to change as a whole")
	}
	d.theirs(n, field...)
}

const maxFragment = 2000 // values

// fragment is YAML for a manifest, as text: what is in it is plain values only, and a placeholder is a whole one.
func (d *decoder) fragment(n *yaml.Node, p *Playbook, where string) string {
	faults, left := len(d.errs), maxFragment
	d.values(n, p, where, &left)
	if len(d.errs) > faults {
		return ""
	}
	text, err := yaml.Marshal(bare(n))
	if err != nil {
		d.fail(n, "%s: %v", where, err)
	}
	return string(text)
}

func (d *decoder) values(n *yaml.Node, p *Playbook, where string, left *int) {
	if *left--; *left < 0 {
		if *left == -1 {
			d.fail(n, "%s has more than %d values", where, maxFragment)
		}
		return
	}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		d.fail(n, "%s must be plain values, without anchors, aliases, tags or merge keys", where)
	case n.Kind == yaml.ScalarNode && len(n.Value) > maxText:
		d.fail(n, "a value of %s is longer than %d bytes", where, maxText)
	case n.Kind == yaml.ScalarNode && (strings.Contains(n.Value, "${") || strings.Contains(n.Value, "{{")):
		d.fail(n, "%q in %s would be read as a template's variable", clip(n.Value), where)
	case n.Kind == yaml.ScalarNode:
		for _, name := range placeholder.FindAllString(n.Value, -1) {
			if known[name] && n.Value != name {
				d.fail(n, "%s stands for a whole value in %s, not for a part of one", name, where)
			} else if known[name] {
				p.uses[name] = true
			}
		}
	}
	seen := map[string]bool{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if c.Kind != yaml.ScalarNode || c.Value == "" || seen[c.Value] || known[c.Value] {
				d.fail(c, "a key of %s must be a text that is there once", where)
				continue
			}
			seen[c.Value] = true
		}
		d.values(c, p, where, left)
	}
}

// bare is n without comments.
func bare(n *yaml.Node) *yaml.Node {
	out := *n
	out.HeadComment, out.LineComment, out.FootComment, out.Content = "", "", "", nil
	for _, c := range n.Content {
		out.Content = append(out.Content, bare(c))
	}
	return &out
}

// fill puts the values in the places of the placeholders of a fragment: as texts, whatever they look like.
func fill(fragment string, values map[string]string) (string, error) {
	if fragment == "" {
		return "", nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(fragment), &doc); err != nil {
		return "", fmt.Errorf("read it again: %w", err)
	}
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && known[n.Value] {
			n.Value, n.Tag, n.Style = values[n.Value], "!!str", yaml.DoubleQuotedStyle
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&doc)
	text, err := yaml.Marshal(&doc)
	return string(text), err
}
