package policies

import (
	"slices"
	"testing"
)

// A denial names its rules, each once, whether the policy does or not.
func TestDenialNamesItsRules(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]Decision{
		`reasons := {"b", {"rule": "mine", "message": "a"}, {"rule": "mine", "message": "c"}}`: {Rules: []string{"cortexops.apply", "mine"}, Reasons: []string{"a", "b", "c"}},
		`reasons := []`: {Rules: []string{"cortexops.apply"}, Reasons: []string{"The policy cortexops.apply does not allow it and gives no reason."}},
	} {
		e, err := New(t.Context(), policy(map[string]string{"deep/apply.rego": "package cortexops.apply\nallow := false\n" + rules}))
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Evaluate(t.Context(), Apply, input())
		if err != nil || d.Allow || !slices.Equal(d.Rules, want.Rules) || !slices.Equal(d.Reasons, want.Reasons) {
			t.Errorf("%s: %+v %v", rules, d, err)
		}
	}
}

// Who may approve is the policy's word, where it has one.
func TestApprovers(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string][]string{"": nil, `approvers := {"sam", "dana"}`: {"dana", "sam"}, `approvers contains "sam" if input.revert == false`: {"sam"}} {
		e, err := New(t.Context(), policy(map[string]string{"approve.rego": "package cortexops.approve\nallow := true\nreasons := []\napprovals := 1\n" + rule}))
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Evaluate(t.Context(), Approve, input())
		if err != nil || !slices.Equal(d.Approvers, want) || len(d.Rules) > 0 {
			t.Errorf("%s: %+v %v", rule, d, err)
		}
	}
}

// A failing test, one that prints and one that is skipped are told, and what no test has reached.
func TestTestReports(t *testing.T) {
	t.Parallel()
	report, err := Test(t.Context(), policy(map[string]string{
		"plan.rego": "package cortexops.plan\nallow if input.blast.pods < 3\ndefault allow := false\nreasons := []\nunreached if input.revert",
		"broken_test.rego": `package plan_test
import data.cortexops.plan
test_good if plan.allow with input as {"blast": {"pods": 2}}
test_bad if { print("said"); plan.allow with input as {"blast": {"pods": 3}} }
todo_test_later if true`}))
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Tests) != 3 || report.Failed() != 2 || report.Tests[0].Name != "plan_test.test_bad" || report.Tests[0].Location != "broken_test.rego:4" ||
		report.Tests[0].Output != "said\n" || report.Tests[1].Fail != "" {
		t.Errorf("%+v", report.Tests)
	}
	for _, f := range report.Files {
		if f.File == "plan.rego" && (!slices.Equal(f.Uncovered, []int{4, 5}) || f.Percent >= 100) {
			t.Errorf("%+v", f)
		}
		if test(f.File) {
			t.Errorf("%s counts", f.File)
		}
	}
	if report.Coverage <= 0 || report.Coverage >= 100 {
		t.Errorf("coverage %v", report.Coverage)
	}
	if _, err := Test(t.Context(), policy(map[string]string{"broken_test.rego": "package x_test\ntest_x if http.send({}).x"})); err == nil {
		t.Error("a test may use what a policy may not")
	}
}
