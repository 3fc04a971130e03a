package edit

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound means that the file has no such object, or the object does not set the field.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous means that more than one object, or list element, answers to the description.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrTest means that a test of a JSON patch found another value.
	ErrTest = errors.New("the test of the patch fails")
)

// Refusal says why a field that is there cannot be edited safely.
type Refusal struct {
	File         string // "" where it is not about a file
	Line, Column int    // from 1, in runes; 0 where the whole file is refused
	Why          string
	Encrypted    bool // with SOPS
}

func (e *Refusal) Error() string {
	switch {
	case e.File == "":
		return e.Why
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Why)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Why)
}

// SyntaxError means that the file is no YAML.
type SyntaxError struct {
	File         string
	Line, Column int
	Msg          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}
