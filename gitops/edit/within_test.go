package edit

import (
	"errors"
	"strings"
	"testing"
)

const kustomization = `# the shop
resources: [../base] # all of it
patches:
  # the limits
  - patch: |-
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: checkout
      spec:

        replicas: 2   # zones
  - path: other.yaml
  - patch: '[{"op": "replace", "path": "/spec/replicas", "value": 3}]'
images: []
`

var (
	literal = At{Path: Path{{Key: "patches"}, {Index: 0}, {Key: "patch"}}}
	quoted  = At{Path: Path{{Key: "patches"}, {Index: 2}, {Key: "patch"}}}
	value1  = At{Path: Path{{Index: 0}, {Key: "value"}}}
	count   = At{checkout, Path{{Key: "spec"}, {Key: "replicas"}}}
)

// scalarShapes are the ways that a file may be written in.
var scalarShapes = map[string]func(string) string{
	"as it is":         func(s string) string { return s },
	"CRLF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"BOM":              func(s string) string { return "\ufeff" + s },
	"no final newline": func(s string) string { return strings.TrimSuffix(s, "\n") },
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for shape, of := range scalarShapes {
		src := of(kustomization)
		pos, err := FindIn("k.yaml", []byte(src), literal, count)
		if err != nil || pos.Line != 12 || pos.Column != 19 || src[pos.Start:pos.End] != "2" || pos.Value != "2" {
			t.Errorf("%s: %+v %v", shape, pos, err)
		}
		if pos, err := FindIn("k.yaml", []byte(src), quoted, value1); err != nil || pos.Line != 14 || pos.Column != 12 || pos.Value != "3" {
			t.Errorf("%s: %+v %v", shape, pos, err)
		}
		for name, c := range map[string]struct {
			got      func() ([]byte, error)
			old, new string
		}{
			"set in a block": {func() ([]byte, error) { return SetIn("k.yaml", []byte(src), "12", literal, count) }, "replicas: 2 ", "replicas: 12 "},
			"set in quotes":  {func() ([]byte, error) { return SetIn("k.yaml", []byte(src), "12", quoted, value1) }, `"value": 3`, `"value": 12`},
			"add a number": {func() ([]byte, error) {
				return AddIn("k.yaml", []byte(src), "9", true, literal, at("spec.minReadySeconds"))
			}, "# zones\n", "# zones\n        minReadySeconds: 9\n"},
			"add text": {func() ([]byte, error) {
				return AddIn("k.yaml", []byte(src), "9", false, literal, at("metadata.labels.x"))
			}, "name: checkout\n", "name: checkout\n        labels:\n          x: \"9\"\n"},
			"set what it has": {func() ([]byte, error) { return SetIn("k.yaml", []byte(src), "2", literal, count) }, "", ""},
		} {
			out, err := c.got()
			if want := of(strings.Replace(kustomization, c.old, c.new, 1)); err != nil || string(out) != want {
				t.Errorf("%s, %s: %v\n%q\n%q", shape, name, err, out, want)
			}
		}
	}
}

func at(path string) At {
	p, err := ParsePath(path)
	if err != nil {
		panic(err)
	}
	return At{checkout, p}
}

func TestWithinAtTheEnd(t *testing.T) {
	t.Parallel()
	src := "a: |\n  b: 1\n  c: 2"
	lead := At{Path: Path{{Key: "a"}}}
	if out, err := SetIn("f", []byte(src), "3", lead, At{Path: Path{{Key: "c"}}}); err != nil || string(out) != "a: |\n  b: 1\n  c: 3" {
		t.Errorf("%q %v", out, err)
	}
	if out, err := AddIn("f", []byte(src), "3", true, lead, At{Path: Path{{Key: "d"}}}); err != nil || string(out) != src+"\n  d: 3" {
		t.Errorf("%q %v", out, err)
	}
}

func TestWithinRefuses(t *testing.T) {
	t.Parallel()
	c := At{Path: Path{{Key: "c"}}}
	for name, tt := range map[string]struct {
		src  string
		want string
		at   string
	}{
		"folded":               {"a: >\n  b: 1\n\n  c: 2\n", "folded", "f:1:4"},
		"an anchor":            {"a: &x |\n  c: 2\n", "anchor", "f:1:4"},
		"a mapping":            {"a: {c: 2}\n", "no text", "f:1:4"},
		"a number":             {"a: 2\n", "no text", "f:1:4"},
		"an alias in the text": {"a: |\n  b: &x 1\n  c: *x\n", "alias", "f:3:6"},
		"broken text":          {"a: |\n  b: 1\n   d: [\n", "mapping values", "f:3:"},
	} {
		_, err := SetIn("f", []byte(tt.src), "7", At{Path: Path{{Key: "a"}}}, c)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), tt.at) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SetIn("f", []byte("a: |\n  b: 1\n"), "7", At{Path: Path{{Key: "a"}}}, c); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key that is not there: %v", err)
	}
	if _, err := SetIn("f", []byte("a: 1\n---\na: 2\n"), "7", c); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("two documents: %v", err)
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	const element, item = "path: new.yaml\ntarget: {kind: Deployment}\n", "- path: new.yaml\n  target: {kind: Deployment}\n"
	lines := func(indent string) string {
		return indent + strings.ReplaceAll(strings.TrimSuffix(item, "\n"), "\n", "\n"+indent) + "\n"
	}
	for name, tt := range map[string]struct{ src, after, new string }{
		"after the last":             {kustomization, "\"value\": 3}]'\n", lines("  ")},
		"after a block":              {"patches:\n- patch: |\n    a: 1\n\n    b: 2\n\nresources: []\n", "    b: 2\n", lines("")},
		"no list yet":                {"resources:\n  - a.yaml\n# end\n", "# end\n", "patches:\n" + lines("  ")},
		"no list yet, not indented":  {"resources:\n- a.yaml\n", "- a.yaml\n", "patches:\n" + lines("")},
		"before the document's end":  {"a: b\n...\n", "a: b\n", "patches:\n" + lines("")},
		"flow":                       {"patches: [ {path: a.yaml} ]\n", "patches: [", "{path: new.yaml, target: {kind: Deployment}}, "},
		"an empty list":              {"patches: []\n", "patches: [", "{path: new.yaml, target: {kind: Deployment}}"},
		"a comment behind the lists": {"patches:\n  - path: a.yaml # last\n# then\nimages: []\n", "# last\n", lines("  ")},
	} {
		for shape, of := range scalarShapes {
			got, err := Append("k.yaml", []byte(of(tt.src)), "patches", element)
			if want := of(strings.Replace(tt.src, tt.after, tt.after+tt.new, 1)); err != nil || string(got) != want {
				t.Errorf("%s, %s: %v\n%q\n%q", name, shape, err, got, want)
			}
		}
	}
	for name, src := range map[string]string{
		"no list": "patches: {}\n", "null": "patches:\n", "a list": "- a\n", "empty": "", "two documents": "a: 1\n---\nb: 2\n", "an anchor": "patches: &p [a]\nx: *p\n",
		"flow without it": "{a: b}\n", "broken": "a: [\n", "encrypted": "a: ENC[AES256_GCM,x]\n",
	} {
		if out, err := Append("k.yaml", []byte(src), "patches", element); err == nil {
			t.Errorf("%s: %q", name, out)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x, x]\n"
	for c := 'b'; c < 'z'; c++ {
		bomb += string(c) + ": &" + string(c) + " [*" + string(c-1) + ", *" + string(c-1) + "]\n"
	}
	for src, want := range map[string]bool{
		bomb: false, "a: &a [*a]\n": false, "a: &a [x]\nb: *a\n": true, "a: 1\n": true, "a: [*b, &c\n": true,
		strings.Repeat("a: &a 1\nb: *a\n---\n", 400): false,
	} {
		if got := Bounded([]byte(src), 1000); got != want {
			t.Errorf("%.40q: %v", src, got)
		}
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	digest := At{Path: Path{{Key: "images"}, {Index: 0}, {Key: "digest"}}}
	for src, want := range map[string]string{
		"images:\n- name: a\n  digest: sha256:aa # pinned\n  b: c\n": "images:\n- name: a\n  newTag: \"1.4\" # pinned\n  b: c\n",
		"images: [{name: a, digest: 'sha256:aa'}]":                   "images: [{name: a, newTag: '1.4'}]",
		"{\"images\": [{\"digest\": \"sha256:aa\"}]}\n":              "{\"images\": [{newTag: \"1.4\"}]}\n",
	} {
		for shape, of := range scalarShapes {
			if got, err := Swap("k", []byte(of(src)), digest, "newTag", "1.4"); err != nil || string(got) != of(want) {
				t.Errorf("%s: %q %v", shape, got, err)
			}
		}
	}
	for _, src := range []string{"images: [{digest: a, newTag: b}]\n", "images: [{digest: &a b}]\n", "images: [{digest: [a]}]\n", "images: [{name: b}]\n"} {
		if got, err := Swap("k", []byte(src), digest, "newTag", "1.4"); err == nil {
			t.Errorf("%q became %q", src, got)
		}
	}
}
