package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cortexops/cortexops/policies"
)

// said runs the program.
func said(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	return out.String(), err
}

func written(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPolicyTest(t *testing.T) {
	t.Parallel()
	out, err := said(t, "policy", "test")
	if err != nil || !strings.Contains(out, " passed, 0 failed, ") || !strings.Contains(out, "100.0 % rules.rego\n") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		name, file, text string
		out, err         string
	}{
		{"one fails", "x_test.rego", "package x_test\ntest_a if 1 == 2\n", "FAIL x_test.test_a (x_test.rego:2): it is false", "1 test(s)"},
		{"what it prints", "x_test.rego", "package x_test\ntest_a if {\n\tprint(\"hello\")\n\tfalse\n}\n", "\n     hello\n", "1 test(s)"},
		{"one is skipped", "x_test.rego", "package x_test\ntodo_test_a if true\n", "it is skipped", "1 test(s)"},
		{"they do not compile", "x.rego", "package x\na if input.tagret\n", "", "x.rego:2"},
	} {
		dir := filepath.Join(t.TempDir(), "policies")
		if err := os.CopyFS(dir, policies.Default()); err != nil {
			t.Fatal(err)
		}
		written(t, dir, c.file, c.text)
		out, err := said(t, "policy", "test", dir)
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(out, c.out) {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
		if err := os.Remove(filepath.Join(dir, "rules_test.rego")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, c.file)); err != nil {
			t.Fatal(err)
		}
		if _, err := said(t, "policy", "test", dir); err == nil || !strings.Contains(err.Error(), "no tests") {
			t.Errorf("without tests: %v", err)
		}
	}
	for _, args := range [][]string{{"policy", "tset"}, {"policy"}, {"policy", "test", t.TempDir()}} {
		if _, err := said(t, args...); err == nil {
			t.Errorf("%v is fine", args)
		}
	}
}

const planInput = `{
	"cluster": "c", "environment": "shop", "incident": "0123456789ab", "actor": "bot",
	"playbook": {"name": "raise-memory-limit", "risk": "high", "people": 1},
	"target": {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "checkout"},
	"edits": [{"object": {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "checkout"}, "field": "spec.replicas", "from": "2", "to": "3", "file": "a.yaml"}],
	"blast": {"pods": 2, "services": []}, "revert": false,
	"dryRun": {"objects": [], "fields": [], "fieldsOutsideEdit": 0},
	"approvals": [], "freezes": [], "history": [], "time": "2026-11-28T10:00:00Z"
}`

func TestPolicyEval(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := written(t, dir, "input.json", planInput)
	out, err := said(t, "policy", "eval", "--input", input)
	want := "plan    allow\napprove allow after 2 approval(s)\n        Playbook raise-memory-limit asks for 1.\n        Risk high asks for 2.\napply   deny (quorum)\n        0 of 2 approvals are there.\nrevision "
	if err != nil || !strings.HasPrefix(out, want) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = said(t, "policy", "eval", "--input", input, "--gate", "apply", "--output", "json")
	var all []map[string]any
	if err != nil || json.Unmarshal([]byte(out), &all) != nil || len(all) != 1 || all[0]["gate"] != "apply" || all[0]["allow"] != false ||
		len(all[0]["revision"].(string)) != 64 || len(all[0]["inputDigest"].(string)) != 64 || all[0]["rules"].([]any)[0] != "quorum" {
		t.Errorf("%v\n%s", err, out)
	}
	own := t.TempDir()
	for _, gate := range policies.Gates() {
		written(t, own, gate+".rego", "package cortexops."+gate+"\nallow := false\nreasons := [\"ours\"]\napprovals := 1")
	}
	whole, err := os.ReadFile("../../manifests/cortexops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := written(t, dir, "c.yaml", strings.Replace(string(whole), "  directory: \"\"                 # of *.rego", "  directory: "+own+" # of *.rego", 1))
	for _, args := range [][]string{{"--directory", own}, {"--config", config}} {
		if out, err := said(t, append([]string{"policy", "eval", "--input", input, "--gate", "plan"}, args...)...); err != nil || !strings.Contains(out, "deny (cortexops.plan)\n        ours\n") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestPolicyEvalRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, text := range map[string]string{
		":2:13: ":                           "{\n  \"cluster\" 3}",
		"cluster is a number":               "{\n  \"cluster\": 3}",
		`unknown field "clutser"`:           `{"clutser": "c"}`,
		"more after the input":              planInput + "{}",
		"target.kind is empty":              strings.Replace(planInput, `"kind": "Deployment"`, `"kind": ""`, 1),
		"EOF":                               "",
		`parsing time`:                      strings.Replace(planInput, "2026-11-28T10:00:00Z", "today", 1),
		"dryRun.fieldsOutsideEdit is below": strings.Replace(planInput, `"fieldsOutsideEdit": 0`, `"fieldsOutsideEdit": -1`, 1),
	} {
		out, err := said(t, "policy", "eval", "--input", written(t, dir, "input.json", text))
		if err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%v, want %s\n%s", err, want, out)
		}
	}
	input := written(t, dir, "input.json", planInput)
	for _, args := range [][]string{{}, {"--input", dir + "/none"}, {"--input", input, "--gate", "merge"}, {"--input", input, "--output", "yaml"}, {"--input", input, "--directory", dir}} {
		if _, err := said(t, append([]string{"policy", "eval"}, args...)...); err == nil {
			t.Errorf("%v is fine", args)
		}
	}
}

// The published schema takes what the program takes.
func TestPolicyInputSchema(t *testing.T) {
	t.Parallel()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(policies.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("input.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("input.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, fine := range map[string]bool{planInput: true, `{"cluster": "c"}`: false, strings.Replace(planInput, "{", `{"clutser": "c",`, 1): false,
		strings.Replace(planInput, `"pods": 2`, `"pods": "2"`, 1): false} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPolicyConfiguration(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("../../manifests/cortexops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for want, change := range map[string][2]string{
		"named twice":          {"    url: \"\"                     # such as https://bundles", "    url: http://x # "},
		"both url and keyFile": {"    url: \"\"                     # such as https://bundles", "    url: http://x # "},
		"ends before it":       {"freezes: []", "freezes: [{name: x, from: 2026-11-27T00:00:00Z, until: 2026-11-27T00:00:00Z}]"},
		"parsing time \"now\"": {"freezes: []", "freezes: [{name: x, from: now}]"},
	} {
		text := strings.Replace(string(whole), change[0], change[1], 1)
		if want == "named twice" {
			text = strings.Replace(text, "  directory: \"\"                 # of *.rego", "  directory: x # of *.rego", 1)
		}
		if _, err := loadConfig(written(t, dir, "c.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
