package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Selector names an object within a file. An empty Namespace matches any, and an object without one matches any too,
// because overlays set it. The zero Selector is the one document of a file that holds no object, whatever it is.
type Selector struct{ Group, Kind, Namespace, Name string }

func (s Selector) String() string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	return s.Kind + " " + name
}

// Objects lists the objects of a file, in order, as the file names them. Lists (kind: List) are looked into.
func Objects(file string, src []byte) ([]Selector, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	var out []Selector
	for _, o := range objects(docs) {
		out = append(out, o.Selector)
	}
	return out, nil
}

type object struct {
	Selector
	node *yaml.Node
}

const encrypted = "it is encrypted with SOPS: any change breaks its MAC"

func refuse(file string, at *yaml.Node, why string) *Refusal {
	return &Refusal{File: file, Line: at.Line, Column: at.Column, Why: why}
}

var (
	// line is where the parser said that it stopped; its errors carry the position as text only.
	line = regexp.MustCompile(`line (\d+): ?`)
	// What the parser says, not the scanner, counts the lines from 0.
	grammar = regexp.MustCompile(`^line \d+: (did not find expected (key|node content|'-' indicator|',' or '[\]}]'|<document start>)|found undefined tag handle)$`)
)

// parse reads every document of src, and refuses what must not be edited as YAML at all.
func parse(file string, src []byte) ([]*yaml.Node, error) {
	switch {
	case bytes.HasPrefix(src, []byte("\xff\xfe")), bytes.HasPrefix(src, []byte("\xfe\xff")), bytes.IndexByte(src, 0) >= 0:
		return nil, &Refusal{File: file, Why: "it is in UTF-16, or no text: only UTF-8 is edited"}
	case !utf8.Valid(src):
		return nil, &Refusal{File: file, Why: "it is not valid UTF-8"}
	case bytes.Contains(src, []byte("ENC[AES256_GCM,")):
		return nil, &Refusal{File: file, Why: encrypted, Encrypted: true}
	}
	var docs []*yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if bytes.Contains(src, []byte("{{")) {
				return nil, &Refusal{File: file, Why: "it is a template, not YAML"}
			}
			return nil, syntaxError(file, src, err)
		}
		docs = append(docs, &n)
	}
	for _, doc := range docs {
		if at := templated(doc); at != nil {
			return nil, refuse(file, at, "it is a template, not YAML")
		}
		if len(doc.Content) == 0 {
			continue
		}
		if sops := value(doc.Content[0], "sops"); sops != nil && (value(sops, "mac") != nil || value(sops, "lastmodified") != nil) {
			return nil, &Refusal{file, sops.Line, sops.Column, encrypted, true}
		}
	}
	return docs, nil
}

func syntaxError(file string, src []byte, err error) error {
	out := &SyntaxError{File: file, Line: 1, Column: 1, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := line.FindStringSubmatchIndex(out.Msg); m != nil {
		out.Line, _ = strconv.Atoi(out.Msg[m[2]:m[3]])
		if grammar.MatchString(out.Msg) {
			out.Line = min(out.Line+1, 1+bytes.Count(bytes.TrimRight(src, "\r\n"), []byte("\n"))) // not after the end
		}
		out.Msg = out.Msg[:m[0]] + out.Msg[m[1]:]
	}
	return out
}

// templated finds what {{ .x }} parses as: a flow mapping that is the key of another.
func templated(n *yaml.Node) *yaml.Node {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.MappingNode && c.Style&yaml.FlowStyle != 0 {
			return c
		}
		if at := templated(c); at != nil {
			return at
		}
	}
	return nil
}

func objects(docs []*yaml.Node) []object {
	var out []object
	for _, doc := range docs {
		if len(doc.Content) == 1 {
			out = appendObjects(out, doc.Content[0])
		}
	}
	return out
}

func appendObjects(out []object, n *yaml.Node) []object {
	kind, items := text(value(n, "kind")), value(n, "items")
	if kind == "List" && items != nil && items.Kind == yaml.SequenceNode {
		for _, item := range items.Content {
			out = appendObjects(out, item)
		}
		return out
	}
	if kind == "" {
		return out
	}
	group, _, found := strings.Cut(text(value(n, "apiVersion")), "/")
	if !found {
		group = ""
	}
	meta := value(n, "metadata")
	return append(out, object{Selector{group, kind, text(value(meta, "namespace")), text(value(meta, "name"))}, n})
}

// find is the one object that sel names.
func find(file string, docs []*yaml.Node, sel Selector) (*yaml.Node, error) {
	var found *yaml.Node
	if sel == (Selector{}) {
		return only(file, docs)
	}
	for _, o := range objects(docs) {
		if o.Group != sel.Group || o.Kind != sel.Kind || o.Name != sel.Name ||
			sel.Namespace != "" && o.Namespace != "" && o.Namespace != sel.Namespace {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s has %s twice, at lines %d and %d: %w", file, sel, found.Line, o.node.Line, ErrAmbiguous)
		}
		found = o.node
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no %s: %w", file, sel, ErrNotFound)
	}
	return found, nil
}

// only is the root of the one document that is not empty.
func only(file string, docs []*yaml.Node) (*yaml.Node, error) {
	var found *yaml.Node
	for _, d := range docs {
		if len(d.Content) == 0 || d.Content[0].Tag == "!!null" {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s has several documents: %w", file, ErrAmbiguous)
		}
		found = d.Content[0]
	}
	if found == nil {
		return nil, fmt.Errorf("%s is empty: %w", file, ErrNotFound)
	}
	return found, nil
}

// value is m's first value of key, or nil.
func value(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Kind == yaml.ScalarNode && m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
