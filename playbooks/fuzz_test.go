package playbooks

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Whatever the bytes: no panic, no endless work; and what loads keeps its promises.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	shipped, err := fs.ReadFile(Catalogue(), "raise-memory-limit/playbook.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shipped)
	for _, way := range []string{"env: {container: $container, name: A, value: b}", "annotation: {name: a/b, value: c, on: pods}", "suspend: true",
		"autoscaler: {minReplicas: {by: 2, min: 1, max: 3}}", "patch: {spec: {a: [$name, {b: null}]}}", "revert: {suspect: {within: 2h}}",
		"json6902: [{op: add, path: /spec/a~1b, value: {c: $namespace}}]", "{field: a.b, rollBack: {healthyFor: 24h, changedWithin: 2h}}"} {
		f.Add([]byte(strings.Replace(good, field, way, 1)))
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("- \xff"))
	f.Fuzz(func(t *testing.T, src []byte) {
		pbs, err := Load(files(string(src)))
		if err != nil {
			if err.Error() == "" || pbs != nil {
				t.Fatalf("%v with %v", err, pbs)
			}
			return
		}
		p := pbs[0]
		if p.Name != "raise" || p.People < 1 || p.Window <= 0 || len(p.Checks) == 0 || len(p.Edits) == 0 || len(p.Alerts) == 0 {
			t.Fatalf("loaded %+v", p)
		}
		bound, err := Bind(p, Binding{Namespace: "shop", Name: "checkout", Container: "app"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range bound.Edits {
			for _, text := range []string{e.Patch, e.JSON6902} {
				var v any
				if err := yaml.Unmarshal([]byte(text), &v); err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				for name := range known {
					if text != "" && strings.Contains(fmt.Sprint(v), name) {
						t.Fatalf("%s is left in %q", name, text)
					}
				}
			}
		}
		for i, c := range bound.Checks {
			if c.For > p.Window {
				t.Fatalf("check %+v, window %s", c, p.Window)
			}
			for name := range known {
				if strings.Contains(c.Query, name) && !strings.Contains(p.Checks[i].Query, "#") {
					t.Fatalf("%s is left in %q", name, c.Query)
				}
			}
		}
		if _, err := Explain(p, Explanation{Alerts: []string{"A"}}); err != nil {
			t.Logf("explain: %v", err) // a function may refuse these values; it must only come back
		}
		Match(pbs, Facts{Alerts: p.Alerts, Root: Root{Kind: "Deployment", Namespace: "shop", Name: "checkout"}, Container: "app"})
	})
}
