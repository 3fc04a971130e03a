package playbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Error is one fault in one file, where it is.
type Error struct {
	File         string
	Line, Column int // from 1; 0 where the fault is the whole file's
	Message      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// decoder walks the nodes of one file by hand, since yaml's own decoding knows lines but not columns and stops
// short of duplicate keys in nodes. It goes on after a fault: an author wants to see all of them at once.
type decoder struct {
	file string
	errs []error
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)})
}

// key is one key that a mapping may have, and what reads its value.
type key struct {
	name     string
	optional bool
	read     func(*yaml.Node)
}

// mapping reads n as a mapping with these keys and no others.
func (d *decoder) mapping(n *yaml.Node, where string, keys ...key) {
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		d.fail(n, "%s must be a mapping, without anchors or aliases", where)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(keys, func(want key) bool { return k.Kind == yaml.ScalarNode && want.name == k.Value })
		switch {
		case at < 0:
			d.fail(k, "unknown key %q in %s: it knows %s", clip(k.Value), where, names(keys))
		case seen[k.Value]:
			d.fail(k, "key %q is there twice in %s", k.Value, where)
		default:
			seen[k.Value] = true
			keys[at].read(v)
		}
	}
	for _, want := range keys {
		if !seen[want.name] && !want.optional {
			d.fail(n, "%s needs the key %q", where, want.name)
		}
	}
}

// list reads n as a list of at least one element.
func (d *decoder) list(n *yaml.Node, where string, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode || n.Anchor != "" || len(n.Content) == 0 {
		d.fail(n, "%s must be a list of at least one element, without anchors or aliases", where)
		return
	}
	for _, e := range n.Content {
		read(e)
	}
}

// scalar reads n as text, whatever type YAML gives it; null is none.
func (d *decoder) scalar(n *yaml.Node, where string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Tag == "!!null" {
		d.fail(n, "%s must be a plain value, without anchors or aliases", where)
		return "", false
	}
	if len(n.Value) > maxText {
		d.fail(n, "%s is longer than %d bytes", where, maxText)
		return "", false
	}
	return n.Value, true
}

// text stores n, which must hold something.
func (d *decoder) text(where string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, where)
		if ok && strings.TrimSpace(s) == "" {
			d.fail(n, "%s is empty", where)
			return
		}
		*into = s
	}
}

// oneOf stores n, which must be one of the values.
func oneOf[T ~string](d *decoder, where string, into *T, values ...T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, where)
		if !ok {
			return
		}
		if !slices.Contains(values, T(s)) {
			d.fail(n, "%s is %q: it must be one of %q", where, clip(s), values)
			return
		}
		*into = T(s)
	}
}

// duration stores n, which must be longer than nothing.
func (d *decoder) duration(where string, into *time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, where)
		if !ok {
			return
		}
		v, err := time.ParseDuration(s)
		if err != nil || v <= 0 {
			d.fail(n, "%s is %q: write a duration such as 90s, 15m or 1h30m", where, clip(s))
			return
		}
		*into = v
	}
}

func names(keys []key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	return strings.Join(all, ", ")
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
