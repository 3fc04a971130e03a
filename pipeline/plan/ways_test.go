package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

const frame = `apiVersion: cortexops.io/v1alpha1
kind: Playbook
metadata: {name: x, description: x}
match: {alerts: [ContainerOOMKilled]}
edit:
  - %s
risk: low
approval: {people: 1, within: 15m}
verify: {window: 10m, checks: [{name: a, query: vector(0), must: == 0, for: 1m}]}
rollback: none
explain: "{{ .From }} {{ .To }} {{ .Commit }} {{ .Before }}"
`

var onset = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// request is about Deployment shop/api.
func request(files map[string]string) Request {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Request{Began: onset.Add(5 * time.Minute), Files: locate.FromFS(tree), Incident: incident.Incident{Onset: onset,
		Root:    incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "api"},
		Signals: []incident.Signal{{Name: "ContainerOOMKilled", Container: "app"}}}}
}

func planner(t *testing.T, edit string, overlays ...string) *Planner {
	t.Helper()
	books, err := playbooks.Load(fstest.MapFS{"x/playbook.yaml": {Data: fmt.Appendf(nil, frame, edit)}})
	if err != nil {
		t.Fatal(err)
	}
	return &Planner{Playbooks: books, Overlays: overlays}
}

// told is what a proposal changes, and the files.
func told(p incident.Proposal) (edits []string, files []string) {
	for _, e := range p.Edits {
		edits = append(edits, fmt.Sprintf("%s %s: %s -> %s", e.Resource, strings.TrimPrefix(e.Field, "spec.template.spec.containers[name=app]."), e.From, e.To))
	}
	for _, f := range p.Files {
		files = append(files, f.Path)
	}
	return edits, files
}

const hpa = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  minReplicas: 2
  maxReplicas: 3
`

var (
	own = map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/api.yaml": api}
	// shared is a base of two overlays.
	shared = map[string]string{"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": api,
		"prod/kustomization.yaml": "namespace: shop\nresources: [../base]\n", "staging/kustomization.yaml": "namespace: shop-staging\nresources: [../base]\n"}
	scaled = map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml, hpa.yaml]\n", "prod/api.yaml": api, "prod/hpa.yaml": hpa}
)

func TestWaysOfAnEdit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, edit string
		files      map[string]string
		edits      []string
		changed    []string
		text       string // of the first file, after
	}{
		{"env that is not there", "env: {container: $container, name: LOG_LEVEL, value: debug}", own,
			[]string{"Deployment shop/api env[name=LOG_LEVEL].name:  -> LOG_LEVEL", "Deployment shop/api env[name=LOG_LEVEL].value:  -> debug"},
			[]string{"prod/api.yaml"}, "          env:\n            - name: LOG_LEVEL\n              value: debug\n"},
		{"env that is there", "env: {container: app, name: A, value: 'yes'}",
			map[string]string{"prod/kustomization.yaml": own["prod/kustomization.yaml"], "prod/api.yaml": api + "          env: [{name: A, value: \"no\"}]\n"},
			[]string{"Deployment shop/api env[name=A].value: no -> yes"}, []string{"prod/api.yaml"}, `env: [{name: A, value: "yes"}]`},
		{"annotation", "annotation: {name: example.com/owner, value: basket}", own, []string{"Deployment shop/api metadata.annotations['example.com/owner']:  -> basket"},
			[]string{"prod/api.yaml"}, "  annotations:\n    example.com/owner: \"basket\"\n"},
		{"annotation of the pods", "annotation: {name: a, value: b, on: pods}", own, []string{"Deployment shop/api spec.template.metadata.annotations.a:  -> b"},
			[]string{"prod/api.yaml"}, "    metadata:\n      annotations:\n        a: \"b\"\n"},
		{"remove", "{field: 'spec.template.spec.containers[name=app].resources.limits.memory', remove: true}", own,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> "}, []string{"prod/api.yaml"}, "limits: {}\n"},
		{"patch", "patch: {spec: {paused: true, template: {spec: {containers: [{name: $container, tty: true}]}}}}", own,
			[]string{"Deployment shop/api spec.paused:  -> true", "Deployment shop/api tty:  -> true"}, []string{"prod/api.yaml"}, "          tty: true\n"},
		{"json6902", "json6902: [{op: replace, path: /spec/template/spec/containers/0/image, value: shop/api:1}]", own,
			[]string{"Deployment shop/api image: shop/api:1.4.0 -> shop/api:1"}, []string{"prod/api.yaml"}, "image: shop/api:1\n"},
		{"a patch for one of two overlays", "patch: {spec: {paused: true}}", shared, []string{"Deployment shop/api spec.paused:  -> true"},
			[]string{"prod/api-deployment-patch.yaml", "prod/kustomization.yaml"}, "spec:\n  paused: true\n"},
		{"the base of two overlays", "{field: 'spec.template.spec.containers[name=app].image', image: {tag: 1.3.0}, scope: base}", shared,
			[]string{"Deployment shop/api image: shop/api:1.4.0 -> shop/api:1.3.0", "Deployment shop-staging/api image: shop/api:1.4.0 -> shop/api:1.3.0"},
			[]string{"base/api.yaml"}, "shop/api:1.3.0"},
		{"a patch of the base", "{patch: {spec: {paused: true}}, scope: base}", shared,
			[]string{"Deployment shop/api spec.paused:  -> true", "Deployment shop-staging/api spec.paused:  -> true"}, []string{"base/api.yaml"}, "paused: true"},
		{"replicas that an autoscaler owns", "{field: spec.replicas, scale: {by: 2, min: 1, max: 10}}", scaled,
			[]string{"HorizontalPodAutoscaler shop/api spec.maxReplicas: 3 -> 4", "HorizontalPodAutoscaler shop/api spec.minReplicas: 2 -> 4"},
			[]string{"prod/hpa.yaml"}, "  minReplicas: 4\n  maxReplicas: 4\n"},
		{"a number of replicas that an autoscaler owns", "{field: spec.replicas, set: 3}", scaled,
			[]string{"HorizontalPodAutoscaler shop/api spec.minReplicas: 2 -> 3"}, []string{"prod/hpa.yaml"}, "minReplicas: 3\n"},
		{"an autoscaler", "autoscaler: {maxReplicas: {by: 2, min: 1, max: 5}}", scaled,
			[]string{"HorizontalPodAutoscaler shop/api spec.maxReplicas: 3 -> 5"}, []string{"prod/hpa.yaml"}, "maxReplicas: 5\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			overlays := []string{"prod"}
			if _, two := c.files["staging/kustomization.yaml"]; two {
				overlays = append(overlays, "staging")
			}
			p, wanted, err := planner(t, c.edit, overlays...).Propose(t.Context(), request(c.files))
			if err != nil || wanted != (Wanted{}) {
				t.Fatal(err, wanted)
			}
			edits, files := told(p)
			if !slices.Equal(edits, c.edits) || !slices.Equal(files, c.changed) || !strings.Contains(string(p.Files[0].After), c.text) {
				t.Errorf("%q\n%q\n%s", edits, files, p.Files[0].After)
			}
			changed := map[string]bool{}
			for i, o := range p.Objects {
				changed[o.Resource.Key()] = true
				if o.Resource.Version == "" || o.Digest == p.Before[i].Digest || o.Resource != p.Before[i].Resource || o.Overlay != p.Before[i].Overlay {
					t.Errorf("%+v after %+v", o, p.Before[i])
				}
			}
			for _, e := range p.Edits {
				if !changed[e.Resource.Key()] || e.Line == 0 || len(e.Why) < 2 {
					t.Errorf("%+v of %+v", e, p.Objects)
				}
			}
		})
	}
}

// What other overlays become is part of what is approved, and they are not said to be untouched.
func TestTheBaseIsShownInFull(t *testing.T) {
	t.Parallel()
	p, _, err := planner(t, "{patch: {spec: {paused: true}}, scope: base}", "prod", "staging").Propose(t.Context(), request(shared))
	if err != nil || len(p.Untouched) != 0 || len(p.Objects) != 2 || p.Objects[0].Overlay != "" || p.Objects[1].Overlay != "staging" || p.Overlay != "prod" {
		t.Errorf("%+v %v", p, err)
	}
}

func TestWaysAreRefused(t *testing.T) {
	t.Parallel()
	with := func(base map[string]string, path, old, new string) map[string]string {
		out := maps.Clone(base)
		out[path] = strings.Replace(out[path], old, new, 1)
		return out
	}
	for _, c := range []struct {
		name, edit string
		files      map[string]string
		why        string
	}{
		{"no autoscaler", "autoscaler: {maxReplicas: {by: 2, min: 1, max: 5}}", own, "has no HorizontalPodAutoscaler in git"},
		{"bounds that cross", "autoscaler: {minReplicas: {by: 3, min: 1, max: 9}, maxReplicas: {by: 1.5, min: 1, max: 5}}", scaled, "minReplicas 6 above maxReplicas 5"},
		{"an autoscaler that has it", "{field: spec.replicas, set: 2}", scaled, "already"},
		{"a number that is none", "{field: spec.replicas, set: many}", scaled, "anything but a number of pods"},
		{"env from elsewhere", "env: {container: app, name: A, value: b}", with(own, "prod/api.yaml", "          image", "          env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]\n          image"), "takes its value from elsewhere"},
		{"no such container", "env: {container: web, name: A, value: b}", own, "[name=web]"},
		{"an index that is none", "json6902: [{op: remove, path: /spec/template/spec/containers/x}]", own, "is no index of a list"},
		{"suspend what cannot be", "suspend: true", own, "cannot be suspended"},
		{"a patch for nothing", "patch: {spec: {template: {spec: {containers: [{name: app, image: shop/api:1.4.0}]}}}}", own, "already"},
		{"a patch with an unknown directive", "patch: {spec: {$retainKeys: [a]}}", own, "is not supported"},
		{"a test that fails", "json6902: [{op: test, path: /spec/template/spec/containers/0/name, value: web}, {op: remove, path: /spec/template}]", own, "the test of the patch fails"},
		{"too much", "patch: {metadata: {annotations: {" + many(61) + "}}}", own, "more than the 60"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := planner(t, c.edit, "prod").Propose(t.Context(), request(c.files))
			var none *incident.NoPlan
			if !errors.As(err, &none) || !strings.Contains(none.Why, c.why) {
				t.Errorf("%v", err)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: b,", i)
	}
	return b.String()
}

const image = "spec.template.spec.containers[name=app].image"

func TestRollBack(t *testing.T) {
	t.Parallel()
	files := map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\nimages: [{name: shop/api, newTag: 1.5.0}]\n", "prod/api.yaml": api}
	value := func(v, sha string, from, until time.Duration) repo.Value {
		out := repo.Value{Value: "shop/api:" + v, Set: true, Commit: repo.Commit{SHA: sha, When: onset.Add(-from), Subject: "ship " + v}}
		if until > 0 {
			out.Until = onset.Add(-until)
		}
		return out
	}
	day := 24 * time.Hour
	bad := value("1.5.0", "bad", time.Hour, 0)
	for _, c := range []struct {
		name   string
		values []repo.Value
		to     string
		why    string
	}{
		{"the one before", []repo.Value{bad, value("1.4.2", "good", 3*day, time.Hour)}, "1.4.2", ""},
		{"the last that held", []repo.Value{bad, value("1.4.3", "short", 2*time.Hour, time.Hour), value("1.4.2", "good", 3*day, 2*time.Hour)}, "1.4.2", ""},
		{"none held", []repo.Value{bad, value("1.4.3", "short", 2*time.Hour, time.Hour)}, "", "no earlier value is known that was in effect for 24h"},
		{"the beginning is not known", []repo.Value{bad, value("1.4.2", "", 0, time.Hour)}, "", "no earlier value is known"},
		{"it is old", []repo.Value{value("1.5.0", "bad", 5*time.Hour, 0), value("1.4.2", "good", 3*day, 5*time.Hour)}, "", "set by bad 5h before the incident began, more than the 2h"},
		{"somebody is at it", []repo.Value{value("1.5.0", "fix", -time.Minute, 0), value("1.4.2", "good", 3*day, time.Hour)}, "", "somebody is at it"},
		{"another value", []repo.Value{value("1.6.0", "x", time.Hour, 0)}, "", "does not say who set shop/api:1.5.0"},
		{"nothing", nil, "", "does not say who set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(files)
			plan := planner(t, "{field: '"+image+"', rollBack: {healthyFor: 24h, changedWithin: 2h}}", "prod")
			_, wanted, err := plan.Propose(t.Context(), r)
			if err != nil || wanted.History == nil || wanted.History.Path != "prod/kustomization.yaml" {
				t.Fatalf("%+v %v", wanted, err)
			}
			old := "images: [{name: other, newTag: '1'}, {name: shop/api, newTag: 1.4.9}]\n"
			if v, ok := wanted.History.Read([]byte(old)); !ok || v != "shop/api:1.4.9" {
				t.Errorf("an older file is read as %q %v", v, ok)
			}
			r.Histories = map[string][]repo.Value{wanted.History.Key(): c.values}
			p, _, err := plan.Propose(t.Context(), r)
			var none *incident.NoPlan
			switch {
			case c.why != "":
				if !errors.As(err, &none) || !strings.Contains(none.Why, c.why) {
					t.Errorf("%v", err)
				}
			case err != nil:
				t.Fatal(err)
			case !strings.Contains(string(p.Files[0].After), "newTag: "+c.to) || len(p.Files) != 1 || p.Edits[0].To != "shop/api:"+c.to ||
				!strings.Contains(strings.Join(p.Edits[0].Why, "\n"), "was in effect for") || p.Explain != "shop/api:1.5.0 shop/api:"+c.to+" bad 1h":
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestRevertASuspect(t *testing.T) {
	t.Parallel()
	web := strings.ReplaceAll(api, "name: api", "name: web")
	files := map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml, web.yaml]\n", "prod/api.yaml": api, "prod/web.yaml": web, "prod/x.yaml": "a"}
	less := strings.Replace(api, "512Mi", "1Gi", 1)
	root := request(files).Incident.Root
	suspect := func(sha string, before time.Duration, distance int) incident.Suspect {
		return incident.Suspect{SHA: sha, Before: before, Distance: distance, Paths: []string{"prod/api.yaml"}, Subject: "less memory"}
	}
	good := map[string][]byte{"prod/api.yaml": []byte(less), "README.md": []byte("x")}
	for _, c := range []struct {
		name     string
		suspects []incident.Suspect
		reverts  map[string]map[string][]byte
		clash    bool
		edits    []string
		why      string
	}{
		{"the likeliest", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"what else it did", []incident.Suspect{suspect("a", time.Hour, 0)},
			map[string]map[string][]byte{"a": {"prod/api.yaml": []byte(less), "prod/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi", "Deployment shop/web image: shop/api:1.4.0 -> shop/api:1.3.0"}, ""},
		{"the first that changes the root", []incident.Suspect{suspect("a", time.Minute, 0), suspect("b", time.Hour, 0)},
			map[string]map[string][]byte{"a": {"prod/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}, "b": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"one that is undone already", []incident.Suspect{suspect("a", time.Minute, 0), suspect("b", time.Hour, 0)}, map[string]map[string][]byte{"a": nil, "b": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"none", nil, nil, false, nil, "no commit is suspect"},
		{"too old", []incident.Suspect{suspect("a", 3*time.Hour, 0)}, nil, false, nil, "the likeliest, a, came 3h before the incident at distance 0, and the playbook takes back what came within 2h at distance 0"},
		{"too far", []incident.Suspect{suspect("a", time.Hour, 1)}, nil, false, nil, "at distance 1"},
		{"a conflict", []incident.Suspect{suspect("a", time.Hour, 0)}, nil, true, nil, "cannot be taken back: commit a cannot be undone: prod/api.yaml: line 3"},
		{"an object that goes", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/web.yaml": nil,
			"prod/kustomization.yaml": []byte("namespace: shop\nresources: [api.yaml]\n"), "prod/api.yaml": []byte(less)}}, false, nil, "Deployment shop/web would be gone from prod"},
		{"an object that comes", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/api.yaml": []byte(less + "---\n" + strings.ReplaceAll(api, "name: api", "name: new"))}},
			false, nil, "Deployment shop/new would be a new object"},
		{"what does not render", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/api.yaml": nil}}, false, nil, "prod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(files)
			r.Suspects, r.Reverts, r.Clashes = c.suspects, map[string]repo.Reverted{}, map[string]error{}
			plan := planner(t, "revert: {suspect: {within: 2h}}", "prod")
			var p incident.Proposal
			var wanted Wanted
			var err error
			for range 5 {
				if p, wanted, err = plan.Propose(t.Context(), r); wanted.Revert == "" {
					break
				}
				if c.clash {
					r.Clashes[wanted.Revert] = &repo.Conflict{Commit: wanted.Revert, Paths: []repo.Clash{{Path: "prod/api.yaml", Why: "line 3"}}}
				}
				r.Reverts[wanted.Revert] = repo.Reverted{Files: c.reverts[wanted.Revert]}
			}
			var none *incident.NoPlan
			if c.why != "" {
				if !errors.As(err, &none) || !strings.Contains(none.Why, c.why) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			edits, _ := told(p)
			last := c.suspects[len(c.suspects)-1]
			if !slices.Equal(edits, c.edits) || p.Reverts == nil || p.Reverts.SHA != last.SHA || p.Objects[0].Resource.Key() != root.Key() ||
				p.Edits[0].File != "prod/api.yaml" || p.Edits[0].Line != 13 || p.Explain != "512Mi 1Gi "+last.SHA+" 1h" {
				t.Errorf("%q %+v", edits, p)
			}
		})
	}
}

// Only what is rendered of the incident's workloads is a change of them.
func TestChanged(t *testing.T) {
	t.Parallel()
	plan := &Planner{Overlays: []string{"prod"}}
	inc := request(nil).Incident
	but := func(path, text string) locate.Files {
		out := maps.Clone(own)
		out[path] = text
		return request(out).Files
	}
	before := request(own).Files
	if r, fields, known := plan.Changed(inc, before, but("prod/api.yaml", strings.Replace(api, "512Mi", "1Gi", 1))); !known || r.Key() != inc.Root.Key() ||
		len(fields) != 1 || fields[0].From != "512Mi" || fields[0].To != "1Gi" {
		t.Errorf("%v %v %v", r, fields, known)
	}
	if _, fields, known := plan.Changed(inc, before, but("prod/api.yaml", api+"# a word\n")); !known || len(fields) != 0 {
		t.Errorf("a comment changed %v, %v", fields, known)
	}
	if _, _, known := plan.Changed(inc, before, but("prod/api.yaml", "a: [")); known {
		t.Error("it is known what does not render")
	}
	places := plan.Places(inc, before, nil)
	if want := []repo.Place{{Path: "prod/api.yaml"}, {Path: "prod/kustomization.yaml", Distance: 1}}; !slices.Equal(places, want) {
		t.Errorf("places %v", places)
	}
}

// A commit that changed two namespaces is for people.
func TestARevertIsWithinANamespace(t *testing.T) {
	t.Parallel()
	web := strings.ReplaceAll(api, "name: api", "name: web")
	r := request(map[string]string{"prod/kustomization.yaml": "resources: [shop, pay]\n",
		"prod/shop/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/shop/api.yaml": api,
		"prod/pay/kustomization.yaml": "namespace: payments\nresources: [web.yaml]\n", "prod/pay/web.yaml": web})
	r.Suspects = []incident.Suspect{{SHA: "a", Before: time.Hour, Paths: []string{"prod/shop/api.yaml"}, Subject: "x"}}
	r.Reverts = map[string]repo.Reverted{"a": {Files: map[string][]byte{"prod/shop/api.yaml": []byte(strings.Replace(api, "512Mi", "1Gi", 1)),
		"prod/pay/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}}}
	_, _, err := planner(t, "revert: {suspect: {within: 2h}}", "prod").Propose(t.Context(), r)
	var none *incident.NoPlan
	if !errors.As(err, &none) || !strings.Contains(none.Why, "payments") {
		t.Errorf("%v", err)
	}
}
