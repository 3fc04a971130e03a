package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// The policies' own tests reach every line of them.
func TestRego(t *testing.T) {
	t.Parallel()
	report, err := Test(t.Context(), Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Tests {
		if r.Fail != "" {
			t.Errorf("%s %s: %s", r.Location, r.Name, r.Fail)
		}
	}
	if len(report.Tests) < 26 {
		t.Errorf("only %d tests ran", len(report.Tests))
	}
	for _, f := range report.Files {
		if len(f.Uncovered) > 0 && f.File != "people.rego" { // which names nobody
			t.Errorf("no test reaches %s, lines %v", f.File, f.Uncovered)
		}
	}
}

func input() Input {
	target := Object{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	return Input{
		Cluster: "sandbox", Environment: "shop", Incident: "7f3a19000000", Actor: "cortexops-bot",
		Playbook:  Playbook{Name: "raise-memory-limit", Risk: "high", People: 1},
		Target:    target,
		Edits:     []Edit{{Object: target, Field: "spec.template.spec.containers[name=app].resources.limits.memory", From: "512Mi", To: "1Gi", File: "overlays/production/checkout-memory.yaml"}},
		DryRun:    &DryRun{Objects: []Object{target}, Fields: []Field{{Object: target, Field: "spec.template.spec.containers[name=app].resources.limits.memory", From: "512Mi", To: "1Gi"}}},
		Approvals: []Approval{{User: "sam"}, {User: "dana"}},
		Time:      time.Date(2026, 11, 20, 10, 44, 0, 0, time.UTC),
	}
}

func TestEvaluateDefault(t *testing.T) {
	t.Parallel()
	e, err := New(t.Context(), Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, gate string
		change     func(*Input)
		allow      bool
		approvals  int
		reason     string
	}{
		{"plan", Plan, func(in *Input) { in.DryRun = nil }, true, 0, ""},
		{"plan in kube-system", Plan, func(in *Input) { in.DryRun, in.Target.Namespace = nil, "kube-system" }, false, 0, "Deployment kube-system/checkout is in namespace kube-system, which is guarded."},
		{"plan of a Secret", Plan, func(in *Input) { in.DryRun, in.Target.Group, in.Target.Kind = nil, "", "Secret" }, false, 0, "Secrets are never changed by CortexOps."},
		{"approve", Approve, nil, true, 2, "Risk high asks for 2."},
		{"approve outside the edit", Approve, func(in *Input) { in.DryRun.FieldsOutsideEdit = 1 }, false, 0, "The dry-run changes more than the edit: 1 other field(s)."},
		{"approve without dry-run", Approve, func(in *Input) { in.DryRun = nil }, false, 0, "There is no dry-run to decide on."},
		{"apply", Apply, nil, true, 0, ""},
		{"apply by one of two", Apply, func(in *Input) { in.Approvals = in.Approvals[:1] }, false, 0, "1 of 2 approvals are there."},
		{"apply by the bot", Apply, func(in *Input) { in.Approvals[0].User = "Cortexops-Bot" }, false, 0, "cortexops-bot made the change and cannot approve it."},
		{"apply without approvals", Apply, func(in *Input) { in.Approvals = nil }, false, 0, "0 of 2 approvals are there."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := input()
			if c.change != nil {
				c.change(&in)
			}
			d, err := e.Evaluate(t.Context(), c.gate, in)
			if err != nil {
				t.Fatal(err)
			}
			if d.Allow != c.allow || d.Approvals != c.approvals || !strings.Contains(strings.Join(d.Reasons, "\n"), c.reason) {
				t.Errorf("got %+v", d)
			}
			if c.reason == "" && len(d.Reasons) > 0 {
				t.Errorf("reasons %q", d.Reasons)
			}
			if len(d.Revision) != 64 || len(d.InputDigest) != 64 {
				t.Errorf("digests %q %q", d.Revision, d.InputDigest)
			}
		})
	}
}

// The same question has the same digest, another one has not; so for the policies.
func TestDigests(t *testing.T) {
	t.Parallel()
	ask := func(fsys fs.FS, in Input) Decision {
		e, err := New(t.Context(), fsys)
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Evaluate(t.Context(), Apply, in)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := ask(Default(), input()), ask(Default(), input())
	if a.InputDigest != b.InputDigest || a.Revision != b.Revision {
		t.Error("the same differs")
	}
	in := input()
	in.Edits[0].To = "2Gi"
	if ask(Default(), in).InputDigest == a.InputDigest {
		t.Error("another input has the same digest")
	}
	if c := ask(policy(nil), input()); c.Revision == a.Revision {
		t.Error("other policies have the same revision")
	}
}

// policy is a small valid set, with some files replaced.
func policy(replace map[string]string) fs.FS {
	m := fstest.MapFS{
		"plan.rego":         {Data: []byte("package cortexops.plan\nallow := true\nreasons := []")},
		"approve.rego":      {Data: []byte("package cortexops.approve\nallow := true\nreasons := []\napprovals := 1")},
		"deep/apply.rego":   {Data: []byte("package cortexops.apply\nallow := true\nreasons := []")},
		"broken_test.rego":  {Data: []byte("not rego")},
		"notes/policies.md": {Data: []byte("not rego")},
	}
	for name, src := range replace {
		m[name] = &fstest.MapFile{Data: []byte(src)}
	}
	return m
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, src, want string
	}{
		{"syntax", "plan.rego", "package cortexops.plan\nallow if", "plan.rego:"},
		{"rego v0", "plan.rego", "package cortexops.plan\nallow { true }\nreasons = []", "plan.rego:"},
		{"gate without rule", "deep/apply.rego", "package cortexops.apply\nallow := true", "no rule data.cortexops.apply.reasons"},
		{"unknown input", "plan.rego", "package cortexops.plan\nallow if input.tagret.kind == \"Pod\"\nreasons := []", "undefined ref: input.tagret"},
		{"network", "plan.rego", `package cortexops.plan
allow := http.send({"method": "get", "url": "http://127.0.0.1"}).status_code == 200
reasons := []`, "undefined function http.send"},
		{"environment", "plan.rego", "package cortexops.plan\nallow := opa.runtime().env.X == \"1\"\nreasons := []", "undefined function opa.runtime"},
		{"name lookup", "plan.rego", "package cortexops.plan\nallow := count(net.lookup_ip_addr(\"localhost\")) > 0\nreasons := []", "undefined function net.lookup_ip_addr"},
		{"chance", "plan.rego", "package cortexops.plan\nallow := rand.intn(\"a\", 2) == 1\nreasons := []", "undefined function rand.intn"},
		{"too large", "large.rego", "package x\n#" + strings.Repeat("x", maxPolicy), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(t.Context(), policy(map[string]string{c.file: c.src})); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := New(t.Context(), fstest.MapFS{"a_test.rego": {Data: []byte("package a")}}); !errors.Is(err, ErrNoPolicy) {
		t.Errorf("no policy: %v", err)
	}
}

func TestEvaluateFailsClosed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, gate, rules string
		in                func(*Input)
		want              string
	}{
		{"undefined", Apply, "allow if input.incident == \"another\"\nreasons := []", nil, "is undefined for this input"},
		{"builtin fails", Apply, "default allow := true\nallow if to_number(input.cluster) > 1\nreasons := []", nil, "to_number"},
		{"conflict", Apply, "allow := true if input.cluster\nallow := false if input.incident\nreasons := []", nil, "conflict"},
		{"allow is text", Apply, "allow := \"yes\"\nreasons := []", nil, "allow is string"},
		{"reasons are no list", Apply, "allow := true\nreasons := \"a\"", nil, "reasons is string"},
		{"reason without a rule", Apply, "allow := false\nreasons := [{\"message\": \"a\"}]", nil, "a reason is"},
		{"reason without a message", Apply, "allow := false\nreasons := [{\"rule\": \"a\"}]", nil, "a reason is"},
		{"approvers are no list", Approve, "allow := true\nreasons := []\napprovals := 1\napprovers := \"sam\"", nil, "approvers is string"},
		{"approver is no login", Approve, "allow := true\nreasons := []\napprovals := 1\napprovers := [\"\"]", nil, "an approver is"},
		{"approvers are undefined", Approve, "allow := true\nreasons := []\napprovals := 1\napprovers := [] if input.revert", nil, "is undefined"},
		{"freeze that ends first", Apply, "allow := true\nreasons := []", func(in *Input) { in.Freezes = []Freeze{{Name: "x", From: in.Time, Until: in.Time}} }, "ends before it begins"},
		{"freeze without a name", Apply, "allow := true\nreasons := []", func(in *Input) { in.Freezes = []Freeze{{From: in.Time}} }, "no name"},
		{"freeze without an end", Apply, "allow := true\nreasons := []", func(in *Input) { in.Freezes = []Freeze{{Name: "x", From: in.Time}} }, "needs both"},
		{"reason is no text", Apply, "allow := true\nreasons := [1]", nil, "a reason is"},
		{"nobody has to approve", Approve, "allow := true\nreasons := []\napprovals := 0", nil, "approvals is 0 of risk high"},
		{"half a person", Approve, "allow := true\nreasons := []\napprovals := 1.5", nil, "approvals is 1.5"},
		{"no such gate", "other", "allow := true\nreasons := []", nil, "no gate"},
		{"input without kind", Apply, "allow := true\nreasons := []", func(in *Input) { in.Target.Kind = "" }, "target.kind is empty"},
		{"input without time", Apply, "allow := true\nreasons := []", func(in *Input) { in.Time = time.Time{} }, "time is not set"},
		{"dry-run too early", Plan, "allow := true\nreasons := []", nil, "comes before the dry-run"},
		{"nobody's approval", Apply, "allow := true\nreasons := []", func(in *Input) { in.Approvals[1].User = "" }, "nobody's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := map[string]string{Plan: "plan.rego", Approve: "approve.rego", Apply: "deep/apply.rego"}[c.gate]
			over := map[string]string{}
			if file != "" {
				over[file] = "package cortexops." + c.gate + "\n" + c.rules
			}
			e, err := New(t.Context(), policy(over))
			if err != nil {
				t.Fatal(err)
			}
			in := input()
			if c.in != nil {
				c.in(&in)
			}
			d, err := e.Evaluate(t.Context(), c.gate, in)
			if !errors.Is(err, ErrUndecided) || !strings.Contains(err.Error(), c.want) || d.Allow {
				t.Errorf("%+v, %v, want %s", d, err, c.want)
			}
		})
	}
}

// A decision can be repeated: the clock that a policy sees is the input's time. A denial always has a reason.
func TestEvaluateClockAndReason(t *testing.T) {
	t.Parallel()
	e, err := New(t.Context(), policy(map[string]string{
		"plan.rego":       "package cortexops.plan\nallow := time.now_ns() == time.parse_rfc3339_ns(input.time)\nreasons := []",
		"deep/apply.rego": "package cortexops.apply\nallow := false\nreasons := []",
	}))
	if err != nil {
		t.Fatal(err)
	}
	in := input()
	if d, err := e.Evaluate(t.Context(), Apply, in); err != nil || d.Allow || len(d.Reasons) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	in.DryRun = nil
	if d, err := e.Evaluate(t.Context(), Plan, in); err != nil || !d.Allow {
		t.Errorf("%+v %v", d, err)
	}
}

// TestWithoutPeople: a set that has lost the file that names them allows nobody everything.
func TestWithoutPeople(t *testing.T) {
	t.Parallel()
	set := fstest.MapFS{}
	for _, name := range []string{"approve.rego", "apply.rego", "plan.rego", "rules.rego"} {
		text, err := fs.ReadFile(Default(), name)
		if err != nil {
			t.Fatal(err)
		}
		set[name] = &fstest.MapFile{Data: text}
	}
	e, err := New(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	for _, gate := range []string{Approve, Apply} {
		if d, err := e.Evaluate(t.Context(), gate, input()); err != nil || d.Allow || !strings.Contains(fmt.Sprint(d.Reasons), "cortexops.people is missing") {
			t.Errorf("%s: %+v %v", gate, d, err)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	e, err := New(b.Context(), Default())
	if err != nil {
		b.Fatal(err)
	}
	in := input()
	for b.Loop() {
		if _, err := e.Evaluate(b.Context(), Apply, in); err != nil {
			b.Fatal(err)
		}
	}
}

// TestInputDigestNamesTheInput holds the digest to the bytes that were judged, under which the ledger keeps them.
func TestInputDigestNamesTheInput(t *testing.T) {
	t.Parallel()
	e, err := New(t.Context(), Default())
	if err != nil {
		t.Fatal(err)
	}
	d, err := e.Evaluate(t.Context(), Plan, Input{Cluster: "c", Incident: "i", Actor: "bot", Playbook: Playbook{Name: "p", Risk: "low", People: 1},
		Target: Object{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "n"}, Time: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(d.Input); hex.EncodeToString(sum[:]) != d.InputDigest {
		t.Errorf("%s is not the digest of %s", d.InputDigest, d.Input)
	}
}
