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
