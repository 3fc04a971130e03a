package edit

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// splice puts text in the place of src[from:to].
type splice struct {
	from, to int
	text     string
}

// spliced makes the changes, which must not overlap.
func spliced(src []byte, changes []splice) []byte {
	slices.SortStableFunc(changes, func(a, b splice) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, s := range changes {
		if s.from < at || s.to < s.from || s.to > len(src) {
			return nil
		}
		out = append(append(out, src[at:s.from]...), s.text...)
		at = s.to
	}
	return append(out, src[at:]...)
}

// plan is a change of a file in two forms: of its bytes, and of its tree. They are held against each other, so that
// neither has to be trusted.
type plan struct {
	changes []splice
	tree    map[*yaml.Node]*yaml.Node // what becomes of the nodes that change
	fresh   map[*yaml.Node]bool       // nodes of the new tree whose style is ours to choose
}

// become is n as the plan wants it.
func (p plan) become(n *yaml.Node) *yaml.Node {
	if other, ok := p.tree[n]; ok {
		return other
	}
	return n
}

// made applies the plan, and proves that the bytes then read as the tree does: every other value, tag, anchor and style
// is what it was, and no object has got another name. Comments are bytes that no splice touches, and no value. nil: it
// cannot be proven.
func (c *content) made(p plan) []byte {
	out := spliced(c.src, p.changes)
	if out == nil || !staysJSON(c.file, c.src, out) {
		return nil
	}
	after, err := parse(c.file, out)
	if err != nil || !slices.EqualFunc(c.docs, after, p.same) || !slices.EqualFunc(objects(c.docs), objects(after), sameName) {
		return nil
	}
	return out
}

// same compares a node of the old tree, as the plan wants it, with one of what the bytes read as now.
func (p plan) same(a, b *yaml.Node) bool {
	a = p.become(a)
	if a.Kind != b.Kind || a.Anchor != b.Anchor || a.Tag != b.Tag || a.Value != b.Value || !p.fresh[a] && a.Style != b.Style {
		return false
	}
	return slices.EqualFunc(a.Content, b.Content, p.same)
}

func sameName(a, b object) bool { return a.Selector == b.Selector }

// fresh is the set of n and all that is in it.
func fresh(nodes ...*yaml.Node) map[*yaml.Node]bool {
	out := map[*yaml.Node]bool{}
	var add func(n *yaml.Node)
	add = func(n *yaml.Node) {
		out[n] = true
		for _, c := range n.Content {
			add(c)
		}
	}
	for _, n := range nodes {
		add(n)
	}
	return out
}

// holds is n with another content.
func holds(n *yaml.Node, content ...*yaml.Node) *yaml.Node {
	out := *n
	out.Content = content
	return &out
}

func scalarNode(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func mappingNode(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: content}
}

func sequenceNode(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: content}
}

// anchored finds an anchor within n: removing it may change what an alias elsewhere means.
func anchored(n *yaml.Node) *yaml.Node {
	if n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if at := anchored(c); at != nil {
			return at
		}
	}
	return nil
}
