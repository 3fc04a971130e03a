package edit

import (
	"errors"
	"strings"
	"testing"
)

const head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: checkout\n"

// looks are the ways in which the same YAML comes.
var looks = map[string]func(string) string{
	"as it is":         func(s string) string { return s },
	"CRLF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"BOM":              func(s string) string { return "\ufeff" + s },
	"no final newline": func(s string) string { return strings.TrimSuffix(s, "\n") },
	"amid documents": func(s string) string {
		return "---\nkind: Service\napiVersion: v1\nmetadata: {name: checkout}\n--- # next\n" + s + "...\n---\n# nothing\n"
	},
}

// edited holds an operation to the lines that it may change, in every shape: those with - are what goes, with + what comes.
func edited(t *testing.T, diff string, do func(src []byte) ([]byte, error)) {
	t.Helper()
	var before, after strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(diff, "\n")) {
		switch mark, rest := line[0], line[1:]; mark {
		case '-':
			before.WriteString(rest)
		case '+':
			after.WriteString(rest)
		case ' ':
			before.WriteString(rest)
			after.WriteString(rest)
		default:
			t.Fatalf("the test is wrong: %q", line)
		}
	}
	for shape, of := range looks {
		src, want := of(head+before.String()), of(head+after.String())
		got, err := do([]byte(src))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", shape, err, got, want)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, diff string }{
		"a line": {"spec.paused", `
 spec:
   # why
-  paused: true # really
   # end
   replicas: 3
`},
		"a tree": {"spec.template.spec.affinity", `
 spec:
   template:
     spec:
-      affinity:
-        podAntiAffinity: {} # x
-        # inside
-        nodeAffinity:
-          a: |+
-            text
-
-
       # after
       containers: []
`},
		"the last line": {"spec.paused", `
 spec:
   replicas: 3
-  paused: true
`},
		"the only key": {"spec.template.metadata", `
 spec:
-  template: # the pods
+  template: {} # the pods
-    metadata: {a: b}
     # nothing else
   replicas: 3
`},
		"the only element": {"spec.list[0]", `
 spec:
-  list:
+  list: []
-  - a
   replicas: 3
`},
		"an element": {"spec.list[name=b]", `
 spec:
   list:
     - name: a
 
-    - name: b
-      value: x
     # about c
     -   name: c
`},
		"the first key of an element": {"spec.list[name=b].name", `
 spec:
   list:
-    - name: b
-      value: x
+    - value: x
     - name: c
`},
		"the only key of an element": {"spec.list[0].name", `
 spec:
   list:
-    - name: b
+    - {}
     - name: c
`},
		"flow, first":       {"spec.a", "\n-spec: {a: 1, b: [x, y], c: 3} # c\n+spec: {b: [x, y], c: 3} # c\n"},
		"flow, last":        {"spec.c", "\n-spec: {a: 1, b: [x, y], c: 3}\n+spec: {a: 1, b: [x, y]}\n"},
		"flow, middle":      {"spec.b", "\n-spec: {a: 1, b: [x, y], c: 3}\n+spec: {a: 1, c: 3}\n"},
		"flow, only":        {"spec.a", "\n-spec: { a: \"}\" }\n+spec: {  }\n"},
		"flow element":      {"spec.b[1]", "\n-spec: {b: [x, 'y,]', z]}\n+spec: {b: [x, z]}\n"},
		"folded":            {"spec.b", "\n spec:\n   a: 1\n-  b: one\n-    two\n-\n-    three # c\n   c: 2\n"},
		"quoted over lines": {"spec.b", "\n spec:\n   a: 1\n-  b: \"one \\\"\n-    two\"\n   c: 2\n"},
		"no value":          {"spec.b", "\n spec:\n   a: 1\n-  b:\n   c: 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edited(t, c.diff, func(src []byte) ([]byte, error) { return Remove("a.yaml", src, checkout, mustPath(t, c.path)) })
		})
	}
}

func TestRemoveRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src, path, why string
		line           int
	}{
		"an anchor":            {"x: &x 1\ny: *x\n", "x", "anchor &x", 5},
		"an anchor inside":     {"x:\n  y: &y 1\nz: *y\n", "x", "anchor &y", 6},
		"through an alias":     {"x: &x {a: 1}\ny: *x\n", "y.a", "alias", 6},
		"beside a merge":       {"x: &x {a: 1}\ny: {<<: *x, a: 2}\n", "y.a", "merge key", 6},
		"a comment would go":   {"x: [{\n  a: 1, # why\n  b: 2}]\n", "x[0].a", "without changing", 6},
		"between dash and key": {"x:\n- a: 1\n  # why\n  b: 2\n", "x[0].a", "without changing", 6},
		"a template":           {"x: {{ .y }}\n", "x", "template", 5},
	} {
		out, err := Remove("a.yaml", []byte(head+c.src), checkout, mustPath(t, c.path))
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Why, c.why) || r.Line != c.line || r.Column == 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := Remove("a.yaml", []byte(head), checkout, mustPath(t, "spec.x")); !errors.Is(err, ErrNotFound) {
		t.Errorf("what is not there: %v\n%s", err, out)
	}
	if out, err := Remove("a.yaml", []byte(head), checkout, mustPath(t, "metadata.name")); err == nil {
		t.Errorf("its name:\n%s", out)
	}
}
