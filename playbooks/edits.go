package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The ways of an edit: those that change its field, and those that say themselves what they change.
var (
	fieldWays  = []string{"scale", "set", "image", "stamp", "remove", "rollBack"}
	objectWays = []string{"env", "annotation", "suspend", "autoscaler", "patch", "json6902", "revert"}
)

func (d *decoder) edits(n *yaml.Node, p *Playbook) {
	d.list(n, "edit", func(n *yaml.Node) {
		var e Edit
		var scope string
		d.mapping(n, "an edit",
			key{name: "field", optional: true, read: func(n *yaml.Node) { d.field(n, p, &e) }},
			key{name: "scale", optional: true, read: func(n *yaml.Node) { e.Scale = d.scale(n, "scale") }},
			key{name: "set", optional: true, read: func(n *yaml.Node) { e.Set = d.set(n, "set") }},
			key{name: "image", optional: true, read: func(n *yaml.Node) { e.Image = d.image(n) }},
			key{name: "stamp", optional: true, read: d.yes("stamp", &e.Stamp)},
			key{name: "remove", optional: true, read: d.yes("remove", &e.Remove)},
			key{name: "rollBack", optional: true, read: func(n *yaml.Node) { e.RollBack = d.rollBack(n) }},
			key{name: "env", optional: true, read: func(n *yaml.Node) { e.Env = d.env(n, p) }},
			key{name: "annotation", optional: true, read: func(n *yaml.Node) { e.Annotation = d.annotation(n) }},
			key{name: "suspend", optional: true, read: func(n *yaml.Node) { e.Suspend = d.suspend(n) }},
			key{name: "autoscaler", optional: true, read: func(n *yaml.Node) { e.Autoscaler = d.autoscaler(n) }},
			key{name: "patch", optional: true, read: func(n *yaml.Node) { e.Patch = d.patch(n, p) }},
			key{name: "json6902", optional: true, read: func(n *yaml.Node) { e.JSON6902 = d.json6902(n, p) }},
			key{name: "revert", optional: true, read: func(n *yaml.Node) { e.Revert = d.revert(n) }},
			key{name: "scope", optional: true, read: oneOf(d, "scope", &scope, "overlay", "base")},
		)
		e.Base = scope == "base"
		d.oneWay(n)
		p.Edits = append(p.Edits, e)
	})
	if len(p.Edits) > 1 && slices.ContainsFunc(p.Edits, func(e Edit) bool { return e.Revert != nil }) {
		d.fail(n, "revert stands alone: it changes whatever the commit did")
	}
}

// oneWay holds an edit to one way, and to a field where that is for one.
func (d *decoder) oneWay(n *yaml.Node) {
	var ways []string
	for _, way := range slices.Concat(fieldWays, objectWays) {
		if has(n, way) {
			ways = append(ways, way)
		}
	}
	switch {
	case n.Kind != yaml.MappingNode:
	case len(ways) != 1:
		d.fail(n, "an edit needs exactly one of %s and %s", strings.Join(fieldWays, ", "), strings.Join(objectWays, ", "))
	case slices.Contains(fieldWays, ways[0]) && !has(n, "field"):
		d.fail(n, "an edit by %s needs the key \"field\"", ways[0])
	case !slices.Contains(fieldWays, ways[0]) && has(n, "field"):
		d.fail(n, "%s says itself what it changes: take the key \"field\" away", ways[0])
	case ways[0] == "revert" && has(n, "scope"):
		d.fail(n, "revert has no scope: it changes whatever the commit did")
	}
}

// yes stores a word that can only be true.
func (d *decoder) yes(where string, into *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var said string
		oneOf(d, where, &said, "true")(n)
		*into = said != ""
	}
}

func (d *decoder) rollBack(n *yaml.Node) *RollBack {
	var r RollBack
	d.mapping(n, "rollBack",
		key{name: "healthyFor", read: d.duration("rollBack.healthyFor", &r.HealthyFor)},
		key{name: "changedWithin", read: d.duration("rollBack.changedWithin", &r.ChangedWithin)},
	)
	return &r
}

func (d *decoder) revert(n *yaml.Node) *Suspected {
	var r Suspected
	d.mapping(n, "revert", key{name: "suspect", read: func(n *yaml.Node) {
		d.mapping(n, "revert.suspect",
			key{name: "within", read: d.duration("revert.suspect.within", &r.Within)},
			key{name: "distance", optional: true, read: func(n *yaml.Node) {
				s, ok := d.scalar(n, "revert.suspect.distance")
				if !ok {
					return
				}
				v, err := strconv.Atoi(s)
				if err != nil || v < 0 || v > 9 {
					d.fail(n, "revert.suspect.distance is %q: it must be a number from 0 to 9", clip(s))
					return
				}
				r.Distance = v
			}},
		)
	}})
	return &r
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,252}$`)

func (d *decoder) env(n *yaml.Node, p *Playbook) *Env {
	var e Env
	d.mapping(n, "env",
		key{name: "container", read: func(n *yaml.Node) {
			s, ok := d.scalar(n, "env.container")
			if !ok {
				return
			}
			if s != "$container" && !dnsLabel.MatchString(s) {
				d.fail(n, "env.container is %q: write the name of a container, or $container", clip(s))
				return
			}
			if s == "$container" {
				p.uses[s] = true
			}
			e.Container = s
		}},
		key{name: "name", read: func(n *yaml.Node) {
			s, ok := d.scalar(n, "env.name")
			if ok && !variableName.MatchString(s) {
				d.fail(n, "env.name is %q: write one such as LOG_LEVEL", clip(s))
				return
			}
			e.Name = s
		}},
		key{name: "value", read: func(n *yaml.Node) {
			if s := d.set(n, "env.value"); s != nil {
				e.Value = *s
			}
		}},
	)
	return &e
}

// annotationName is a name, below a domain where there is a slash.
var annotationName = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

func (d *decoder) annotation(n *yaml.Node) *Annotation {
	var a Annotation
	var on string
	d.mapping(n, "annotation",
		key{name: "name", read: func(n *yaml.Node) {
			s, ok := d.scalar(n, "annotation.name")
			if ok && !annotationName.MatchString(s) {
				d.fail(n, "annotation.name is %q: write one such as example.com/owner", clip(s))
				return
			}
			a.Name = s
		}},
		key{name: "value", read: func(n *yaml.Node) {
			if s := d.set(n, "annotation.value"); s != nil {
				a.Value = *s
			}
		}},
		key{name: "on", optional: true, read: oneOf(d, "annotation.on", &on, "object", "pods")},
	)
	a.Pods = on == "pods"
	return &a
}

func (d *decoder) suspend(n *yaml.Node) *bool {
	var said string
	oneOf(d, "suspend", &said, "true", "false")(n)
	on := said == "true"
	return &on
}

func (d *decoder) autoscaler(n *yaml.Node) *Autoscaler {
	var a Autoscaler
	d.mapping(n, "autoscaler",
		key{name: "minReplicas", optional: true, read: func(n *yaml.Node) { a.MinReplicas = d.count(n, "autoscaler.minReplicas") }},
		key{name: "maxReplicas", optional: true, read: func(n *yaml.Node) { a.MaxReplicas = d.count(n, "autoscaler.maxReplicas") }},
	)
	if n.Kind == yaml.MappingNode && !has(n, "minReplicas") && !has(n, "maxReplicas") {
		d.fail(n, "autoscaler needs minReplicas, maxReplicas or both")
	}
	return &a
}

var positive = regexp.MustCompile(`^[1-9][0-9]{0,5}$`)

// count is a scale of a number of pods.
func (d *decoder) count(n *yaml.Node, where string) *Scale {
	s := d.scale(n, where)
	for _, bound := range []string{s.Min, s.Max} {
		if bound != "" && !positive.MatchString(bound) {
			d.fail(n, "%s has the bound %s: write a number of pods, from 1", where, clip(bound))
		}
	}
	return s
}

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
