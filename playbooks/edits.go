package playbooks

import (
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
