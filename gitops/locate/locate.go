package locate

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Query is a question: which field of which object.
type Query struct {
	// Overlays are the units that are deployed, by path: folders with a kustomization, folders or files of plain manifests.
	// None: every kustomization and every manifest of the repository.
	Overlays []string
	Object   edit.Selector
	Field    edit.Path
	// Paths are the folders and files that an edit may touch. None: all.
	Paths []string
	// Base edits where the value comes from, even where other units get it from there too.
	Base bool
	// Whole holds the kustomizations that Overlays does not name to what the named ones are held to: others deploy them.
	Whole bool
	// Delivered says how Flux or Argo CD delivers what the folder or file has, "" where they do not: an object in it
	// without a namespace is in theirs, then, and in no other. It is nil where nothing is known of them.
	Delivered func(unit string, object edit.Selector) (how string)
	// Elsewhere refuses changes that make what Flux or Argo CD delivers differ. It is nil where nothing is known of them.
	Elsewhere func(changed map[string][]byte) error
}

// Found is a place that sets the field, or is to set it.
type Found struct {
	Overlay      string // the unit that renders the object
	File         string
	Line, Column int
	Value        string   // that the field has; "" where nothing sets it yet
	Chain        []string // the proof, for people
	New          bool     // nothing sets the field there yet: writing adds it

	write func(files Files, value string) (map[string][]byte, error)
	read  func(data []byte) (value string, ok bool)
}

// ValueIn is what the field would be if the File held data, as another commit has it; not ok where data does not set it
// there.
func (f Found) ValueIn(data []byte) (value string, ok bool) {
	if f.read == nil {
		return "", false
	}
	return f.read(data)
}

// Write gives the field the value, in that place, and returns the whole contents of the files that this changes or
// makes, by path. The files are those that the place was found in, or later ones. A value that cannot be written there
// is an *edit.Refusal or a *Refusal.
func (f Found) Write(files Files, value string) (map[string][]byte, error) {
	return f.write(files, value)
}

// Locate finds the place where the value of the field comes from.
func Locate(files Files, q Query) (Found, error) {
	hit, err := seek(files, q)
	if err != nil {
		return Found{}, err
	}
	found, err := hit.run()
	if err != nil {
		return Found{}, err
	}
	return found, q.allows(found.File)
}

// Current is the value that the field is rendered with. It is not there where nothing sets it.
func Current(files Files, q Query) (value string, there bool, err error) {
	s, err := seek(files, q)
	if err != nil {
		return "", false, err
	}
	there, err = s.prepare()
	return s.ask.value, there, err
}

// allows refuses an edit outside the allowed paths.
func (q Query) allows(files ...string) error {
	for _, f := range files {
		ok := len(q.Paths) == 0
		for _, p := range q.Paths {
			p = strings.TrimSuffix(p, "/")
			ok = ok || p == "." || f == p || strings.HasPrefix(f, p+"/")
		}
		if !ok {
			return &Refusal{Reason: Outside, Why: fmt.Sprintf("%s is not in the paths that may be edited: %s", f, list(q.Paths))}
		}
	}
	return nil
}

// search looks for the place within the files of one unit.
type search struct {
	unit    unit
	units   [][]unit // all that the query is about
	files   Files
	q       Query
	objects []Object
	target  int // index of the object
	ask     ask
	was     any // the field as rendered
	chain   []string
	blocked error  // a place that may set it, and cannot be edited
	wish    string // the value that is to be written: where it shows who sets the field, that is its proof too
}

// prepare looks the field up in the rendering, which is where the chain begins.
func (s *search) prepare() (there bool, err error) {
	s.chain = nil
	doc, err := s.objects[s.target].decoded()
	if err != nil {
		return false, err
	}
	s.q.Field = byName(s.q.Field, doc)
	s.ask = ask{sel: s.q.Object, path: s.q.Field, doc: doc}
	if s.was, there = s.q.Field.Get(doc); there {
		s.ask.value = edit.Text(s.was)
		s.say("%s renders %s with %s: %s", s.unit.name(), s.objects[s.target], s.q.Field, s.ask.value)
		return true, nil
	}
	s.say("%s renders %s without %s", s.unit.name(), s.objects[s.target], s.q.Field)
	return false, nil
}

// byName describes list elements by their name, where each has one: files may have them in another order.
func byName(p edit.Path, doc any) edit.Path {
	out := make(edit.Path, 0, len(p))
	for i, step := range p {
		if step.Key == "" && step.By == "" {
			if item, ok := p[:i+1].Get(doc); ok {
				m, _ := item.(map[string]any)
				name, _ := m["name"].(string)
				named := edit.Step{By: "name", Value: name}
				if _, ok := append(p[:i:i], named).Get(doc); ok && name != "" {
					step = named
				}
			}
		}
		out = append(out, step)
	}
	return out
}

func (s *search) run() (Found, error) {
	there, err := s.prepare()
	if err != nil {
		return Found{}, err
	}
	if !there {
		return Found{}, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s renders %s without %s%s%s", s.unit.name(), s.q.Object, s.q.Field, s.q.Field.Doubt(), s.q.Field.Near(s.q.Object, s.ask.doc))}
	}
	switch s.was.(type) {
	case map[string]any, []any, nil:
		return Found{}, &Refusal{Reason: Uneditable, Why: fmt.Sprintf("%s of %s is not a single value", s.q.Field, s.q.Object)}
	}
	for _, c := range s.unit.candidates(s.ask) {
		found, ok, err := s.try(c)
		if ok || err != nil {
			return found, err
		}
	}
	return Found{}, s.refusal()
}

func (s *search) say(format string, args ...any) {
	s.chain = append(s.chain, fmt.Sprintf(format, args...))
}

func (s *search) block(err error) {
	if s.blocked == nil {
		s.blocked = err
	}
}

// refusal says why no place was found.
func (s *search) refusal() error {
	if s.blocked != nil {
		return typed(s.blocked)
	}
	return &Refusal{Reason: Generated, Why: fmt.Sprintf("no scalar in the files of %s sets %s of %s to %s: something makes it of other values",
		s.unit.name(), s.q.Field, s.q.Object, s.ask.value)}
}

// typed makes a Refusal of what edit refuses. Every other error stays what it is.
func typed(err error) error {
	var own *Refusal
	var refused *edit.Refusal
	var syntax *edit.SyntaxError
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(err, edit.ErrAmbiguous):
		return &Refusal{Reason: Ambiguous, Why: err.Error(), Err: err}
	case errors.Is(err, edit.ErrTest):
		return &Refusal{Reason: Unproven, Why: err.Error(), Err: err}
	case errors.As(err, &refused) && refused.Encrypted:
		return &Refusal{Reason: Encrypted, Why: err.Error(), Err: err}
	case errors.As(err, &refused), errors.Is(err, edit.ErrNotFound):
		return &Refusal{Reason: Uneditable, Why: err.Error(), Err: err}
	case errors.As(err, &syntax):
		return &Refusal{Reason: Invalid, Why: err.Error(), Err: err}
	}
	return err
}

// sentinel is another value of the same type. An image keeps its name, so that an images: entry that overrides the tag
// still does.
func sentinel(p edit.Path, value string) string {
	switch {
	case value == "true":
		return "false"
	case value == "false":
		return "true"
	case strings.HasPrefix(value, "0") && isNumber(value) && !strings.Contains(value, "."): // 07 is octal
		return "7" + value
	case value == "" || isNumber(value):
		return value + "7"
	case isImage(p) && !strings.Contains(value[strings.LastIndex(value, "/")+1:], ":"):
		return value + ":cortexops"
	}
	return value + "-cortexops"
}

// isNumber tells whether the value is an integer or a decimal without a sign.
func isNumber(value string) bool {
	return value != "" && strings.Trim(value, "0123456789.") == "" && strings.Count(value, ".") <= 1 && value != "."
}

// sameNumber tells whether two texts are one number to YAML, written in two ways.
func sameNumber(a, b string) bool {
	if a == b {
		return false
	}
	var numbers [2]float64
	for i, text := range []string{a, b} {
		if text == "" || !strings.ContainsAny(text, "0123456789") || yaml.Unmarshal([]byte(text), &numbers[i]) != nil {
			return false
		}
	}
	return numbers[0] == numbers[1]
}

func isImage(p edit.Path) bool { return len(p) > 0 && p[len(p)-1].Key == "image" }

func list(s []string) string { return strings.Join(s, ", ") }
