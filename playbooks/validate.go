package playbooks

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// longestApproval bounds the history of a remediation that waits: evidence may reach it every minute, and each revision waits anew.
const longestApproval = 4 * time.Hour

func (d *decoder) approval(n *yaml.Node, p *Playbook) {
	d.mapping(n, "approval",
		key{name: "people", read: func(n *yaml.Node) {
			s, ok := d.scalar(n, "approval.people")
			if !ok {
				return
			}
			v, err := strconv.Atoi(s)
			if err != nil || v < 1 || v > 10 {
				d.fail(n, "approval.people is %q: it must be a number from 1 to 10", clip(s))
				return
			}
			p.People = v
		}},
		key{name: "within", read: func(n *yaml.Node) {
			d.duration("approval.within", &p.Within)(n)
			if p.Within > longestApproval {
				d.fail(n, "approval.within is %q: it must be at most %s", clip(n.Value), longestApproval)
			}
		}},
	)
}

func has(n *yaml.Node, name string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// fieldPath is dotted keys, each with selectors: [name=value], an index, or ['a.quoted/key']. A placeholder stands for
// a selector's whole value. What it means in a file is for the editor of the file to say.
var fieldPath = regexp.MustCompile(`^[A-Za-z0-9_-]+` + selector + `*(\.[A-Za-z0-9_-]+` + selector + `*)*$`)

const selector = `(\[[0-9]{1,6}\]|\['[^'$\x00-\x1f]+'\]|\[[A-Za-z0-9_-]+=(\$[a-z]+|[^\]$'"\x00-\x20]+)\])`

func (d *decoder) field(n *yaml.Node, p *Playbook, e *Edit) {
	s, ok := d.scalar(n, "field")
	if !ok {
		return
	}
	if !fieldPath.MatchString(s) {
		d.fail(n, "field is %q: write it as spec.a.list[name=value].b, with ['a.b/c'] for a key with dots and [0] for an index", clip(s))
		return
	}
	for _, name := range placeholder.FindAllString(s, -1) {
		if !known[name] {
			d.fail(n, "field has the placeholder %s: there are %s", name, placeholders)
			return
		}
		p.uses[name] = true
	}
	if slices.ContainsFunc(p.Edits, func(other Edit) bool { return other.Field == s }) {
		d.fail(n, "field %s is edited twice", clip(s))
	}
	e.Field = s
}

func (d *decoder) set(n *yaml.Node, where string) *string {
	s, ok := d.scalar(n, where)
	switch {
	case !ok:
		return nil
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.fail(n, "%s must be one line", where)
		return nil
	}
	for _, name := range placeholder.FindAllString(s, -1) {
		if known[name] {
			d.fail(n, "%s is taken as it stands: the placeholder %s would not be filled in", where, name)
			return nil
		}
	}
	return &s
}

// quantity leaves exponents out: nobody writes them, and huge ones are slow to compare.
var quantity = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,9})?(n|u|m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$`)

func (d *decoder) scale(n *yaml.Node, where string) *Scale {
	var s Scale
	var low, high resource.Quantity
	d.mapping(n, where,
		key{name: "by", read: func(n *yaml.Node) {
			text, ok := d.scalar(n, where+".by")
			if !ok {
				return
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(v) || v <= 0 || v > 1000 || v == 1 {
				d.fail(n, "%s.by is %q: it must be a factor above 0, at most 1000, and not 1", where, clip(text))
				return
			}
			s.By = v
		}},
		key{name: "min", read: d.quantity(where+".min", &s.Min, &low)},
		key{name: "max", read: d.quantity(where+".max", &s.Max, &high)},
	)
	if s.Min != "" && s.Max != "" && low.Cmp(high) > 0 {
		d.fail(n, "%s.min %s is above %s.max %s", where, s.Min, where, s.Max)
	}
	return &s
}

var (
	imageTag    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	imageDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func (d *decoder) image(n *yaml.Node) *Image {
	var i Image
	part := func(where, example string, into *string, want *regexp.Regexp) func(*yaml.Node) {
		return func(n *yaml.Node) {
			s, ok := d.scalar(n, where)
			if ok && !want.MatchString(s) {
				d.fail(n, "%s is %q: write one such as %s", where, clip(s), example)
				return
			}
			*into = s
		}
	}
	d.mapping(n, "image",
		key{name: "tag", optional: true, read: part("image.tag", "1.4.2", &i.Tag, imageTag)},
		key{name: "digest", optional: true, read: part("image.digest", "sha256: and 64 hex digits", &i.Digest, imageDigest)},
	)
	if n.Kind == yaml.MappingNode && !has(n, "tag") && !has(n, "digest") {
		d.fail(n, "image needs a tag, a digest or both")
	}
	return &i
}

func (d *decoder) quantity(where string, into *string, parsed *resource.Quantity) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, where)
		if !ok {
			return
		}
		q, err := resource.ParseQuantity(s)
		if err != nil || !quantity.MatchString(s) {
			d.fail(n, "%s is %q: write a quantity such as 512Mi, 250m or 3", where, clip(s))
			return
		}
		*into, *parsed = s, q
	}
}

func (d *decoder) verify(n *yaml.Node, p *Playbook) {
	var list *yaml.Node // read last: For is held against the window, whatever the order in the file
	d.mapping(n, "verify",
		key{name: "window", read: d.duration("verify.window", &p.Window)},
		key{name: "checks", read: func(n *yaml.Node) { list = n }},
	)
	if list != nil {
		d.list(list, "verify.checks", func(n *yaml.Node) { d.check(n, p) })
	}
}

var must = regexp.MustCompile(`^(==|!=|<=|>=|<|>) *-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)

func (d *decoder) check(n *yaml.Node, p *Playbook) {
	var c Check
	d.mapping(n, "a check",
		key{name: "name", read: func(n *yaml.Node) {
			d.text("the name of a check", &c.Name)(n)
			if slices.ContainsFunc(p.Checks, func(other Check) bool { return other.Name == c.Name }) {
				d.fail(n, "two checks are named %q", clip(c.Name))
			}
		}},
		key{name: "query", read: func(n *yaml.Node) {
			d.text("query", &c.Query)(n)
			if c.Query == "" {
				return
			}
			parts, err := scanQuery(c.Query)
			if err != nil {
				d.fail(n, "query: %v", err)
			}
			for _, part := range parts {
				if part.placeholder != "" {
					p.uses[part.placeholder] = true
				}
			}
		}},
		key{name: "must", read: func(n *yaml.Node) {
			s, ok := d.scalar(n, "must")
			if ok && !must.MatchString(s) {
				d.fail(n, "must is %q: write a comparison and a number, such as == 0 or <= 0.3", clip(s))
				return
			}
			c.Must = s
		}},
		key{name: "for", read: func(n *yaml.Node) {
			d.duration("for", &c.For)(n)
			if p.Window > 0 && c.For > p.Window {
				d.fail(n, "for %s is longer than the window %s", c.For, p.Window)
			}
		}},
	)
	p.Checks = append(p.Checks, c)
}
