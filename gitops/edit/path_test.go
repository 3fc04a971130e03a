package edit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want Path
		text string // if it is not in
	}{
		{in: "spec.replicas", want: Path{{Key: "spec"}, {Key: "replicas"}}},
		{in: "a[name=app].b-c", want: Path{{Key: "a"}, {By: "name", Value: "app"}, {Key: "b-c"}}},
		{in: "a[0][1]", want: Path{{Key: "a"}, {Index: 0}, {Index: 1}}},
		{in: "a['x.y/z'].b", want: Path{{Key: "a"}, {Key: "x.y/z"}, {Key: "b"}}},
		{in: "['it''s']", want: Path{{Key: "it's"}}},
		{in: "a[name='x]y']", want: Path{{Key: "a"}, {By: "name", Value: "x]y"}}},
		{in: "a[name='x']", want: Path{{Key: "a"}, {By: "name", Value: "x"}}, text: "a[name=x]"},
		{in: "a['b']", want: Path{{Key: "a"}, {Key: "b"}}, text: "a.b"},
	}
	for _, tt := range tests {
		got, err := ParsePath(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, %v", tt.in, got, err)
		}
		if tt.text == "" {
			tt.text = tt.in
		}
		if got.String() != tt.text {
			t.Errorf("%s is written %s", tt.in, got)
		}
	}
	for _, in := range []string{"", ".", ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[name=]", "a[name=x", "a['", "a['']", "a['b'", "a['b'x]",
		"a[=b]", "a]b", "a b", "a[0]b", "a[99999999999]", "ä", "a[name='x", "a[name='x'y]"} {
		if p, err := ParsePath(in); err == nil {
			t.Errorf("%q is read as %#v", in, p)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a.b", "a[name=x].b", "a['x.y']", "a[0]", "a[name='']", "['']"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q: %#v is written %q, which is %#v, %v", s, p, p.String(), again, err)
		}
	})
}

func decode(t *testing.T, s string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGet(t *testing.T) {
	t.Parallel()
	doc := decode(t, `{"a":[{"name":"x","v":1},{"name":"y"},{"name":"y"}],"b":{"c":null}}`)
	for path, want := range map[string]any{"a[name=x].v": 1.0, "a[0].v": 1.0, "b.c": nil} {
		if got, ok := mustPath(t, path).Get(doc); !ok || got != want {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"a[name=y]", "a[name=z]", "a[3]", "a.b", "b.d", "b[0]", "b.c.d"} {
		if got, ok := mustPath(t, path).Get(doc); ok {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, a, b string
		want       []Difference
	}{
		{"equal", `{"a":[1]}`, `{"a":[1]}`, nil},
		{"a leaf of a named element", `{"c":[{"name":"x","m":"1"},{"name":"y","m":"1"}]}`, `{"c":[{"name":"x","m":"1"},{"name":"y","m":"2"}]}`,
			[]Difference{{"c[name=y].m", "1", "2"}}},
		{"a named element inserted before", `{"c":[{"name":"y"}]}`, `{"c":[{"name":"x"},{"name":"y"}]}`, []Difference{{"c[name=x].name", "", "x"}}},
		{"by index without names", `{"c":[{"p":80}]}`, `{"c":[{"p":81},{"p":82}]}`, []Difference{{"c[0].p", "80", "81"}, {"c[1].p", "", "82"}}},
		{"another order", `{"c":[{"name":"x"},{"name":"y"}]}`, `{"c":[{"name":"y"},{"name":"x"}]}`, []Difference{{"c", "x, y", "y, x"}}},
		{"added and removed leaves", `{"a":{"b":1}}`, `{"c":{"x.y":true}}`, []Difference{{"a.b", "1", ""}, {"c['x.y']", "", "true"}}},
		{"null is not nothing", `{"a":null}`, `{}`, []Difference{{"a", "null", ""}}},
		{"empty is not nothing", `{}`, `{"a":{},"b":[]}`, []Difference{{"a", "", "{}"}, {"b", "", "[]"}}},
		{"another type", `{"a":{"b":1}}`, `{"a":[1]}`, []Difference{{"a", `{"b":1}`, "[1]"}}},
		{"a string that looks like a number", `{"a":1}`, `{"a":"1"}`, []Difference{{"a", "1", "1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Differences(decode(t, tt.a), decode(t, tt.b)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestScaleQuantity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		current  string
		by       float64
		min, max string
		want     string
	}{
		{"512Mi", 2, "256Mi", "2Gi", "1Gi"},
		{"1536Mi", 2, "", "2Gi", "2Gi"},
		{"3Gi", 2, "", "2Gi", "3Gi"},
		{"64Mi", 2, "256Mi", "2Gi", "256Mi"},
		{"100Mi", 1.3, "", "", "130Mi"},
		{"1Gi", 1.3, "", "", "1332Mi"},
		{"500m", 1.5, "", "", "750m"},
		{"0.5", 2, "", "", "1"},
		{"1.5", 1.5, "", "", "2250m"},
		{"512M", 1.5, "", "", "768M"},
		{"3", 1.5, "", "10", "5"},
		{"8", 2, "1", "10", "10"},
		{"1073741824", 2, "", "", "2147483648"},
		{"1Gi", 0.5, "", "", "512Mi"},
		{"1Gi", 0.5, "2Gi", "", "1Gi"},
		{"1Gi", 1, "", "", "1Gi"},
		{"1Gi", 1e300, "", "2Gi", "2Gi"},
	}
	for _, tt := range tests {
		got, err := ScaleQuantity(tt.current, false, tt.by, tt.min, tt.max)
		if err != nil || got != tt.want {
			t.Errorf("%s × %v within [%s, %s]: got %s, %v, want %s", tt.current, tt.by, tt.min, tt.max, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		current string
		by      float64
		max     string
	}{{"x", 2, ""}, {"1Gi", 0, ""}, {"1Gi", -1, ""}, {"0", 2, ""}, {"1Gi", 2, "much"}, {"", 2, ""}, {"1Gi", 1e300, ""}, {"1Gi", 2, "1Mi"}, {"1e2000000000", 2, ""}} {
		if got, err := ScaleQuantity(tt.current, false, tt.by, map[bool]string{true: "1Gi"}[tt.max == "1Mi"], tt.max); err == nil {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

// A processor has parts, a pod and a device do not, and memory stays in the units that people read.
func TestScaleByWhatTheFieldIs(t *testing.T) {
	t.Parallel()
	api := Selector{Group: "apps", Kind: "Deployment", Name: "api"}
	const resources = "spec.template.spec.containers[name=api].resources.limits"
	for _, c := range []struct {
		sel         Selector
		field, from string
		by          float64
		want        string
	}{
		{api, resources + ".cpu", "1", 1.5, "1500m"},
		{api, resources + ".cpu", "2", 1.5, "3"},
		{api, resources + ".cpu", "1", 0.25, "250m"},
		{api, resources + ".cpu", "250m", 1.5, "375m"},
		{api, resources + ".memory", "512Mi", 1.5, "768Mi"},
		{api, resources + ".memory", "1Gi", 1.5, "1536Mi"},
		{api, resources + ".memory", "1", 1.5, "2"}, // bytes
		{api, resources + "['nvidia.com/gpu']", "1", 1.5, "2"},
		{api, "spec.replicas", "3", 1.5, "5"},
		{Selector{Kind: "ResourceQuota"}, "spec.hard['limits.cpu']", "1", 1.5, "1500m"},
		{Selector{Kind: "ResourceQuota"}, "spec.hard.pods", "3", 1.5, "5"},
		{Selector{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}, "spec.metrics[0].pods.target.averageValue", "1", 1.5, "1500m"},
		{Selector{Group: "monitoring.coreos.com", Kind: "Prometheus"}, "spec.resources.limits.cpu", "1", 1.5, "1500m"},
		{Selector{Group: "example.com", Kind: "Pool"}, "spec.size", "3", 1.5, "5"},
	} {
		p, err := ParsePath(c.field)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ScaleQuantity(c.from, Divides(c.sel, p), c.by, "", ""); err != nil || got != c.want {
			t.Errorf("%s of %s × %v: %s, %v, want %s", c.field, c.sel.Kind, c.by, got, err, c.want)
		}
	}
}

func TestQuantityWithin(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"768Mi": "", "1e9": "", "1E": "above 2Gi", "0": "not above 0", "-1": "not above 0", "1Mi": "below 64Mi", "x": "no quantity",
		// What takes all the memory to compare.
		"1e2000000000": "exponent", "1E+2000000000": "exponent", "1e-2000000000": "exponent", "1234567890123456789012e2000000000": "exponent",
		"1e99999999999999999999": "exponent",
	} {
		if err := Within(value, "64Mi", "2Gi"); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
