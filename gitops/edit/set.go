package edit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Set gives the field a new value. Only the scalar's bytes change, in the quotes that it had, unless the value would
// then read as another type; a field that has the value already is left as it is.
func Set(file string, src []byte, sel Selector, p Path, value string) ([]byte, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	pos, node, err := scalar(file, src, docs, sel, p)
	if err != nil {
		return nil, err
	}
	if node.Value == value {
		return src, nil
	}
	if !utf8.ValidString(value) || value == "" {
		return nil, refuse(file, node, "the new value is empty or not valid UTF-8")
	}
	if variable(value) {
		return nil, refuse(file, node, "the new value would be read as a template variable")
	}
	for _, sameType := range []bool{true, false} {
		for _, w := range writings(node, value, sameType) {
			out := slices.Concat(src[:pos.Start], []byte(w), src[pos.End:])
			if tag, ok := proven(file, out, docs, node, value); ok && (!sameType || sameClass(node.Tag, tag)) && staysJSON(file, src, out) {
				return out, nil
			}
		}
	}
	return nil, refuse(file, node, fmt.Sprintf("%q cannot be written there without changing something else", value))
}

// writings are the ways to write value in node's place, the best first. Where no writing keeps the type, only the plain
// one is left: a quantity that was a bare number may become 2Gi.
func writings(node *yaml.Node, value string, sameType bool) []string {
	var out []string
	if node.Style == 0 && (node.Tag != "!!str" || !yaml11Word(value)) {
		out = append(out, value)
	}
	if !sameType {
		if node.Tag == "!!str" || yaml11Word(value) {
			return nil
		}
		return out
	}
	if node.Style == yaml.SingleQuotedStyle && !strings.ContainsFunc(value, unicode.IsControl) {
		out = append(out, quote(value))
	}
	return append(out, doubleQuoted(value))
}

// doubleQuoted writes JSON, which YAML reads as it is.
func doubleQuoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "" // a string always encodes
	}
	// YAML breaks lines at NEL too, which JSON leaves alone.
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\u0085", `\u0085`)
}

var sexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)

// yaml11Word reports whether a plain s is a string to YAML 1.2, and something else to the readers of YAML 1.1 that
// Kubernetes tools use.
func yaml11Word(s string) bool {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF":
		return true
	}
	return sexagesimal.MatchString(s)
}

// staysJSON reports whether a file of JSON still is one: not all that reads it reads YAML.
func staysJSON(file string, src, out []byte) bool {
	return path.Ext(file) != ".json" || !json.Valid(src) || json.Valid(out)
}

// Quote puts the texts of n in quotes that those readers would take for something else: the encoder does not.
func Quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Style == 0 && yaml11Word(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		Quote(c)
	}
}

func sameClass(a, b string) bool {
	number := func(tag string) bool { return tag == "!!int" || tag == "!!float" }
	return a == b || number(a) && number(b)
}

// proven parses out and compares it with what was there: all is equal but target, which has the value. It returns the
// type that target has now.
func proven(file string, out []byte, before []*yaml.Node, target *yaml.Node, value string) (tag string, ok bool) {
	after, err := parse(file, out)
	if err != nil || len(after) != len(before) {
		return "", false
	}
	c := comparison{target: target, value: value}
	for i := range before {
		if !c.equal(before[i], after[i]) {
			return "", false
		}
	}
	return c.tag, c.tag != ""
}

type comparison struct {
	target *yaml.Node
	value  string
	tag    string
	moved  bool // nodes may stand in other lines than before
}

func (c *comparison) equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Line != b.Line && !c.moved || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		return false
	}
	if a == c.target {
		c.tag = b.Tag
		return b.Value == c.value
	}
	if a.Tag != b.Tag || a.Value != b.Value || a.Style != b.Style {
		return false
	}
	for i := range a.Content {
		if !c.equal(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
