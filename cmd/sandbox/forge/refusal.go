package forge

import (
	"fmt"
	"net/http"
)

// refusal is an answer that GitHub gives to a call that it does not carry out.
type refusal struct {
	Status  int
	Message string
	Errors  []any // objects or sentences, as GitHub's answer has them
}

func (r *refusal) Error() string { return r.Message }

// why is the refusal as a person reads it.
func (r *refusal) why() string {
	for _, e := range r.Errors {
		switch e := e.(type) {
		case string:
			return e
		case object:
			if m, ok := e["message"].(string); ok {
				return m
			}
			return fmt.Sprintf("%v of the %v is %v", e["field"], e["resource"], e["code"])
		}
	}
	return r.Message
}

func notFound() error { return &refusal{Status: http.StatusNotFound, Message: "Not Found"} }

// invalid is a field of a resource that cannot be so: code is missing_field, invalid …
func invalid(resource, field, code string) error {
	return &refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
		Errors: []any{object{"resource": resource, "field": field, "code": code}}}
}

// custom is GitHub's refusal in words.
func custom(resource, message string) error {
	return &refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
		Errors: []any{object{"resource": resource, "code": "custom", "message": message}}}
}

// unprocessable is the older form: a list of sentences.
func unprocessable(sentence string) error {
	return &refusal{Status: http.StatusUnprocessableEntity, Message: "Unprocessable Entity", Errors: []any{sentence}}
}

const (
	maxBody  = 65536 // characters, as GitHub's
	maxTitle = 256
)

func checkLength(resource, field, text string, max int) error {
	if len([]rune(text)) > max {
		return custom(resource, fmt.Sprintf("%s is too long (maximum is %d characters)", field, max))
	}
	return nil
}
