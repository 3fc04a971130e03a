package edit

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzEdits makes random edits of what the messy manifests have: a key or an element is removed, replaced or added. The
// file must then mean what it meant, but for that, as plain maps and lists tell it; and every line that is not of the
// edited node, the comments among them, must still be there.
func FuzzEdits(f *testing.F) {
	files, err := filepath.Glob("testdata/messy/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range 20 {
			f.Add(src, uint16(i*11), uint8(i), "x: y #1")
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, pick uint16, op uint8, text string) {
		e, err := newEditor("f", src, Selector{})
		if err != nil {
			return
		}
		all := objects(e.docs)
		if len(all) == 0 || len(src) > 16<<10 {
			return
		}
		target := all[int(pick)%len(all)]
		e.sel = target.Selector
		if n, err := e.object(); err != nil || n != target.node {
			return
		}
		paths := every(nil, target.node)
		if len(paths) == 0 {
			return
		}
		before, ok := meaning(e.docs)
		if !ok {
			return
		}
		p := paths[int(pick/7)%len(paths)]
		v, plainValue := random(op>>2, text)
		kind, p, err := e.do(op&3, p, v)
		if err != nil {
			refusedOrNotFound(t, err)
			return
		}
		after, ok := meaning(e.docs)
		if !ok {
			t.Fatalf("it means nothing any more:\n%s", e.src)
		}
		i := slices.IndexFunc(all, func(o object) bool { return o.node == target.node })
		if before[i] = apply(before[i], p, kind, plainValue); !reflect.DeepEqual(before, after) {
			t.Fatalf("%d at %s of %v with %#v means\n%#v\nwant\n%#v\n%s\n---\n%s", kind, p, target.Selector, plainValue, after, before, src, e.src)
		}
		keptLines(t, target.node, p, src, e.src)
	})
}

const (
	removes = iota
	replaces
	adds
)

// do makes one random edit, and returns which and where.
func (e *editor) do(op uint8, p Path, v *yaml.Node) (int, Path, error) {
	if op == 0 {
		return removes, p, e.take(p)
	}
	s, err := e.seek(e.sel, p)
	if err != nil {
		return 0, p, err
	}
	n := s.node()
	if op == 1 || n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode {
		return replaces, p, e.become(p, v)
	}
	last := Step{Key: "fuzzed-key"}
	if n.Kind == yaml.SequenceNode {
		last = Step{Index: int(op-2) * len(n.Content)} // the first, or the last
	} else if value(n, last.Key) != nil {
		return 0, p, ErrNotFound
	}
	return adds, child(p, last), e.put(n, last, v)
}

func refusedOrNotFound(t *testing.T, err error) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrAmbiguous) {
		t.Fatalf("an error of no type: %v", err)
	}
}

// every lists the paths of all that is in n.
func every(at Path, n *yaml.Node) (out []Path) {
	for i, c := range n.Content {
		var p Path
		switch {
		case n.Kind == yaml.SequenceNode:
			p = child(at, Step{Index: i})
		case i%2 == 1 && n.Content[i-1].Value != "" && n.Content[i-1].ShortTag() == "!!str":
			p = child(at, Step{Key: n.Content[i-1].Value})
		default:
			continue
		}
		out = append(append(out, p), every(p, c)...)
	}
	return out
}

// meaning is every object as maps and lists.
func meaning(docs []*yaml.Node) (out []any, ok bool) {
	for _, o := range objects(docs) {
		var v any
		if err := o.node.Decode(&v); err != nil {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

func random(kind uint8, text string) (*yaml.Node, any) {
	s := scalarNode("!!str", strings.ToValidUTF8(text, ""))
	switch kind % 5 {
	case 1:
		return scalarNode("!!int", "7"), 7
	case 2:
		return scalarNode("!!bool", "true"), true
	case 3:
		return mappingNode(scalarNode("!!str", "a"), s, scalarNode("!!str", "yes"), sequenceNode(scalarNode("!!null", "null"))), map[string]any{"a": s.Value, "yes": []any{nil}}
	case 4:
		return sequenceNode(s, mappingNode(scalarNode("!!str", "b"), mappingNode())), []any{s.Value, map[string]any{"b": map[string]any{}}}
	}
	return s, s.Value
}

// apply does to plain values what the edit does.
func apply(doc any, p Path, op int, v any) any {
	if len(p) == 0 {
		return v
	}
	switch doc := doc.(type) {
	case map[string]any:
		doc = maps.Clone(doc)
		if len(p) == 1 && op == removes {
			delete(doc, p[0].Key)
		} else {
			doc[p[0].Key] = apply(doc[p[0].Key], p[1:], op, v)
		}
		return doc
	case map[any]any: // of which a key is no text
		doc = maps.Clone(doc)
		if len(p) == 1 && op == removes {
			delete(doc, p[0].Key)
		} else {
			doc[p[0].Key] = apply(doc[p[0].Key], p[1:], op, v)
		}
		return doc
	case []any:
		i := p[0].Index
		switch {
		case len(p) == 1 && op == removes:
			return slices.Delete(slices.Clone(doc), i, i+1)
		case len(p) == 1 && op == adds:
			return slices.Insert(slices.Clone(doc), i, v)
		}
		doc = slices.Clone(doc)
		doc[i] = apply(doc[i], p[1:], op, v)
		return doc
	}
	return v
}

// keptLines finds the lines of src that are none of the node's, nor of the keys above it, in out and in their order.
func keptLines(t *testing.T, root *yaml.Node, p Path, src, out []byte) {
	t.Helper()
	above := map[int]bool{}
	n, from := root, root.Line
	for _, s := range p {
		i := member(n, s)
		above[n.Line], above[from] = true, true
		if i < 0 { // it is new: anything may be appended to a line of its parent, flow style
			from = lastLine(n)
			break
		}
		if from = n.Content[i].Line; n.Kind == yaml.MappingNode {
			from = n.Content[i-1].Line
		}
		n = n.Content[i]
	}
	to := lastLine(n)
	starts, rest := lineStarts(src), string(out)
	for i := range starts {
		line := i + 1
		end := len(src)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		text := strings.TrimSpace(string(src[starts[i]:end]))
		if above[line] || line >= from && line <= to || !strings.HasPrefix(text, "#") && line > to && scalarTail(n) || text == "" {
			continue
		}
		if !strings.HasPrefix(text, "#") { // the last member of a collection in flow style takes the comma before it along
			text = strings.TrimSuffix(text, ",")
		}
		at := strings.Index(rest, text)
		if at < 0 {
			t.Fatalf("line %d, %q, is gone after an edit of %s:\n%s\n---\n%s", line, text, p, src, out)
		}
		rest = rest[at+len(text):]
	}
}

// scalarTail reports whether n may end with a scalar over several lines, of which the parser does not tell the last.
func scalarTail(n *yaml.Node) bool {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n.Kind == yaml.ScalarNode
}
