package playbooks

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const good = `apiVersion: cortexops.io/v1alpha1
kind: Playbook
metadata:
  name: raise
  description: Raises a limit.
match:
  alerts: [OOM]
  when: incident.root.kind == "Deployment" && incident.signals > 1 && "OOM" in incident.alerts
edit:
  - field: spec.template.spec.containers[name=$container].resources.limits.memory
    scale: {by: 2, min: 256Mi, max: 2Gi}
risk: low
approval: {people: 1, within: 15m}
verify:
  window: 10m
  checks:
    - name: restarts
      query: sum(increase(restarts{namespace="$namespace",pod=~"$name-.+$"}[2m])) or vector(0)
      must: == 0
      for: 5m
rollback: revert
explain: "{{ .Container }} {{ range .Alerts }}{{ . }} {{ end }}{{ .From }} -> {{ .To }}"
`

// change replaces one piece of the good playbook, which must be there.
func change(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(good, old) != 1 {
		t.Fatalf("%q is not exactly once in the good playbook", old)
	}
	return strings.Replace(good, old, new, 1)
}

func files(src string) fstest.MapFS {
	return fstest.MapFS{"raise/playbook.yaml": {Data: []byte(src)}}
}

func mustLoad(t *testing.T, src string) Playbook {
	t.Helper()
	pbs, err := Load(files(src))
	if err != nil {
		t.Fatal(err)
	}
	return pbs[0]
}

func TestLoad(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, good)
	if p.Name != "raise" || p.Risk != Low || p.People != 1 || p.Within != 15*time.Minute || p.Window != 10*time.Minute ||
		p.Rollback != Revert || p.File != "raise/playbook.yaml" || len(p.Digest) != 64 {
		t.Errorf("loaded %+v", p)
	}
	if len(p.Edits) != 1 || p.Edits[0].Set != nil || *p.Edits[0].Scale != (Scale{By: 2, Min: "256Mi", Max: "2Gi"}) {
		t.Errorf("edits %+v", p.Edits)
	}
	if len(p.Checks) != 1 || p.Checks[0].Must != "== 0" || p.Checks[0].For != 5*time.Minute {
		t.Errorf("checks %+v", p.Checks)
	}
	digest := "sha256:" + strings.Repeat("ab", 32)
	with := mustLoad(t, change(t, "scale: {by: 2, min: 256Mi, max: 2Gi}", "image: {tag: 1.4.2, digest: '"+digest+"'}"))
	if e := with.Edits[0]; e.Image == nil || *e.Image != (Image{"1.4.2", digest}) || e.Scale != nil {
		t.Errorf("an image: %+v", e)
	}
	if other := mustLoad(t, good+"# a comment\n"); other.Digest == p.Digest {
		t.Error("a changed file has the same digest")
	}
}

// Each fault is told with the line and column where it is.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "risk: low", "risk: low\nowner: me", `:13:1: unknown key "owner"`},
		{"unknown nested key", "within: 15m", "within: 15m, who: sam", `:13:36: unknown key "who"`},
		{"key twice", "risk: low", "risk: low\nrisk: high", `:13:1: key "risk" is there twice`},
		{"missing key", "rollback: revert\n", "", `:1:1: the playbook needs the key "rollback"`},
		{"anchor", "alerts: [OOM]", "alerts: &a [OOM]", `:7:11: match.alerts must be a list`},
		{"alias", "when: incident", "when: *a #", `not YAML`},
		{"not yaml", "kind: Playbook", "kind: [Playbook", `raise/playbook.yaml:`},
		{"two documents", "risk: low", "risk: low\n---\na: b", `more than one document`},
		{"api version", "cortexops.io/v1alpha1", "v1", `:1:13: apiVersion is "v1"`},
		{"name", "name: raise", "name: Raise", `:4:9: metadata.name is "Raise"`},
		{"folder", "name: raise", "name: lower", `but its folder is "raise"`},
		{"no alert", "alerts: [OOM]", "alerts: []", `:7:11: match.alerts must be a list of at least one`},
		{"when misspelt", `incident.signals > 1`, `incident.signal > 1`, `:8:9: match.when: undefined field 'signal'`},
		{"when not bool", `incident.root.kind == "Deployment" && incident.signals > 1 && "OOM" in incident.alerts`, `incident.signals`, `it must be true or false`},
		{"when mistyped", `incident.signals > 1`, `incident.signals > "1"`, `no matching overload`},
		{"scale and set", "    scale:", "    set: 3\n    scale:", `:10:5: an edit needs exactly one of scale, set, image`},
		{"a stamp that is reverted", "    scale: {by: 2, min: 256Mi, max: 2Gi}\n", "    stamp: true\n", `rollback must be none`},
		{"a ttl of nothing", "rollback: revert\n", "rollback: revert\nttl: soon\n", `ttl is "soon"`},
		{"a ttl that is too short", "rollback: revert\n", "rollback: revert\nttl: 5s\n", `ttl is 5s: it must be between 1m0s`},
		{"a ttl that is too long", "rollback: revert\n", "rollback: revert\nttl: 9000h\n", `it must be between`},
		{"a ttl without a way back", "rollback: revert\n", "rollback: none\nttl: 24h\n", `rollback is none: remove one`},
		{"a ttl that brings the cause back", "scale: {by: 2, min: 256Mi, max: 2Gi}\nrisk: low", "rollBack: {healthyFor: 24h, changedWithin: 2h}\nttl: 24h\nrisk: low", `ttl would bring back what the playbook takes away`},
		{"a stamp that is none", "    scale: {by: 2, min: 256Mi, max: 2Gi}\n", "    stamp: now\n", `stamp is "now"`},
		{"no scale, no set", "    scale: {by: 2, min: 256Mi, max: 2Gi}\n", "", `exactly one of scale, set, image`},
		{"an image of nothing", "scale: {by: 2, min: 256Mi, max: 2Gi}", "image: {}", `:11:12: image needs a tag, a digest or both`},
		{"no tag", "scale: {by: 2, min: 256Mi, max: 2Gi}", "image: {tag: a b}", `:11:18: image.tag is "a b"`},
		{"no digest", "scale: {by: 2, min: 256Mi, max: 2Gi}", "image: {digest: sha256:1}", `:11:21: image.digest is "sha256:1"`},
		{"an image and more", "    scale:", "    image: {tag: a}\n    scale:", `exactly one of scale, set, image`},
		{"no field", "  - field: spec.template.spec.containers[name=$container].resources.limits.memory\n    scale:", "  - scale:", `:10:5: an edit by scale needs the key "field"`},
		{"a field too many", "scale: {by: 2, min: 256Mi, max: 2Gi}", "suspend: true", `:10:5: suspend says itself what it changes`},
		{"remove that is none", "scale: {by: 2, min: 256Mi, max: 2Gi}", "remove: false", `:11:13: remove is "false"`},
		{"roll back without a bound", "scale: {by: 2, min: 256Mi, max: 2Gi}", "rollBack: {healthyFor: 24h}", `:11:15: rollBack needs the key "changedWithin"`},
		{"roll back", "scale: {by: 2, min: 256Mi, max: 2Gi}", "rollBack: {healthyFor: -1h, changedWithin: 2h}", `:11:28: rollBack.healthyFor is "-1h"`},
		{"scope", "scale: {by: 2, min: 256Mi, max: 2Gi}", "scale: {by: 2, min: 256Mi, max: 2Gi}\n    scope: all", `:12:12: scope is "all"`},
		{"scale without bound", ", max: 2Gi", "", `:11:12: scale needs the key "max"`},
		{"bounds", "min: 256Mi", "min: 3Gi", `scale.min 3Gi is above scale.max 2Gi`},
		{"quantity", "max: 2Gi", "max: 2GB", `:11:37: scale.max is "2GB"`},
		{"negative", "min: 256Mi", "min: -1", `scale.min is "-1"`},
		{"factor", "by: 2", "by: 1", `scale.by is "1"`},
		{"field", "field: spec.template", "field: /spec.template", `:10:12: field is`},
		{"field placeholder", "$container", "$pod", `field has the placeholder $pod`},
		{"placeholder in set", "scale: {by: 2, min: 256Mi, max: 2Gi}", "set: a-$name", `$name would not be filled in`},
		{"risk", "risk: low", "risk: tiny", `:12:7: risk is "tiny"`},
		{"people", "people: 1", "people: 0", `approval.people is "0"`},
		{"within", "within: 15m", "within: 15", `approval.within is "15"`},
		{"for", "for: 5m", "for: 11m", `for 11m0s is longer than the window 10m0s`},
		{"must", "must: == 0", "must: is 0", `must is "is 0"`},
		{"must nan", "must: == 0", "must: == NaN", `must is`},
		{"query placeholder", `pod=~"$name-.+$"`, `pod=~"$pod"`, `unknown placeholder $pod`},
		{"query placeholder outside", "sum(increase(", "sum($name(", `a $ outside a string`},
		{"query placeholder single quotes", `namespace="$namespace"`, `namespace='$namespace'`, `may only stand in`},
		{"query placeholder no matcher", `or vector(0)`, `or label_replace(up, "a", "$name", "b", "c")`, `may only stand in`},
		{"query placeholder quoted metric", `restarts{namespace`, `{"$name",namespace`, `may only stand in`},
		{"query string", `or vector(0)`, `or up{a="`, `a string has no end`},
		{"query bracket", `or vector(0)`, `or vector(0`, `a ( has no end`},
		{"rollback", "rollback: revert", "rollback: maybe", `rollback is "maybe"`},
		{"explain field", "{{ .From }}", "{{ .Fromm }}", `can't evaluate field Fromm`},
		{"explain syntax", "{{ .From }}", "{{ .From", `:22:10: explain: `},
		{"explain endless", "range .Alerts", "range 1000000000000", `range only goes over .Alerts`},
		{"explain recursion", "{{ .From }}", "{{ template \\\"explain\\\" . }}", `template is not for explain texts`},
		{"null", "risk: low", "risk:", `risk must be a plain value`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(files(change(t, c.old, c.new)))
			if err == nil {
				t.Fatal("loaded")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			var typed *Error
			if !errors.As(err, &typed) || typed.File != "raise/playbook.yaml" {
				t.Errorf("not an *Error of the file: %v", err)
			}
		})
	}
}

const field = "field: spec.template.spec.containers[name=$container].resources.limits.memory\n    scale: {by: 2, min: 256Mi, max: 2Gi}"

// What edits say without a field.
func TestLoadReadsWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ edit, want string }{
		{"env: {container: $container, name: LOG_LEVEL, value: debug}", "env {app LOG_LEVEL debug}"},
		{"annotation: {name: example.com/owner, value: 'a b', on: pods}", "annotation {example.com/owner a b true}"},
		{"suspend: false", "suspend false"},
		{"autoscaler: {maxReplicas: {by: 1.5, min: 4, max: 20}}", "autoscaler max {1.5 4 20}"},
		{"revert: {suspect: {within: 2h, distance: 1}}", "revert {2h0m0s 1}"},
		{"{field: spec.paused, remove: true, scope: base}", "remove spec.paused base"},
		{"{field: spec.x, rollBack: {healthyFor: 24h, changedWithin: 2h}}", "rollBack spec.x {24h0m0s 2h0m0s}"},
		{"patch: {spec: {template: {spec: {containers: [{name: $container, tty: true}]}}}} # why", "patch {spec: {template: {spec: {containers: [{name: \"app\", tty: true}]}}}}\n"},
		{"json6902: [{op: remove, path: /spec/paused}]", "json6902 [{op: remove, path: /spec/paused}]\n"},
	} {
		p := mustLoad(t, change(t, field, c.edit))
		b, err := Bind(p, Binding{Namespace: "shop", Name: "checkout", Container: "app"})
		if err != nil {
			t.Fatal(err)
		}
		if got := said(b.Edits[0]); got != c.want {
			t.Errorf("%s is read as %q", c.edit, got)
		}
	}
}

func said(e Edit) string {
	switch {
	case e.Env != nil:
		return fmt.Sprint("env ", *e.Env)
	case e.Annotation != nil:
		return fmt.Sprint("annotation ", *e.Annotation)
	case e.Suspend != nil:
		return fmt.Sprint("suspend ", *e.Suspend)
	case e.Autoscaler != nil:
		return fmt.Sprint("autoscaler max ", *e.Autoscaler.MaxReplicas)
	case e.Revert != nil:
		return fmt.Sprint("revert ", *e.Revert)
	case e.Remove && e.Base:
		return "remove " + e.Field + " base"
	case e.RollBack != nil:
		return fmt.Sprint("rollBack ", e.Field, " ", *e.RollBack)
	case e.Patch != "":
		return "patch " + e.Patch
	}
	return "json6902 " + e.JSON6902
}

func TestLoadRefusesWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ edit, want string }{
		{"env: {container: $name, name: A, value: b}", `:10:22: env.container is "$name"`},
		{"env: {container: app, name: A=B, value: b}", `env.name is "A=B"`},
		{"env: {container: app, name: A, value: $name}", `the placeholder $name would not be filled in`},
		{"env: {container: app, name: A}", `env needs the key "value"`},
		{"annotation: {name: 'a b', value: c}", `annotation.name is "a b"`},
		{"annotation: {name: a, value: \"b\\nc\"}", `annotation.value must be one line`},
		{"suspend: maybe", `:10:14: suspend is "maybe"`},
		{"autoscaler: {}", `autoscaler needs minReplicas, maxReplicas or both`},
		{"autoscaler: {minReplicas: {by: 2, min: 1, max: 1Gi}}", `autoscaler.minReplicas has the bound 1Gi`},
		{"revert: {suspect: {distance: 1}}", `revert.suspect needs the key "within"`},
		{"revert: {suspect: {within: 1h, distance: -1}}", `revert.suspect.distance is "-1"`},
		{"{revert: {suspect: {within: 1h}}, scope: base}", `revert has no scope`},
		{"{revert: {suspect: {within: 1h}}}\n  - suspend: true", `revert stands alone`},
		{"patch: {}", `patch must be a mapping with something in it`},
		{"patch: {kind: Secret, spec: {}}", `:10:13: kind is not for a playbook to change`},
		{"patch: {metadata: {namespace: kube-system}}", `metadata.namespace is not for a playbook to change`},
		{"patch: {spec: {a: &a 1}}", `without anchors, aliases, tags or merge keys`},
		{"patch: {spec: {a: !!binary aGk=}}", `without anchors, aliases, tags or merge keys`},
		{"patch: {spec: {a: x-$name}}", `$name stands for a whole value in patch`},
		{"patch: {spec: {$name: x}}", `a key of patch must be a text that is there once`},
		{"patch: {spec: {a: 1, a: 2}}", `a key of patch must be a text that is there once`},
		{"patch: {spec: {a: '${x}'}}", `would be read as a template's variable`},
		{"patch: {spec: {a: [" + strings.Repeat("1,", maxFragment) + "]}}", `patch has more than 2000 values`},
		{"json6902: [{op: move, path: /a}]", `op is "move"`},
		{"json6902: [{op: add, path: /a}]", `add, replace and test need a value`},
		{"json6902: [{op: remove, path: /a, value: 1}]", `remove has none`},
		{"json6902: [{op: remove, path: a/b}]", `:10:35: path is "a/b"`},
		{"json6902: [{op: remove, path: /spec/$name}]", `a JSON pointer without placeholders`},
		{"json6902: [{op: remove, path: /metadata}]", `metadata is not for a playbook to change as a whole`},
		{"json6902: [{op: replace, path: /metadata/name, value: x}]", `metadata.name is not for a playbook`},
		{"json6902: [{op: replace, path: /status/replicas, value: 1}]", `status.replicas is not for a playbook`},
	} {
		_, err := Load(files(change(t, field, c.edit)))
		var typed *Error
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &typed) {
			t.Errorf("%s: %v", c.edit, err)
		}
	}
}

// The parser counts some lines from 0.
func TestLoadTellsTheLineOfWhatIsNoYAML(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]int{"a: 1\nb: 2\n c: 3\n": 3, "a: 1\nb: [1,\n  2\nc: 3\n": 2, "a: 1\nb:\n  - 1\n c\n": 4, "a: 1\nb: 'x\n\n": 2} {
		_, err := Load(files(text))
		var typed *Error
		if !errors.As(err, &typed) || typed.Line != line {
			t.Errorf("%q: %v, want line %d", text, err, line)
		}
	}
}

// Whoever has three faults in two files is told of all three at once.
func TestLoadTellsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := Load(fstest.MapFS{
		"raise/playbook.yaml": {Data: []byte(strings.NewReplacer("risk: low", "risk: tiny", "people: 1", "people: 0").Replace(good))},
		"other/playbook.yaml": {Data: []byte("")},
		"empty/readme.md":     {Data: []byte("no playbook here")},
		"loose.yaml":          {Data: []byte(good)},
	})
	for _, want := range []string{"risk is", "approval.people is", "other/playbook.yaml: is empty", "empty/playbook.yaml", "loose.yaml: not read"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestLoadBounds(t *testing.T) {
	t.Parallel()
	_, err := Load(files(good + "#" + strings.Repeat("x", maxFile)))
	if err == nil || !strings.Contains(err.Error(), "larger than 64 KiB") {
		t.Error(err)
	}
}

func TestLoadFromDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(path.Join(dir, "raise"), 0o755),
		os.WriteFile(path.Join(dir, "raise/playbook.yaml"), []byte(good), 0o644),
		os.MkdirAll(path.Join(dir, "..data"), 0o755)); err != nil {
		t.Fatal(err)
	}
	pbs, err := Load(os.DirFS(dir))
	if err != nil || len(pbs) != 1 {
		t.Error(pbs, err)
	}
}

func TestTTL(t *testing.T) {
	t.Parallel()
	if got := mustLoad(t, good); got.TTL != 0 {
		t.Errorf("%s without one", got.TTL)
	}
	if got := mustLoad(t, strings.Replace(good, "rollback: revert\n", "rollback: revert\nttl: 168h\n", 1)); got.TTL != 168*time.Hour {
		t.Errorf("%s", got.TTL)
	}
}
