package playbooks

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	raise := func(name, when string, risk Risk, alerts ...string) Playbook {
		src := strings.NewReplacer("name: raise", "name: "+name, "risk: low", "risk: "+string(risk), "[OOM]", "["+strings.Join(alerts, ", ")+"]").Replace(good)
		line := `  when: incident.root.kind == "Deployment" && incident.signals > 1 && "OOM" in incident.alerts` + "\n"
		if when != "" {
			when = "  when: " + when + "\n"
		}
		pbs, err := Load(fstest.MapFS{name + "/playbook.yaml": {Data: []byte(strings.Replace(src, line, when, 1))}})
		if err != nil {
			t.Fatal(err)
		}
		return pbs[0]
	}
	facts := Facts{Root: Root{Kind: "Deployment", Group: "apps", Namespace: "shop", Name: "checkout"}, Alerts: []string{"OOM"}, Signals: 3, Container: "app"}
	for _, c := range []struct {
		name  string
		pbs   []Playbook
		facts func(*Facts)
		want  string
		why   string
	}{
		{"condition beats alerts alone", []Playbook{raise("a", "", Low, "OOM"), raise("b", `incident.signals > 2`, High, "OOM")}, nil, "b", "fits too, but b also states a condition"},
		{"lower risk", []Playbook{raise("a", "", Medium, "OOM"), raise("b", "", Low, "X, OOM")}, nil, "b", "fits too, but b has the lower risk"},
		{"name", []Playbook{raise("b", "", Low, "OOM"), raise("a", "", Low, "OOM")}, nil, "a", "fits as well as a"},
		{"alerts", []Playbook{raise("a", "", Low, "Errors")}, nil, "", "is for Errors"},
		{"condition", []Playbook{raise("a", "incident.signals == 2", Low, "OOM")}, nil, "", "its condition does not hold: incident.signals == 2"},
		{"condition breaks", []Playbook{raise("a", `incident.alerts[7] == "x"`, Low, "OOM")}, nil, "", "cannot be evaluated"},
		{"condition too dear", []Playbook{raise("a", `incident.alerts.all(a, incident.alerts.all(b, incident.alerts.all(c, a + b + c != "")))`, Low, "OOM")},
			func(f *Facts) { f.Alerts = append(strings.Split(strings.Repeat("A ", 500), " "), "OOM") }, "", "cannot be evaluated"},
		{"no container", []Playbook{raise("a", "", Low, "OOM")}, func(f *Facts) { f.Container = "" }, "", "needs a container"},
		{"foreign name", []Playbook{raise("a", "", Low, "OOM")}, func(f *Facts) { f.Root.Name = `x"}` }, "", "is not a DNS name"},
		{"nothing", nil, nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := facts
			if c.facts != nil {
				c.facts(&f)
			}
			got, whys := Match(c.pbs, f)
			if (got == nil) != (c.want == "") || got != nil && got.Name != c.want {
				t.Errorf("matched %v, want %q", got, c.want)
			}
			if c.why != "" && (len(whys) != 1 || !strings.Contains(whys[0].Why, c.why)) {
				t.Errorf("why %v, want %q", whys, c.why)
			}
		})
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, good)
	got, err := Bind(p, Binding{Namespace: "shop", Name: "check.out", Container: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `spec.template.spec.containers[name=app].resources.limits.memory`; got.Edits[0].Field != want {
		t.Errorf("field %s", got.Edits[0].Field)
	}
	if want := `sum(increase(restarts{namespace="shop",pod=~"check\\.out-.+$"}[2m])) or vector(0)`; got.Checks[0].Query != want {
		t.Errorf("query %s", got.Checks[0].Query)
	}
	if strings.Contains(p.Edits[0].Field, "app") || !strings.Contains(p.Checks[0].Query, "$name") {
		t.Error("the playbook itself was changed")
	}
	for _, b := range []Binding{
		{Namespace: `shop"}`, Name: "checkout", Container: "app"},
		{Namespace: "shop.x", Name: "checkout", Container: "app"},
		{Namespace: "shop", Name: "check..out", Container: "app"},
		{Namespace: "shop", Name: "checkout\n", Container: "app"},
		{Namespace: "shop", Name: ".*", Container: "app"},
		{Namespace: "shop", Name: "checkout", Container: "app]"},
		{Namespace: "shop", Name: "checkout", Container: "App"},
		{Namespace: "shop", Name: strings.Repeat("a.", 127) + "a", Container: "app" /* 255 */},
		{Namespace: "shop", Name: "checkout"},
	} {
		if got, err := Bind(p, b); err == nil {
			t.Errorf("bound %+v to %+v", b, got)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	data := Explanation{Container: "app", Alerts: []string{"A", "B"}, From: "1Gi", To: "2Gi"}
	got, err := Explain(mustLoad(t, good), data)
	if err != nil || got != "app A B 1Gi -> 2Gi" {
		t.Errorf("%q %v", got, err)
	}
	data.From = strings.Repeat("x", maxExplain)
	if got, err := Explain(mustLoad(t, good), data); !errors.Is(err, errTooLong) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A value that looks like something else stays a text, and a name is no YAML.
func TestBindFillsFragments(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, change(t, field, "patch: {spec: {a: $name, b: [$container, $namespace]}}"))
	b, err := Bind(p, Binding{Namespace: "no", Name: "1.5", Container: "true"})
	if want := "{spec: {a: \"1.5\", b: [\"true\", \"no\"]}}\n"; err != nil || b.Edits[0].Patch != want {
		t.Errorf("%q %v", b.Edits[0].Patch, err)
	}
	if _, err := Bind(p, Binding{Namespace: "a", Name: "b: c", Container: "d"}); err == nil {
		t.Error("a name that is none was taken")
	}
}
