package edit

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kyaml "sigs.k8s.io/yaml"
)

const pods = `
 spec:
   replicas: 2   # two zones
   template:
     spec:
       # who runs
       containers:
       -   name: "app" # ours
           image: shop/checkout:1
           args: [serve, --port=80]
           env:
           - {name: A, value: a}
           ports:
           - containerPort: 80
       - name: proxy
         image: envoy:1
       volumes: []

       tolerations:
         - key: spot
`

func TestPatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ patch, old, new string }{
		"a scalar":            {"spec: {replicas: 3}", " replicas: 2 ", " replicas: 3 "},
		"nothing new":         {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\nspec: {replicas: 2, template: {spec: {volumes: []}}}", "", ""},
		"a container by name": {"spec: {template: {spec: {containers: [{name: proxy, image: 'envoy:2'}]}}}", "image: envoy:1", "image: envoy:2"},
		"a new key of one":    {"spec: {template: {spec: {containers: [{name: proxy, resources: {limits: {memory: 1Gi}}}]}}}", "         image: envoy:1\n", "         image: envoy:1\n         resources:\n           limits:\n             memory: 1Gi\n"},
		"a new container":     {"spec: {template: {spec: {containers: [{name: new, image: i, args: [a]}]}}}", "         image: envoy:1\n", "         image: envoy:1\n       - name: new\n         image: i\n         args:\n         - a\n"},
		"a variable":          {"spec: {template: {spec: {containers: [{name: app, env: [{name: B, value: '1'}]}]}}}", "{name: A, value: a}\n", "{name: A, value: a}\n           - name: B\n             value: '1'\n"},
		"a port by number":    {"spec: {template: {spec: {containers: [{name: app, ports: [{containerPort: 80, name: http}]}]}}}", "containerPort: 80\n", "containerPort: 80\n             name: http\n"},
		"a list as a whole":   {"spec: {template: {spec: {containers: [{name: app, args: [serve, --port=81, -v]}]}}}", "[serve, --port=80]", `[serve, --port=81, "-v"]`},
		"null removes":        {"spec: {template: {spec: {tolerations: null, affinity: null}}}", "       tolerations:\n         - key: spot\n", ""},
		"delete an element":   {"spec: {template: {spec: {containers: [{name: proxy, $patch: delete}, {name: x, $patch: delete}]}}}", "       - name: proxy\n         image: envoy:1\n", ""},
		"replace a list":      {"spec: {template: {spec: {containers: [{$patch: replace}, {name: app}]}}}", pods[strings.Index(pods, "           image: shop"):strings.Index(pods, "       volumes")], ""},
		"replace a mapping":   {"spec: {template: {$patch: replace, spec: {containers: []}}}", pods[strings.Index(pods, "       containers:\n"):], "       containers: []\n\n"},
		"an empty list":       {"spec: {template: {spec: {volumes: [{name: v, emptyDir: {}}]}}}", "volumes: []", "volumes: [{name: v, emptyDir: {}}]"},
		"a new tree":          {"spec: {strategy: {type: Recreate, rollingUpdate: null}}", "         - key: spot\n", "         - key: spot\n   strategy:\n     type: Recreate\n"},
		"labels":              {"metadata: {labels: {a: 'yes', b: \"2\", c.d/e: x}}", "   name: checkout\n", "   name: checkout\n   labels:\n     a: 'yes'\n     b: \"2\"\n     c.d/e: x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := " apiVersion: apps/v1\n kind: Deployment\n metadata:\n   name: checkout" + pods
			if c.old != "" && strings.Count(src, c.old) != 1 {
				t.Fatalf("the test is wrong: %q is there %d times", c.old, strings.Count(src, c.old))
			}
			want := strings.Replace(src, c.old, c.new, 1)
			flush := func(s string) string { return strings.ReplaceAll("\n"+s, "\n ", "\n")[1:] }
			for shape, of := range looks {
				got, err := Patch("a.yaml", []byte(of(flush(src))), checkout, []byte(c.patch))
				if err != nil || string(got) != of(flush(want)) {
					t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", shape, err, got, of(flush(want)))
				}
			}
			merged(t, flush(src), c.patch, checkout)
		})
	}
}

// merged holds Patch to what Kubernetes makes of the same patch.
func merged(t *testing.T, src, patch string, sel Selector) {
	t.Helper()
	got, err := Patch("a.yaml", []byte(src), sel, []byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	before, after, wanted := decodedJSON(t, src), decodedJSON(t, string(got)), []byte(nil)
	p, err := kyaml.YAMLToJSON([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	if wanted, err = strategicpatch.StrategicMergePatch(before, p, appsv1.Deployment{}); err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if json.Unmarshal(after, &a) != nil || json.Unmarshal(wanted, &b) != nil {
		t.Fatal("no JSON")
	}
	if m, _ := b["metadata"].(map[string]any); m != nil {
		delete(m, "namespace") // the patch only says by it what it is for
	}
	for _, d := range Differences(b, a) {
		from, to := strings.Split(d.From, ", "), strings.Split(d.To, ", ") // Kubernetes puts new elements first, a person last
		slices.Sort(from)
		slices.Sort(to)
		if len(from) < 2 || !slices.Equal(from, to) {
			t.Errorf("Kubernetes makes another of it: %v", d)
		}
	}
}

func decodedJSON(t *testing.T, src string) []byte {
	t.Helper()
	out, err := kyaml.YAMLToJSON([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPatchOfAnUnknownKindReplacesLists(t *testing.T) {
	t.Parallel()
	src := "apiVersion: example.com/v1\nkind: Shop\nmetadata: {name: a}\nspec:\n  items: # all\n  - {name: aa, n: 1}\n  - {name: bb, n: 2} # why\n"
	got, err := Patch("a.yaml", []byte(src), Selector{"example.com", "Shop", "", "a"}, []byte("spec: {items: [{name: bb, n: 2}]}"))
	want := strings.Replace(src, "{name: aa, n: 1}\n  - {name: bb, n: 2} # why\n", "{name: bb, n: 2}\n", 1)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	src := head + "x: &x {a: 1}\nspec:\n  y: *x\n  replicas: 3\n"
	for name, c := range map[string]struct{ patch, where, why string }{
		"another object":       {"metadata: {name: cart}", "patch:1:11", "another object"},
		"another kind":         {"kind: StatefulSet", "patch:1:7", "another object"},
		"another namespace":    {"metadata: {namespace: other}", "patch:1:11", "another object"},
		"two documents":        {"a: 1\n---\nb: 2", "patch", "one document"},
		"a list":               {"[a]", "patch:1:1", "mapping"},
		"an alias":             {"a: &b c\nd: *b", "patch:1:4", "anchors"},
		"a tag":                {"a: !x b", "patch:1:4", "tag"},
		"twice":                {"a: 1\na: 2", "patch:2:1", "twice"},
		"a template":           {"a: ${b}", "patch:1:4", "template"},
		"another directive":    {"spec: {$retainKeys: [a]}", "patch:1:8", "not supported"},
		"delete all":           {"$patch: delete", "patch:1:1", "not supported"},
		"not YAML":             {"a: [", "patch:1:1", ""},
		"through an alias":     {"spec: {y: {a: 2}}", "a.yaml:7:6", "alias"},
		"instead of an anchor": {"x: {a: 2}", "a.yaml:5:4", "anchor &x"},
		"an anchor away":       {"x: null", "a.yaml:5:4", "anchor &x"},
		"replace an element":   {"spec: {template: {spec: {containers: [{$patch: replace, name: app}]}}}", "patch:1:39", "stands alone"},
		"no key to merge by":   {"spec: {template: {spec: {containers: [{image: x}]}}}", "patch:1:39", "no name"},
	} {
		with := src
		if strings.Contains(c.patch, "containers") {
			with = head + "spec: {template: {spec: {containers: [{name: app}]}}}\n"
		}
		out, err := Patch("a.yaml", []byte(with), checkout, []byte(c.patch))
		if err == nil || !strings.HasPrefix(err.Error(), c.where+":") || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	var big strings.Builder
	for i := range 9000 {
		big.WriteString("a" + strings.Repeat("b", i%7) + ": 1\n")
	}
	var r *Refusal
	if _, err := Patch("a.yaml", []byte(src), checkout, []byte(big.String())); !errors.As(err, &r) {
		t.Errorf("a big patch: %v", err)
	}
}

func TestJSON6902(t *testing.T) {
	t.Parallel()
	src := head + "spec:\n  # two\n  replicas: 2 # zones\n  list:\n    # about a\n    - a\n    - b: 1\n\n    - c # last\n  flow: {x: 1, y: [p, q]}\n  \"a/b~c\": d\n"
	for name, c := range map[string]struct{ patch, old, new string }{
		"replace a scalar":   {`[{"op":"replace","path":"/spec/replicas","value":3}]`, "2 #", "3 #"},
		"replace an element": {`[{"op":"replace","path":"/spec/list/1/b","value":"1"}]`, "b: 1", `b: "1"`},
		"to a list":          {`[{"op":"replace","path":"/spec/replicas","value":[1,{"a":"b c"}]}]`, "  replicas: 2 # zones\n", "  replicas: # zones\n    - 1\n    - a: \"b c\"\n"},
		"from a list":        {`[{"op":"replace","path":"/spec/list","value":1}]`, "  list:\n    # about a\n    - a\n    - b: 1\n\n    - c # last\n", "  list: 1\n    # about a\n"},
		"add a key":          {`[{"op":"add","path":"/spec/flow/z","value":null}]`, "[p, q]}", "[p, q], z: null}"},
		"add what is there":  {`[{"op":"add","path":"/spec/flow/x","value":2}]`, "x: 1", "x: 2"},
		"add at the front":   {`[{"op":"add","path":"/spec/list/0","value":"new"}]`, "    # about a\n", "    - new\n    # about a\n"},
		"add in the middle":  {`[{"op":"add","path":"/spec/list/2","value":{"x":{"z":1}}}]`, "    - b: 1\n", "    - b: 1\n    - x:\n        z: 1\n"},
		"add at the end":     {`[{"op":"add","path":"/spec/list/-","value":[]}]`, "- c # last\n", "- c # last\n    - []\n"},
		"add into flow":      {`[{"op":"add","path":"/spec/flow/y/1","value":"o"}]`, "[p, q]", "[p, o, q]"},
		"escapes":            {`[{"op":"replace","path":"/spec/a~1b~0c","value":"e"}]`, ": d\n", ": e\n"},
		"remove":             {`[{"op":"remove","path":"/spec/list/0"}]`, "    - a\n", ""},
		"a test first":       {"- {op: test, path: /spec/replicas, value: 2}\n- {op: remove, path: /spec/replicas}", "  replicas: 2 # zones\n", ""},
		"one after another":  {`[{"op":"remove","path":"/spec/list/0"},{"op":"replace","path":"/spec/list/0/b","value":2},{"op":"add","path":"/spec/list/0/d","value":3}]`, "    - a\n    - b: 1\n", "    - b: 2\n      d: 3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for shape, of := range looks {
				want := of(strings.Replace(src, c.old, c.new, 1))
				got, err := JSON6902("a.yaml", []byte(of(src)), checkout, []byte(c.patch))
				if err != nil || string(got) != want {
					t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", shape, err, got, want)
				}
			}
		})
	}
}

func TestJSON6902Refuses(t *testing.T) {
	t.Parallel()
	src := head + "spec: {a: 1, list: [x]}\n"
	for name, c := range map[string]struct {
		patch, why string
		is         error
	}{
		"a test that fails":   {`[{"op":"remove","path":"/spec/a"},{"op":"test","path":"/spec/list/0","value":"y"}]`, "a.yaml:5:", ErrTest},
		"no such key":         {`[{"op":"remove","path":"/spec/b"}]`, "a.yaml:1:1", ErrNotFound},
		"no such parent":      {`[{"op":"add","path":"/spec/b/c","value":1}]`, "a.yaml", ErrNotFound},
		"beyond the list":     {`[{"op":"add","path":"/spec/list/2","value":1}]`, "a.yaml:5:20", ErrNotFound},
		"no index":            {`[{"op":"remove","path":"/spec/list/01"}]`, "no index", nil},
		"no pointer":          {`[{"op":"remove","path":"spec"}]`, "no JSON pointer", nil},
		"no value":            {`[{"op":"add","path":"/spec/b"}]`, "needs a value", nil},
		"move":                {`[{"op":"move","from":"/spec/a","path":"/spec/a","value":1}]`, "none of", nil},
		"no list":             {`{"op":"add"}`, "a list", nil},
		"it would be renamed": {`[{"op":"replace","path":"/metadata/name","value":"x"}]`, "cannot be replaced", nil},
		"another kind":        {`[{"op":"remove","path":"/kind"}]`, "without changing something else", nil},
	} {
		out, err := JSON6902("a.yaml", []byte(src), checkout, []byte(c.patch))
		if err == nil || out != nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), "patch:1:") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestRemainingStyleIsPlain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"name": true, "a": true, "registry.io/a/b:1.2": true, "y": false, "no": false, "true": false, "1": false,
		"1:30": false, "1Gi": true, "1.2.3": true, "1e3": false, "0x1f": false, "1_0": false, "2001-01-01": false, "a:": false, "a b": false, "": false, "-a": false, "null": false, "app.kubernetes.io/name": true, "x#y": false, "größer": false} {
		if plain(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
	if !slices.Equal([]string{key("on"), key("on1")}, []string{`"on"`, "on1"}) {
		t.Error("keys")
	}
}
