package locate

import (
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// replacements follows those that write the field to where their value comes from. That an edit there changes no other
// field is for the proof to say.
func (w *walk) replacements(l *layer) {
	for i, r := range slices.Backward(l.k.Replacements) {
		lead, file, data := edit.Path{key("replacements"), at(i)}, l.file, l.data
		list := []types.Replacement{r.Replacement}
		if f, ok := w.source(l, r.Path); ok && r.Path != "" {
			file, data = f.path, f.data
			if err := yaml.Unmarshal(data, &list); err != nil {
				list = make([]types.Replacement, 1)
				if err := yaml.Unmarshal(data, &list[0]); err != nil {
					continue
				}
				lead = nil
			}
		}
		for j, r := range slices.Backward(list) {
			p := lead
			if file != l.file && lead != nil {
				p = edit.Path{at(j)}
			}
			w.replacement(r, file, data, p)
		}
	}
}

func (w *walk) replacement(r types.Replacement, file string, data []byte, at edit.Path) {
	for _, t := range r.Targets {
		if t == nil || t.Select == nil || !w.selected(t.Select) {
			continue
		}
		for _, field := range t.FieldPaths {
			if !sameField(dotted(field), w.ask.path) {
				continue
			}
			before, value, after, ok := delimited(w.ask.value, t.Options)
			if !ok {
				continue
			}
			if r.SourceValue != nil {
				w.spot(spot{file: file, in: []edit.At{in(append(slices.Clone(at), key("sourceValue"))...)}, before: before, after: after, what: "the value of a replacement"}, data)
			}
			if r.Source != nil {
				w.follow(r.Source, value, before, after)
			}
		}
	}
}

// follow asks where the source of a replacement has its value from.
func (w *walk) follow(source *types.SourceSelector, value, before, after string) {
	if w.ask.depth >= maxAsks || source.Options != nil {
		return
	}
	p := dotted(source.FieldPath)
	if len(p) == 0 {
		p = edit.Path{key("metadata"), key("name")}
	}
	a := ask{sel: edit.Selector{Group: source.Group, Kind: source.Kind, Name: source.Name}, path: p, value: value, depth: w.ask.depth + 1}
	for _, c := range w.candidates(a) {
		if c.err != nil {
			continue // it is the source that it blocks, and something else may set the field
		}
		inner := c.write
		c.value, c.mark = before+c.value+after, before+c.mark+after
		c.write = func(files Files, wanted string) (map[string][]byte, error) {
			v, ok := within(wanted, before, after)
			if !ok {
				return nil, &Refusal{Reason: Uneditable, Why: c.file + " gives a part of the value only, and " + wanted + " has another rest"}
			}
			return inner(files, v)
		}
		if c.what == "" {
			c.what = "the source of a replacement"
		}
		w.out = append(w.out, c)
	}
}

func (w *walk) selected(s *types.Selector) bool {
	return (s.Kind == "" || s.Kind == w.ask.sel.Kind || regexName(s.Kind)) && (s.Name == "" || regexName(s.Name) || w.named(s.Name) || w.renamedTo(s.Name))
}

// renamedTo allows for names that a kustomization further down has made.
func (w *walk) renamedTo(name string) bool { return strings.Contains(w.ask.sel.Name, name) }

// delimited splits the value as the options of a target do.
func delimited(value string, o *types.FieldOptions) (before, part, after string, ok bool) {
	if o == nil || o.Delimiter == "" {
		return "", value, "", true
	}
	parts := strings.Split(value, o.Delimiter)
	if o.Index < 0 || o.Index >= len(parts) {
		return "", "", "", false
	}
	part = parts[o.Index]
	before = strings.Join(append(slices.Clone(parts[:o.Index]), ""), o.Delimiter)
	after = strings.Join(append([]string{""}, parts[o.Index+1:]...), o.Delimiter)
	return before, part, after, true
}

// dotted reads the language of replacements: spec.containers.[name=app].image, in which \. is a dot of a key.
func dotted(s string) edit.Path {
	var p edit.Path
	s = strings.ReplaceAll(s, `\.`, "\x00")
	for len(s) > 0 {
		var step string
		if s[0] == '[' {
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return nil
			}
			step, s = s[:end+1], strings.TrimPrefix(s[end+1:], ".")
		} else {
			end := strings.IndexAny(s, ".[")
			if end < 0 {
				end = len(s)
			}
			step, s = s[:end], strings.TrimPrefix(s[end:], ".")
		}
		step = strings.ReplaceAll(step, "\x00", ".")
		by, value, isBy := strings.Cut(strings.Trim(step, "[]"), "=")
		n, err := strconv.Atoi(step)
		switch {
		case step == "":
			return nil
		case strings.HasPrefix(step, "[") && isBy:
			p = append(p, edit.Step{By: by, Value: value})
		case err == nil && n >= 0:
			p = append(p, edit.Step{Index: n})
		default:
			p = append(p, edit.Step{Key: strings.Trim(step, "[]")})
		}
	}
	return p
}

// sameField tells whether two paths may lead to the same field. A * leads anywhere, and what element an index is, is not
// known.
func sameField(a, b edit.Path) bool {
	return slices.EqualFunc(a, b, func(x, y edit.Step) bool {
		isKey := x.Key != "" && x.Key != "*"
		return x.Key == "*" || isKey && x.Key == y.Key || !isKey && y.Key == "" && (x.By == "" || y.By == "" || x == y)
	})
}
