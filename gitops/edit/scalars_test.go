package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const scalarsFile = "\xef\xbb\xbfapiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {name: a}\r\ndata:\r\n  values.yaml: |\r\n\r\n    # inner\r\n    tag: \"1.0\" # pinned\r\n    é: [x, {y: 2}]\r\n  plain: |\r\n    no YAML at all\r\n  nothing:\r\n  empty: \"\"\r\n  size: ${size:=2Gi}/${zone}\r\n" +
	"---\r\nkind: Other\r\nmetadata: {name: b}\r\nspec: {a: &x 1, b: *x}\r\n---\r\n- op: add\r\n  value: 5\r\n"

func TestScalars(t *testing.T) {
	t.Parallel()
	all, err := Scalars("f.yaml", []byte(scalarsFile))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		line := fmt.Sprintf("%d:%d %s%s", s.Line, s.Column, s.Object.Kind, s.Path)
		if s.Inner != nil {
			line += "|" + s.Inner.String()
		}
		if s.Variable != "" {
			line += " $" + s.Variable
		}
		if s.Refused != nil {
			line += " refused"
		}
		got = append(got, line+" "+s.Value)
	}
	want := []string{
		"1:13 ConfigMapapiVersion v1", "2:7 ConfigMapkind ConfigMap", "3:18 ConfigMapmetadata.name a",
		"8:10 ConfigMapdata['values.yaml']|tag 1.0", "9:9 ConfigMapdata['values.yaml']|['é'][0] x", "9:16 ConfigMapdata['values.yaml']|['é'][1].y 2",
		"10:10 ConfigMapdata.plain refused no YAML at all\n", "12:11 ConfigMapdata.nothing ", "13:10 ConfigMapdata.empty ",
		"14:17 ConfigMapdata.size $size 2Gi", "14:9 ConfigMapdata.size refused ${size:=2Gi}/${zone}",
		"16:7 Otherkind Other", "17:18 Othermetadata.name b", "18:11 Otherspec.a refused 1", "18:20 Otherspec.b refused 1",
		"20:7 [0].op add", "21:10 [0].value 5",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestScalarSet(t *testing.T) {
	t.Parallel()
	tests := []struct{ at, to, was, is string }{
		{"8:10", "2.0", `tag: "1.0" # pinned`, `tag: "2.0" # pinned`},
		{"9:16", "30", "{y: 2}", "{y: 30}"},
		{"9:9", "tru", "[x,", "[tru,"},
		{"12:11", "new", "nothing:", "nothing: new"},
		{"13:10", "on", `empty: ""`, `empty: "on"`},
		{"14:17", "4Gi", "${size:=2Gi}", "${size:=4Gi}"},
		{"21:10", "6", "value: 5", "value: 6"},
	}
	all, err := Scalars("f.yaml", []byte(scalarsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.at, func(t *testing.T) {
			t.Parallel()
			for _, s := range all {
				if fmt.Sprintf("%d:%d", s.Line, s.Column) != tt.at {
					continue
				}
				out, err := s.Set(tt.to)
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.Replace(scalarsFile, tt.was, tt.is, 1); string(out) != want {
					t.Errorf("got %q", out)
				}
				again, err := s.In(out)
				if err != nil || again.Value != tt.to {
					t.Errorf("again: %v %v", again.Value, err)
				}
				return
			}
			t.Error("it is not listed")
		})
	}
}

func TestScalarSetRefuses(t *testing.T) {
	t.Parallel()
	all, err := Scalars("f.yaml", []byte(scalarsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		for _, bad := range []string{"", "a\xff", "${x}", "{{ .x }}"} {
			if out, err := s.Set(bad); err == nil {
				t.Errorf("%d:%d takes %q: %q", s.Line, s.Column, bad, out)
			}
		}
		if s.Variable != "" {
			if out, err := s.Set("a}b"); err == nil {
				t.Errorf("a default takes a brace: %q", out)
			}
		}
	}
}

// A value that is set is there, and all bytes around it are as they were.
func FuzzScalars(f *testing.F) {
	f.Add(scalarsFile, uint8(3), "7")
	f.Add("a: |\n  b: |\n    c: 1\n", uint8(0), "x: y")
	f.Add("a: |2\n    b: 1\nc: ${d:-e}\n", uint8(1), "no")
	f.Fuzz(func(t *testing.T, src string, i uint8, value string) {
		all, err := Scalars("f.yaml", []byte(src))
		if err != nil || len(all) == 0 {
			return
		}
		s := all[int(i)%len(all)]
		out, err := s.Set(value)
		if err != nil {
			return
		}
		if slices.Contains([]string{"apiVersion", "kind", "metadata.name", "metadata.namespace"}, s.Path.String()) {
			return // it is another object now
		}
		again, err := s.In(out)
		if err != nil || again.Value != value {
			t.Fatalf("%q at %d:%d of %q is %q in %q, %v", value, s.Line, s.Column, src, again.Value, out, err)
		}
	})
}

// A file of JSON stays one: a number in it does not become a bare quantity, and nothing is added as YAML writes it.
func TestJSONStaysJSON(t *testing.T) {
	t.Parallel()
	src := []byte(`{"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"memory": 2, "image": "api:1"}}`)
	sel := Selector{Kind: "ConfigMap", Name: "a"}
	at := func(key string) Path { return Path{{Key: "data"}, {Key: key}} }
	var r *Refusal
	if out, err := Set("a.json", src, sel, at("memory"), "2Gi"); !errors.As(err, &r) {
		t.Errorf("%s %v", out, err)
	}
	if out, err := Add("a.json", src, sel, at("more"), "x"); !errors.As(err, &r) {
		t.Errorf("%s %v", out, err)
	}
	all, err := Scalars("a.json", src)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Value == "2" {
			if out, err := c.Set("2Gi"); !errors.As(err, &r) {
				t.Errorf("%s %v", out, err)
			}
		}
	}
	if out, err := Set("a.json", src, sel, at("image"), "yes"); err != nil || !json.Valid(out) || !strings.Contains(string(out), `"image": "yes"`) {
		t.Errorf("%s %v", out, err)
	}
	if out, err := Set("a.yaml", src, sel, at("memory"), "2Gi"); err != nil || !strings.Contains(string(out), `"memory": 2Gi`) {
		t.Errorf("%s %v", out, err)
	}
}
