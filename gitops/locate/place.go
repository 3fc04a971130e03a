package locate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Place finds where an edit goes that gives the field the value, and has proven it with that value: it changes this one
// field of this one rendering, and nothing that another unit renders. That is where the value comes from, if only this
// unit has it from there; else a patch of this unit, one that is there or a new one. A field that nothing sets is added to
// the first file that this can be proven of.
func Place(files Files, q Query, value string) (Found, error) {
	s, err := seek(files, q)
	if err != nil {
		return Found{}, err
	}
	if err := s.autoscaled(); err != nil {
		return Found{}, err
	}
	there, err := s.prepare()
	if err != nil {
		return Found{}, err
	}
	if err := s.fits(value); err != nil {
		return Found{}, err
	}
	if !there {
		return s.add(value)
	}
	s.wish = value
	found, err := s.run()
	if err == nil {
		if s.ask.value == value {
			return found, q.allows(found.File)
		}
		if err = s.proves(found, value); err == nil {
			return found, nil
		}
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason == Encrypted || refusal.Reason == NotFound {
		return Found{}, err
	}
	s.say("an edit there is refused: %s", refusal.Why)
	if own, ok := s.override(value); ok {
		return own, nil
	}
	var other *Refusal
	if refusal.Reason == Shared && errors.As(s.blocked, &other) && other.Reason == Shared && other.Why != refusal.Why {
		err = &Refusal{Reason: Shared, Why: fmt.Sprintf("%s; and in a patch of %s alone, %s", refusal.Why, s.unit.name(), s.blocked), Err: s.blocked}
	}
	return Found{}, err
}

// fits refuses a value that is none of the field.
func (s *search) fits(value string) error {
	switch s.was.(type) {
	case map[string]any, []any:
		return &Refusal{Reason: Uneditable, Why: fmt.Sprintf("%s of %s is not a single value", s.q.Field, s.q.Object)}
	}
	return Unfit(edit.Fits(s.q.Object, s.q.Field, s.ask.doc, value), s.q.Field.Near(s.q.Object, s.ask.doc))
}

// Unfit is what edit.Fits says as a Refusal, with the path that may have been meant.
func Unfit(err error, near string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, edit.ErrNotFound):
		return &Refusal{Reason: NotFound, Why: strings.TrimSuffix(err.Error(), ": "+edit.ErrNotFound.Error()) + near, Err: err}
	}
	return &Refusal{Reason: Uneditable, Why: err.Error(), Err: err}
}

// proves holds the edit at the place to what was asked.
func (s *search) proves(f Found, value string) error {
	changed, err := f.write(s.files, value)
	if err != nil {
		return typed(err)
	}
	for file := range changed {
		if err := s.q.allows(file); err != nil {
			return err
		}
	}
	if err := s.q.prove(s.files, With(s.files, changed), s.units, s.unit.name(), value); err != nil || s.q.Elsewhere == nil || s.q.Base {
		return err
	}
	return s.q.Elsewhere(changed)
}

// add finds where the field is added.
func (s *search) add(value string) (Found, error) {
	s.ask.plain = s.isPlain(value)
	for _, c := range s.unit.additions(s.ask, false) {
		if found, ok := s.adds(c, value); ok {
			return found, nil
		}
	}
	if own, ok := s.override(value); ok {
		return own, nil
	}
	if s.blocked != nil {
		return Found{}, s.refusal()
	}
	return Found{}, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s renders %s without %s, and no file of it names the object with something around the field",
		s.unit.name(), s.q.Object, s.q.Field)}
}

// adds proves one addition.
func (s *search) adds(c addition, value string) (Found, bool) {
	changed, err := c.write(s.files, value)
	if err != nil {
		if !notFound(err) {
			s.block(err)
		}
		return Found{}, false
	}
	pos, err := edit.FindIn(c.file, changed[c.file], c.in...)
	if err != nil {
		return Found{}, false
	}
	f := Found{Overlay: s.unit.name(), File: c.file, Line: pos.Line, Column: pos.Column, Value: s.ask.value, New: true, write: c.write}
	if err := s.proves(f, value); err != nil {
		s.say("%s:%d is not the place: %v", f.File, f.Line, err)
		s.block(err)
		return Found{}, false
	}
	s.say("%s:%d is where it is added", f.File, f.Line)
	s.say("proof: adding it there changes this field of the rendering, and no other of its %d objects", len(s.objects))
	f.Chain = s.chain
	return f, true
}

// override finds a patch of this unit alone that sets the field, whatever else does.
func (s *search) override(value string) (Found, bool) {
	s.ask.plain = s.isPlain(value)
	for _, c := range s.unit.additions(s.ask, true) {
		if found, ok := s.adds(c, value); ok {
			return found, true
		}
	}
	return Found{}, false
}

// isPlain is isPlainValue, and where nothing sets the field goes by its type.
func (s *search) isPlain(value string) bool {
	if s.was == nil {
		return !edit.IsText(s.q.Object, s.q.Field, value)
	}
	return isPlainValue(s.was, value)
}

// isPlainValue tells whether the value is written without quotes: what was no text stays none.
func isPlainValue(was any, value string) bool {
	if _, text := was.(string); text || was == nil {
		return false
	}
	if _, isBool := was.(bool); isBool {
		return value == "true" || value == "false"
	}
	return isNumber(value)
}

// addition is a place where the field can be added.
type addition struct {
	file  string
	in    []edit.At // where it is then
	write func(files Files, value string) (map[string][]byte, error)
}

// added is an addition to a file that is there.
func added(file string, plain bool, in ...edit.At) addition {
	return addition{file: file, in: in, write: func(files Files, value string) (map[string][]byte, error) {
		data, err := files.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out, err := edit.AddIn(file, data, value, plain, in...)
		return map[string][]byte{file: out}, err
	}}
}
