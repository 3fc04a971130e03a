package edit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const deployment = `# the shop's checkout
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, labels: {"app.kubernetes.io/name": 'checkout'}}   # flow
spec:
    replicas:   3 # three zones

    template:
      metadata:
        annotations:
          example.com/a.b:  "x\ty"
      spec:
        containers:
        - name: "sidecar"
          resources: {limits: {memory: 64Mi, cpu: '1'}}
        -   name: app
            image: shop/checkout:1.4.0
            env: [{name: A, value: "1"}, {name: B, value: b}]
            resources:
              limits:
                memory:	512Mi	# tab before and after
                cpu: 500m
                disk: 1073741824
`

var checkout = Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}

func mustPath(t *testing.T, s string) Path {
	t.Helper()
	p, err := ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSetChangesOnlyTheScalar(t *testing.T) {
	t.Parallel()
	const limits = "spec.template.spec.containers[name=app].resources.limits."
	tests := []struct{ name, path, value, old, new string }{
		{"plain quantity", limits + "memory", "1Gi", "512Mi", "1Gi"},
		{"plain integer stays one", "spec.replicas", "6", "replicas:   3 #", "replicas:   6 #"},
		{"a string that would read as a number is quoted", limits + "cpu", "1", "cpu: 500m", `cpu: "1"`},
		{"a number may become a quantity", limits + "disk", "2Gi", "1073741824", "2Gi"},
		{"single quotes stay", "spec.template.spec.containers[name=sidecar].resources.limits.cpu", "2", "cpu: '1'", "cpu: '2'"},
		{"flow mapping", "spec.template.spec.containers[name=sidecar].resources.limits.memory", "128Mi", "64Mi", "128Mi"},
		{"flow list by name", "spec.template.spec.containers[1].env[name=A].value", "2", `value: "1"`, `value: "2"`},
		{"what ends a plain scalar in flow is quoted", "spec.template.spec.containers[name=app].env[name=B].value", "x, y", "value: b}", `value: "x, y"}`},
		{"image with a colon", "spec.template.spec.containers[name=app].image", "shop/checkout:1.4.1", "checkout:1.4.0", "checkout:1.4.1"},
		{"key with dots, escapes", "spec.template.metadata.annotations['example.com/a.b']", `a"b\c`, `"x\ty"`, `"a\"b\\c"`},
		{"a comment sign is quoted", limits + "cpu", "a #b", "cpu: 500m", `cpu: "a #b"`},
		{"a word that YAML 1.1 reads as a boolean is quoted", limits + "cpu", "off", "cpu: 500m", `cpu: "off"`},
		{"sexagesimal is quoted", limits + "cpu", "1:30", "cpu: 500m", `cpu: "1:30"`},
		{"a line break is escaped", limits + "cpu", "a\nb", "cpu: 500m", `cpu: "a\nb"`},
		{"not ASCII", limits + "cpu", "größer", "cpu: 500m", `cpu: größer`},
	}
	shapes := map[string]func(string) string{
		"as it is":         func(s string) string { return s },
		"CRLF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"BOM":              func(s string) string { return "\ufeff" + s },
		"no final newline": func(s string) string { return strings.TrimSuffix(s, "\n") },
		"several documents": func(s string) string {
			return "---\nkind: Service\napiVersion: v1\nmetadata: {name: checkout}\n--- # next\n" + s + "...\n---\n# nothing\n"
		},
		"a list": func(s string) string {
			return "apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimSuffix(strings.ReplaceAll(s, "\n", "\n  "), "  ")
		},
		"after accents": func(s string) string {
			return strings.ReplaceAll(s, "{name: checkout,", "{note: 'grün ☃ 日本', name: checkout,")
		},
	}
	for _, tt := range tests {
		for shape, of := range shapes {
			t.Run(tt.name+"/"+shape, func(t *testing.T) {
				t.Parallel()
				src := of(deployment)
				if strings.Count(src, tt.old) != 1 {
					t.Fatalf("the test is wrong: %q is there %d times", tt.old, strings.Count(src, tt.old))
				}
				got, err := Set("a.yaml", []byte(src), checkout, mustPath(t, tt.path), tt.value)
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.Replace(src, tt.old, tt.new, 1); string(got) != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
				pos, err := Find("a.yaml", got, checkout, mustPath(t, tt.path))
				if err != nil || pos.Value != tt.value {
					t.Errorf("found again: %+v, %v", pos, err)
				}
			})
		}
	}
}

func TestFindSaysWhere(t *testing.T) {
	t.Parallel()
	src := []byte("\ufeff" + deployment)
	got, err := Find("base/checkout.yaml", src, checkout, mustPath(t, "spec.template.spec.containers[name=app].resources.limits.memory"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(src, []byte("512Mi"))
	if want := (Position{"base/checkout.yaml", 21, 25, at, at + 5, "512Mi"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSetToTheSameValueKeepsTheBytes(t *testing.T) {
	t.Parallel()
	got, err := Set("a.yaml", []byte(deployment), checkout, mustPath(t, "spec.replicas"), "3")
	if err != nil || string(got) != deployment {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: checkout\n"
	tests := []struct {
		name, src, path string
		line            int // of the refusal; 0: of the whole file
		why             string
	}{
		{"anchored scalar", head + "spec:\n  replicas: &n 3\n", "spec.replicas", 6, "anchor &n"},
		{"alias", head + "x: &n 3\nspec:\n  replicas: *n\n", "spec.replicas", 7, "alias"},
		{"inside an anchored mapping", head + "spec: &s\n  replicas: 3\n", "spec.replicas", 5, "anchor &s"},
		{"below an alias", head + "x: &s {replicas: 3}\nspec: *s\n", "spec.replicas", 6, "alias"},
		{"aliased list element", head + "x: &s {name: app, image: i}\nspec: [*s]\n", "spec[name=app].image", 6, "alias"},
		{"merge key", head + "x: &s {replicas: 3}\nspec: {<<: *s}\n", "spec.replicas", 6, "merge key"},
		{"literal block", head + "spec:\n  replicas: |\n    3\n", "spec.replicas", 6, "block scalar"},
		{"folded block", head + "spec:\n  replicas: >-\n    3\n", "spec.replicas", 6, "block scalar"},
		{"plain over two lines", head + "spec:\n  note: one\n    two\n", "spec.note", 6, "several lines"},
		{"quoted over two lines", head + "spec:\n  note: \"one\n    two\"\n", "spec.note", 6, "several lines"},
		{"explicit tag", head + "spec:\n  replicas: !!int 3\n", "spec.replicas", 6, "explicit tag"},
		{"no value", head + "spec:\n  replicas:\n", "spec.replicas", 6, "no value"},
		{"a mapping", head + "spec:\n  replicas: {}\n", "spec.replicas", 6, "single value"},
		{"twice", head + "spec:\n  replicas: 3\n  replicas: 4\n", "spec.replicas", 7, "twice"},
		{"YAML 1.1 boolean", head + "spec:\n  paused: yes\n", "spec.paused", 6, "YAML 1.1"},
		{"template as value", head + "spec:\n  replicas: {{ .Values.n }}\n", "spec.replicas", 6, "template"},
		{"template as text", head + "{{- if .Values.x }}\nspec:\n  replicas: 3\n{{- end }}\n", "spec.replicas", 0, "template"},
		{"template in quotes", head + "spec:\n  replicas: \"{{ .Values.n }}\"\n", "spec.replicas", 6, "template"},
		{"substitution", head + "spec:\n  replicas: ${N}\n", "spec.replicas", 6, "template"},
		{"SOPS", head + "spec:\n  replicas: 3\nsops:\n  mac: x\n  lastmodified: y\n", "spec.replicas", 8, "SOPS"},
		{"SOPS value", head + "spec:\n  replicas: ENC[AES256_GCM,data:x]\n", "spec.replicas", 0, "SOPS"},
		{"UTF-16", "\xff\xfea\x00", "spec.replicas", 0, "UTF-8"},
		{"Latin-1", head + "# gr\xfcn\n", "spec.replicas", 0, "UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := Set("a.yaml", []byte(tt.src), checkout, mustPath(t, tt.path), "5")
			var r *Refusal
			if !errors.As(err, &r) {
				t.Fatalf("got %v and\n%s", err, out)
			}
			if r.File != "a.yaml" || r.Line != tt.line || !strings.Contains(r.Why, tt.why) {
				t.Errorf("got %+v, want line %d and %q", r, tt.line, tt.why)
			}
		})
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "\xff", "{{ .Values.n }}", "${N}", "ENC[AES256_GCM,data:x]"} {
		var r *Refusal
		if out, err := Set("a.yaml", []byte(deployment), checkout, mustPath(t, "spec.replicas"), value); !errors.As(err, &r) || r.Line != 6 {
			t.Errorf("%q: %v\n%s", value, err, out)
		}
	}
}

func TestNotFoundAndAmbiguous(t *testing.T) {
	t.Parallel()
	twice := deployment + "---\n" + deployment
	apart := strings.Replace(deployment, "{name: checkout,", "{name: checkout, namespace: a,", 1) + "---\n" +
		strings.Replace(deployment, "{name: checkout,", "{name: checkout, namespace: shop,", 1)
	tests := []struct {
		name, src, path string
		sel             Selector
		want            error
	}{
		{"no such object", deployment, "spec.replicas", Selector{"apps", "Deployment", "", "cart"}, ErrNotFound},
		{"another group", deployment, "spec.replicas", Selector{"", "Deployment", "", "checkout"}, ErrNotFound},
		{"another namespace", apart, "spec.replicas", Selector{"apps", "Deployment", "b", "checkout"}, ErrNotFound},
		{"the namespace decides", apart, "spec.replicas", checkout, nil},
		{"no such field", deployment, "spec.paused", checkout, ErrNotFound},
		{"no such element", deployment, "spec.template.spec.containers[name=x].image", checkout, ErrNotFound},
		{"beyond the list", deployment, "spec.template.spec.containers[2].image", checkout, ErrNotFound},
		{"a list as a mapping", deployment, "spec.template.spec.containers.image", checkout, ErrNotFound},
		{"the object twice", twice, "spec.replicas", checkout, ErrAmbiguous},
		{"the element twice", strings.Replace(deployment, `"sidecar"`, "app", 1), "spec.template.spec.containers[name=app].image", checkout, ErrAmbiguous},
		{"empty", "", "spec.replicas", checkout, ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Find("a.yaml", []byte(tt.src), tt.sel, mustPath(t, tt.path)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSyntaxErrorSaysWhere(t *testing.T) {
	t.Parallel()
	_, err := Find("a.yaml", []byte("a: 1\nb: 2\nc 2\nd: 3\n"), checkout, mustPath(t, "spec.replicas"))
	var s *SyntaxError
	if !errors.As(err, &s) || s.File != "a.yaml" || s.Line != 3 {
		t.Errorf("got %v", err)
	}
}

func FuzzSet(f *testing.F) {
	f.Add([]byte(deployment), "spec.replicas", "7")
	f.Add([]byte(strings.ReplaceAll(deployment, "\n", "\r\n")), "spec.template.spec.containers[name=app].resources.limits.memory", "1Gi")
	f.Add([]byte("\ufeff"+deployment), "spec.template.spec.containers[1].env[name=B].value", "'\"#: ]}")
	f.Add([]byte("{apiVersion: apps/v1, kind: Deployment, metadata: {name: checkout}, a: [x, 'y''z', \"\\u263a\"]}"), "a[1]", "no")
	f.Add([]byte("kind: Deployment\rapiVersion: apps/v1\rmetadata:\r  name: checkout\ra: b\u2028c: d"), "a", "- x")
	f.Fuzz(func(t *testing.T, src []byte, path, value string) {
		p, err := ParsePath(path)
		if err != nil {
			return
		}
		sel := Selector{Group: "apps", Kind: "Deployment", Name: "checkout"}
		pos, err := Find("f", src, sel, p)
		out, serr := Set("f", src, sel, p, value)
		if err != nil {
			if serr == nil {
				t.Fatalf("set what is not found: %v", err)
			}
			return
		}
		if serr != nil {
			return
		}
		if !bytes.HasPrefix(out, src[:pos.Start]) || !bytes.HasSuffix(out[pos.Start:], src[pos.End:]) {
			t.Fatalf("bytes outside the value changed:\n%q\n%q", src, out)
		}
		again, err := Find("f", out, sel, p)
		if err != nil || again.Value != value || again.Start != pos.Start || again.Line != pos.Line {
			t.Fatalf("reads as %+v, %v; want %q\n%q", again, err, value, out)
		}
		back, err := Set("f", out, sel, p, pos.Value)
		if err != nil && pos.Value != "" {
			t.Fatalf("cannot be set back: %v\n%q", err, out)
		}
		if final, err := Find("f", back, sel, p); pos.Value != "" && (err != nil || final.Value != pos.Value) {
			t.Fatalf("set back to %+v, %v", final, err)
		}
	})
}
