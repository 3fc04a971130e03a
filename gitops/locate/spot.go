package locate

import (
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// spot is one scalar of one file. A part of it, between lead and tail, is a part of the field, between before and after:
// the scalar TAG=1.4 and the field shop/cart:1.4 share the 1.4.
type spot struct {
	file          string
	in            []edit.At // leads to it; more than one where scalars hold YAML of their own
	lead, tail    string
	before, after string
	what          string // in words, where it is no manifest
}

// candidate of an ask. What is not there, or has another shape, gives none.
func (s spot) candidate(data []byte, a ask) (candidate, bool) {
	pos, err := edit.FindIn(s.file, data, s.in...)
	if notFound(err) {
		return candidate{}, false
	}
	if err != nil {
		return candidate{err: err}, true
	}
	inner, ok := within(pos.Value, s.lead, s.tail)
	if !ok {
		return candidate{}, false
	}
	c := candidate{file: s.file, pos: pos, value: s.before + inner + s.after, what: s.what, write: s.write}
	c.read = func(data []byte) (string, bool) {
		pos, err := edit.FindIn(s.file, data, s.in...)
		inner, ok := within(pos.Value, s.lead, s.tail)
		return s.before + inner + s.after, ok && err == nil
	}
	c.mark = s.before + sentinel(a.path, inner) + s.after
	if s.before+s.after == "" {
		c.mark = sentinel(a.path, c.value)
	}
	return c, true
}

func (s spot) write(files Files, value string) (map[string][]byte, error) {
	inner, ok := within(value, s.before, s.after)
	if !ok {
		return nil, &Refusal{Reason: Uneditable, Why: fmt.Sprintf("%s gives a part of the value only: all but %q%s%q comes from elsewhere, and %s has another",
			s.file, s.before, "…", s.after, value)}
	}
	data, err := files.ReadFile(s.file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.file, err)
	}
	out, err := edit.SetIn(s.file, data, s.lead+inner+s.tail, s.in...)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{s.file: out}, nil
}

// within is what stands between the two.
func within(s, before, after string) (string, bool) {
	if len(s) < len(before)+len(after) || !strings.HasPrefix(s, before) || !strings.HasSuffix(s, after) {
		return "", false
	}
	return s[len(before) : len(s)-len(after)], true
}

// in describes a scalar of the document that holds no object, as kustomization.yaml is.
func in(steps ...edit.Step) edit.At { return edit.At{Path: steps} }

func key(k string) edit.Step { return edit.Step{Key: k} }

func at(i int) edit.Step { return edit.Step{Index: i} }
