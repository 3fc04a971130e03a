package edit

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Scalar is one value anywhere in a YAML file: in an object or in any other document, in the YAML text that a block
// scalar holds, or the default of a variable, as in ${name:=default}.
type Scalar struct {
	Position
	Object   Selector // that it is in; zero where the document is no object
	Path     Path     // from the root of the object, or of the document; list elements by index
	Inner    Path     // within the YAML text that Path leads to; nil where the value is at Path itself
	Variable string   // whose default it is, or ""
	Empty    bool     // nothing, null or ""
	Text     bool     // a string, also where it looks like another type
	Refused  error    // why it cannot be changed, or nil

	node          *yaml.Node
	frame         *frame
	before, after string // the rest of the node's value, around a variable's default
	nth           int    // of those of its address: documents that are no objects have no names
}

// frame is one YAML text: a file, or the content of a block scalar of the frame above.
type frame struct {
	file   string
	src    []byte
	docs   []*yaml.Node
	up     *frame
	block  *yaml.Node // the scalar of up that holds src
	lines  []int      // where the lines of src start in up.src
	object Selector
	path   Path // of block
}

const maxNested = 3 // of YAML in YAML

// Scalars lists the values of a file in its order. Values that anchors or aliases share are listed as refused.
func Scalars(file string, src []byte) ([]Scalar, error) {
	docs, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	all, before := scalarsOf(&frame{file: file, src: src, docs: docs}, 0), map[string]int{}
	for i := range all {
		all[i].nth = before[all[i].address()]
		before[all[i].address()]++
	}
	return all, nil
}

// address is where it is, in the object or document that it is in.
func (s Scalar) address() string {
	return fmt.Sprintf("%+v %s|%s|%s", s.Object, s.Path, s.Inner, s.Variable)
}

func scalarsOf(f *frame, depth int) []Scalar {
	w := &scalarWalk{frame: f, starts: lineStarts(f.src), depth: depth}
	roots := map[*yaml.Node]Selector{}
	for _, o := range objects(f.docs) {
		roots[o.node] = o.Selector
	}
	w.roots = roots
	for _, doc := range f.docs {
		if len(doc.Content) == 1 {
			w.walk(doc.Content[0], f.object, nil, nil)
		}
	}
	return w.out
}

type scalarWalk struct {
	frame  *frame
	starts []int
	depth  int
	roots  map[*yaml.Node]Selector
	out    []Scalar
}

func (w *scalarWalk) walk(n *yaml.Node, object Selector, p Path, refused error) {
	if sel, ok := w.roots[n]; ok && w.frame.up == nil {
		object, p = sel, nil
	}
	if why := shared(n); why != "" && refused == nil {
		refused = refuse(w.frame.file, n, why)
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Tag != "!!merge" {
				w.walk(n.Content[i+1], object, child(p, Step{Key: k.Value}), refused)
			}
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			w.walk(c, object, child(p, Step{Index: i}), refused)
		}
	case yaml.AliasNode:
		if n.Alias != nil && n.Alias.Kind == yaml.ScalarNode {
			s := w.scalar(n, object, p, refused)
			s.Value = n.Alias.Value
			w.out = append(w.out, s)
		}
	case yaml.ScalarNode:
		w.leaf(n, object, p, refused)
	}
}

func (w *scalarWalk) scalar(n *yaml.Node, object Selector, p Path, refused error) Scalar {
	s := Scalar{Position: Position{File: w.frame.file, Line: n.Line, Column: n.Column, Value: n.Value}, Object: object, Path: p,
		Text: n.Tag == "!!str", Refused: refused, node: n, frame: w.frame}
	if w.frame.up != nil {
		s.Path, s.Inner = w.frame.path, p
	}
	return s
}

func (w *scalarWalk) leaf(n *yaml.Node, object Selector, p Path, refused error) {
	if n.Style&yaml.LiteralStyle != 0 && refused == nil && w.depth < maxNested {
		if in := w.nested(n, object, p); in != nil {
			w.out = append(w.out, scalarsOf(in, w.depth+1)...)
			return
		}
	}
	s := w.scalar(n, object, p, refused)
	s.Empty = n.Tag == "!!null" || n.Value == ""
	s.Start = offset(w.frame.src, w.starts, n.Line, n.Column)
	s.End = scalarEnd(w.frame.src, s.Start, n)
	if s.Empty && n.Style == 0 && n.Value == "" && s.Start >= 0 {
		s.End = s.Start // nothing stands there: right after the colon
	}
	if s.Refused == nil && s.End < 0 {
		s.Refused = refuse(w.frame.file, n, "the value runs over several lines")
	}
	if why := uneditable(n); why != "" && s.Refused == nil && !s.Empty && !variable(n.Value) {
		s.Refused = refuse(w.frame.file, n, why)
	}
	if strings.Contains(n.Value, "${") {
		w.out = append(w.out, w.defaults(s)...)
	}
	if variable(n.Value) && s.Refused == nil {
		s.Refused = refuse(w.frame.file, n, "the value comes from a template variable")
	}
	w.out = append(w.out, w.outermost(s))
}

// withDefault is a variable that says what it is where nobody sets it.
var withDefault = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*):?[=-]([^{}$]*)\}`)

// defaults lists the defaults of the variables in a scalar.
func (w *scalarWalk) defaults(s Scalar) []Scalar {
	var out []Scalar
	raw := ""
	if s.End > s.Start {
		raw = string(w.frame.src[s.Start:s.End])
	}
	for _, m := range withDefault.FindAllStringSubmatchIndex(s.node.Value, -1) {
		d := s
		d.Variable, d.Value, d.Text = s.node.Value[m[2]:m[3]], s.node.Value[m[4]:m[5]], false
		d.before, d.after = s.node.Value[:m[4]], s.node.Value[m[5]:]
		d.Empty = d.Value == ""
		if i := strings.Index(raw, d.before+d.Value); i >= 0 {
			d.Column += utf8.RuneCountInString(raw[:i]) + utf8.RuneCountInString(d.before)
		}
		out = append(out, w.outermost(d))
	}
	return out
}

// outermost gives s the line and column that it has in the file.
func (w *scalarWalk) outermost(s Scalar) Scalar {
	for f := w.frame; f.up != nil; f = f.up {
		at := f.lines[s.Line-1]
		s.Line += f.block.Line
		s.Column += utf8.RuneCount(f.up.src[lineStarts(f.up.src)[s.Line-1]:at])
	}
	return s
}

// nested is the YAML that the literal block n holds, or nil where it holds something else.
func (w *scalarWalk) nested(n *yaml.Node, object Selector, p Path) *frame {
	src := []byte(n.Value)
	docs, err := parse(w.frame.file, src)
	if err != nil || len(docs) == 0 {
		return nil
	}
	if !slices.ContainsFunc(docs, func(d *yaml.Node) bool {
		return len(d.Content) == 1 && d.Content[0].Kind != yaml.ScalarNode
	}) {
		return nil
	}
	in := &frame{file: w.frame.file, src: src, docs: docs, up: w.frame, block: n, object: object, path: p}
	if w.frame.up != nil {
		in.path = slices.Concat(w.frame.path, p)
	}
	indent := -1
	for i, at := range lineStarts(src) {
		if at == len(src) {
			in.lines = append(in.lines, at)
			break
		}
		if n.Line+i >= len(w.starts) {
			return nil
		}
		start := w.starts[n.Line+i]
		line := src[at:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		if indent < 0 && len(bytes.TrimSpace(line)) > 0 {
			indent = bytes.Index(w.frame.src[start:], line)
		}
		from := start + max(indent, 0)
		if len(line) > 0 && (from > len(w.frame.src) || !bytes.HasPrefix(w.frame.src[from:], line)) {
			return nil
		}
		in.lines = append(in.lines, from)
	}
	return in
}

// Set gives the scalar another value, in the file that it was listed from. Only its bytes change.
func (s Scalar) Set(value string) ([]byte, error) {
	if s.Refused != nil {
		return nil, s.Refused
	}
	if !utf8.ValidString(value) || value == "" || variable(value) || s.Variable != "" && strings.ContainsAny(value, "{}$") {
		return nil, refuse(s.File, s.node, fmt.Sprintf("%q cannot be written there", value))
	}
	whole := s.before + value + s.after
	for _, sameType := range []bool{true, false} {
		for _, w := range writings(s.node, whole, sameType) {
			if s.Start == s.End {
				w = " " + w
			}
			out := slices.Concat(s.frame.src[:s.Start], []byte(w), s.frame.src[s.End:])
			tag, ok := proven(s.File, out, s.frame.docs, s.node, whole)
			if !ok || sameType && !sameClass(s.node.Tag, tag) || !staysJSON(s.File, s.frame.src, out) {
				continue
			}
			return s.embed(w, out)
		}
	}
	return nil, refuse(s.File, s.node, fmt.Sprintf("%q cannot be written there without changing something else", value))
}

// In is the same scalar in another version of its file.
func (s Scalar) In(src []byte) (Scalar, error) {
	all, err := Scalars(s.File, src)
	if err != nil {
		return Scalar{}, err
	}
	for _, c := range all {
		if c.nth == s.nth && c.address() == s.address() {
			return c, nil
		}
	}
	return Scalar{}, fmt.Errorf("%s no longer has %s of %s: %w", s.File, s.Path, s.Object, ErrNotFound)
}

// embed makes the same change in the texts around the scalar's own.
func (s Scalar) embed(w string, out []byte) ([]byte, error) {
	start, end := s.Start, s.End
	for f := s.frame; f.up != nil; f = f.up {
		start, end = f.outside(start), f.outside(end)
		whole := slices.Concat(f.up.src[:start], []byte(w), f.up.src[end:])
		if _, ok := proven(s.File, whole, f.up.docs, f.block, string(out)); !ok {
			return nil, refuse(s.File, f.block, "the block cannot be changed there without changing something else")
		}
		out = whole
	}
	return out, nil
}

// outside is an offset of src as an offset of up.src.
func (f *frame) outside(at int) int {
	starts := lineStarts(f.src)
	i, found := slices.BinarySearch(starts, at)
	if !found {
		i--
	}
	return f.lines[i] + at - starts[i]
}

// ErrEncrypted reports whether err says that a file is encrypted with SOPS.
func ErrEncrypted(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Encrypted
}
