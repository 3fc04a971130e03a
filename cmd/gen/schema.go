package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/cortexops/cortexops/policies"
)

// node is a JSON Schema (draft 7, which OPA compiles policies against).
type node struct {
	Schema      string          `json:"$schema,omitempty"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Type        string          `json:"type,omitempty"`
	Format      string          `json:"format,omitempty"`
	Items       *node           `json:"items,omitempty"`
	Properties  map[string]node `json:"properties,omitempty"`
	Required    []string        `json:"required,omitempty"`
	Additional  *bool           `json:"additionalProperties,omitempty"`
}

// policyInputJSON describes policies.Input in the words of its comments.
func policyInputJSON() ([]byte, error) {
	comments, err := commentsOf(filepath.Join("policies", "input.go"))
	if err != nil {
		return nil, err
	}
	n, err := describe(reflect.TypeFor[policies.Input](), comments)
	if err != nil {
		return nil, err
	}
	n.Schema, n.Title = "http://json-schema.org/draft-07/schema#", "The input of CortexOps's policies"
	b, err := json.MarshalIndent(n, "", "  ")
	return append(b, '\n'), err
}

func describe(t reflect.Type, comments map[string]string) (node, error) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return node{Type: "string", Format: "date-time"}, nil
	case t.Kind() == reflect.Pointer:
		return describe(t.Elem(), comments)
	case t.Kind() == reflect.String:
		return node{Type: "string"}, nil
	case t.Kind() == reflect.Int:
		return node{Type: "integer"}, nil
	case t.Kind() == reflect.Bool:
		return node{Type: "boolean"}, nil
	case t.Kind() == reflect.Slice:
		items, err := describe(t.Elem(), comments)
		return node{Type: "array", Items: &items}, err
	case t.Kind() != reflect.Struct:
		return node{}, fmt.Errorf("%s has no JSON Schema here: add it", t)
	}
	closed := false
	n := node{Type: "object", Description: comments[t.Name()], Properties: map[string]node{}, Additional: &closed}
	for field := range t.Fields() {
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, err := describe(field.Type, comments)
		if err != nil {
			return n, err
		}
		if said := comments[t.Name()+"."+field.Name]; said != "" {
			property.Description = said
		}
		n.Properties[name] = property
		if rest != "omitempty" {
			n.Required = append(n.Required, name)
		}
	}
	return n, nil
}

// commentsOf the types of a file, and of their fields, by TYPE and TYPE.FIELD.
func commentsOf(path string) (map[string]string, error) {
	root := "." // or above, where a test runs
	for up := 0; up < 3; up++ {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	line := func(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			named := spec.(*ast.TypeSpec) // what a type declaration has
			comments[named.Name.Name] = line(g.Doc)
			s, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					comments[named.Name.Name+"."+name.Name] = line(f.Comment)
				}
			}
		}
	}
	return comments, nil
}
