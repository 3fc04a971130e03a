package chain

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/cortexops/cortexops/gitops/edit"
)

// candidate is a value that may drive the field.
type candidate struct {
	edit.Scalar
	rank int // less is likelier
}

const (
	rankField = iota // the field itself, of an object of this name
	rankWhole        // the same value elsewhere
	rankPart         // part of the value
	rankEmpty        // nothing yet, where a default is made up for it
	rankNever
)

// files are those that the unit and those above it read, the nearest first, with what its values come from.
func (s *search) files() []string {
	var out []string
	add := func(u *unit) {
		for _, p := range u.reads.paths {
			if !slices.Contains(out, p) && s.editable(u, p) {
				out = append(out, p)
			}
		}
	}
	for u := s.unit; u != nil; u = u.up {
		add(u)
		for _, o := range u.sources {
			for _, by := range s.world.units {
				if by.root() == u.root() && by != u && by.has(edit.Selector{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}) >= 0 {
					add(by)
				}
			}
		}
		if u.up == nil && u.file != "" && !slices.Contains(out, u.file) {
			out = append(out, u.file)
		}
	}
	return out
}

// editable leaves out what is no YAML that people set values in: a chart's templates, above all.
func (s *search) editable(u *unit, p string) bool {
	if strings.HasSuffix(p, ".env") || strings.HasSuffix(p, ".properties") {
		return false
	}
	if u.inChart(p) {
		return u.prefixOf(p) != nil || slices.Contains(u.named, p)
	}
	return (manifest(p) || path.Ext(p) == ".json") && isFile(s.world.files, p)
}

// candidates lists the values of the files that may drive the field, the likeliest first. Files that cannot be read as
// YAML block the search where they may hold one.
func (s *search) candidates() []candidate {
	var out []candidate
	for _, p := range s.files() {
		data, err := s.world.files.ReadFile(p)
		if err != nil {
			continue
		}
		scalars, err := edit.Scalars(p, data)
		if err != nil {
			if bytes.Contains(data, []byte(s.q.Object.Kind)) && bytes.Contains(data, []byte(s.q.Object.Name)) && s.unread == nil {
				s.unread = err
			}
			continue
		}
		for _, c := range scalars {
			if s.says(c) && s.element(c, scalars) {
				s.shadowed = append(s.shadowed, c)
			}
			if r := s.rank(c); r < rankNever {
				out = append(out, candidate{c, r})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return a.rank - b.rank })
	return out
}

// rank says how likely c drives the field.
func (s *search) rank(c edit.Scalar) int {
	field := s.isField(c)
	switch {
	case structural(c):
		return rankNever
	case c.Empty:
		if c.Object.Kind == "" && len(s.unit.charts) > 0 && similar(c.Path, s.field) {
			return rankEmpty
		}
		return rankNever
	case c.Value == s.value && field:
		return rankField
	case c.Value == s.value:
		return rankWhole
	case s.isText && part(s.value, c.Value):
		return rankPart
	}
	return rankNever
}

// isField reports whether c is the field of an object of the kind, in some element of its lists.
func (s *search) isField(c edit.Scalar) bool {
	return c.Object.Kind == s.q.Object.Kind && c.Object.Group == s.q.Object.Group && c.Inner == nil && sameKeys(c.Path, s.field)
}

// says reports whether c gives the field of the object another value than it has.
func (s *search) says(c edit.Scalar) bool {
	return s.isField(c) && !c.Empty && c.Value != s.value && (!s.isText || !part(s.value, c.Value)) && c.Object.Name != "" && strings.Contains(s.q.Object.Name, c.Object.Name)
}

// element reports whether c is in the elements of lists that the field is in, one of the scalars of its file.
func (s *search) element(c edit.Scalar, scalars []edit.Scalar) bool {
	for i, st := range s.field {
		if len(c.Path) != len(s.field) {
			return false
		}
		if st.Key != "" {
			continue
		}
		if st.By == "" && c.Path[i].Index != st.Index {
			return false
		}
		name := append(slices.Clone(c.Path[:i+1]), edit.Step{Key: st.By})
		if st.By != "" && !slices.ContainsFunc(scalars, func(x edit.Scalar) bool {
			return x.Object == c.Object && x.Value == st.Value && x.Inner == nil && slices.Equal(x.Path, name)
		}) {
			return false
		}
	}
	return true
}

// structural are values that say what an object is.
func structural(c edit.Scalar) bool {
	if len(c.Path) == 0 {
		return false
	}
	switch c.Path[0].Key {
	case "apiVersion", "kind":
		return len(c.Path) == 1 && c.Inner == nil
	}
	return false
}

// sameKeys compares paths by their keys. Elements of lists are told apart by the rendering.
func sameKeys(a, b edit.Path) bool {
	keys := func(p edit.Path) (out []string) {
		for _, st := range p {
			if st.Key != "" {
				out = append(out, st.Key)
			}
		}
		return out
	}
	return slices.Equal(keys(a), keys(b))
}

// similar reports whether the value's name is that of the field, or one that images have.
func similar(p, field edit.Path) bool {
	last := lastKey(p)
	want := lastKey(field)
	if want == "image" && slices.Contains([]string{"tag", "digest", "image", "version"}, last) {
		return true
	}
	return last != "" && strings.Contains(strings.ToLower(last), strings.ToLower(want))
}

func lastKey(p edit.Path) string {
	for _, st := range slices.Backward(p) {
		if st.Key != "" {
			return st.Key
		}
	}
	return ""
}

// part reports whether some of whole is v, and not only half a word of it.
func part(whole, v string) bool {
	if len(v) < 2 && v != "" && !unicode.IsDigit(rune(v[0])) || v == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(whole[from:], v)
		if i < 0 {
			return false
		}
		i += from
		if edge(whole, i, v[0]) && edge(whole, i+len(v), v[len(v)-1]) {
			return true
		}
		from = i + 1
	}
}

// edge reports whether a word of one kind of characters begins or ends at i.
func edge(s string, i int, inner byte) bool {
	if i == 0 || i == len(s) {
		return true
	}
	return class(s[i-1]) != class(s[i]) || class(inner) == 0
}

func class(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return 1
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return 2
	}
	return 0
}
