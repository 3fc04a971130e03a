package edit

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const restartedAt = "spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']"

func TestAddKeepsEveryByte(t *testing.T) {
	t.Parallel()
	const at, key = "2026-01-02T03:04:05Z", `kubectl.kubernetes.io/restartedAt: "2026-01-02T03:04:05Z"`
	head := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout}\nspec:\n"
	for name, c := range map[string]struct{ src, where, want string }{
		"after the annotations": {deployment, "          example.com/a.b:  \"x\\ty\"\n", "          " + key + "\n"},
		"no annotations":        {head + "  template:\n    metadata:\n      labels: {a: b} # c\n    spec: {}\n", "      labels: {a: b} # c\n", "      annotations:\n        " + key + "\n"},
		"no metadata":           {head + "  template:\n    # the one\n    spec:\n      containers: []\n---\n# next\n", "      containers: []\n", "    metadata:\n      annotations:\n        " + key + "\n"},
		"in flow":               {head + "  template: {metadata: {annotations: { a: 'b' }}}\n", "a: 'b'", ", " + key},
		"no metadata in flow":   {head + "  template: {spec: {}}\n", "spec: {}", ", metadata: {annotations: {" + key + "}}"},
		"nothing there":         {head + "  template:\n    metadata: # none\n    spec: {}\n", "metadata: # none\n", "      annotations:\n        " + key + "\n"},
		"an empty mapping":      {head + "  template: {metadata: {}}\n", "template: {metadata: {", "annotations: {" + key + "}"},
		"a comment at the end":  {head + "  template:\n    metadata:\n      annotations:\n        a: b\n        # c: d\n    # e\n", "        a: b\n", "        " + key + "\n"},
		"after a block scalar":  {head + "  template:\n    metadata:\n      annotations:\n        a: |+\n          b\n\n\n    spec: {}\n", "          b\n\n\n", "        " + key + "\n"},
		"over two lines":        {head + "  template:\n    metadata:\n      annotations:\n        a: b\n          c\n", "          c\n", "        " + key + "\n"},
	} {
		for shape, of := range map[string]func(string) string{
			"as it is": func(s string) string { return s },
			"CRLF":     func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
			"BOM":      func(s string) string { return "\ufeff" + s },
		} {
			t.Run(name+"/"+shape, func(t *testing.T) {
				t.Parallel()
				want := of(strings.Replace(c.src, c.where, c.where+c.want, 1))
				got, err := Add("a.yaml", []byte(of(c.src)), checkout, mustPath(t, restartedAt), at)
				if err != nil || string(got) != want {
					t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, got, want)
				}
				if pos, err := Find("a.yaml", got, checkout, mustPath(t, restartedAt)); err != nil || pos.Value != at {
					t.Errorf("found again: %+v, %v", pos, err)
				}
			})
		}
	}
	whole := strings.TrimSuffix(head+"  template:\n    metadata:\n      annotations:\n        a: b\n", "\n")
	if got, err := Add("a.yaml", []byte(whole), checkout, mustPath(t, restartedAt), at); err != nil || string(got) != whole+"\n        "+key {
		t.Errorf("no final newline: %v\n%s", err, got)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, path, value, why string }{
		"there already": {deployment, "spec.replicas", "3", "there already"},
		"anchor":        {head + "spec: &s {template: {a: b}}\n", restartedAt, "x", "anchor"},
		"merge":         {head + "x: &x {a: b}\nspec:\n  <<: *x\n  c: d\n", restartedAt, "x", "merge key"},
		"template":      {deployment, restartedAt, "{{ now }}", "template"},
		"empty":         {deployment, restartedAt, "", "empty"},
	} {
		var r *Refusal
		if out, err := Add("a.yaml", []byte(c.src), checkout, mustPath(t, c.path), c.value); !errors.As(err, &r) || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for name, c := range map[string]struct{ src, path string }{
		"another object": {strings.ReplaceAll(head, "checkout", "cart"), restartedAt},
		"into a list":    {head + "spec: {a: b}\n", "spec.containers[0].image"},
	} {
		if out, err := Add("a.yaml", []byte(c.src), checkout, mustPath(t, c.path), "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(deployment), restartedAt, "2026-01-02T03:04:05Z")
	f.Add([]byte(strings.ReplaceAll(deployment, "\n", "\r\n")), "spec.template.metadata.labels.y", "a: b #c")
	f.Add([]byte("{apiVersion: apps/v1, kind: Deployment, metadata: {name: checkout}}"), "a.b", "x")
	f.Fuzz(func(t *testing.T, src []byte, path, value string) {
		p, err := ParsePath(path)
		if err != nil {
			return
		}
		sel := Selector{Group: "apps", Kind: "Deployment", Name: "checkout"}
		out, err := Add("f", src, sel, p, value)
		if err != nil {
			return
		}
		n := 0
		for n < len(src) && src[n] == out[n] {
			n++
		}
		if !strings.HasSuffix(string(out), string(src[n:])) {
			t.Fatalf("more than an insertion:\n%q\n%q", src, out)
		}
		pos, err := Find("f", out, sel, p)
		if err != nil || pos.Value != value {
			t.Fatalf("reads as %+v, %v; want %q\n%q", pos, err, value, out)
		}
		var a, b any
		if yaml.Unmarshal(src, &a) != nil || yaml.Unmarshal(out, &b) != nil {
			return // not the first document
		}
		if d := Differences(a, b); len(d) > 1 {
			t.Fatalf("more than one field: %v\n%q", d, out)
		}
	})
}
