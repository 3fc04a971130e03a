package remediation

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestEveryEnding(t *testing.T) {
	t.Parallel()
	deny := incident.Decision{Reasons: []string{"kube-system is protected"}}
	for name, c := range map[string]struct {
		change func(*world)
		want   incident.Phase
		why    string
		never  []string // activities that must not run
	}{
		"helped": {func(*world) {}, incident.Succeeded, "pass", []string{"ProposeRevert"}},
		"did not help, no way back": {func(w *world) {
			w.planned.Rollback, w.verdict = "none", incident.Verdict{Result: incident.Fail}
		}, incident.Escalated, "a revert would not undo it", []string{"ProposeRevert", "MergeRevert"}},
		"stuck, no way back": {func(w *world) {
			w.planned.Rollback, w.rollout = "none", Rollout{Stuck: "orders-db-0 is not ready"}
		}, incident.Escalated, "orders-db-0", []string{"ProposeRevert", "MergeRevert", "Verify"}},
		"did not help before": {func(w *world) { w.planned = Planned{Tried: "not tried again"} }, incident.Escalated, "not tried again", []string{"Propose", "DryRun"}},
		"no fit":              {func(w *world) { w.planned = Planned{Advised: "no playbook fits"} }, incident.Advised, "no playbook fits", []string{"Propose", "DryRun"}},
		"somebody else's pull request was there first": {func(w *world) {
			w.planned = Planned{Advised: "it goes first", Rival: incident.Rival{Number: 12}}
		}, incident.Advised, "it goes first", []string{"Propose", "DryRun"}},
		"somebody else's pull request came before the merge": {func(w *world) {
			w.mergeErr = temporal.NewNonRetryableApplicationError("it goes first", typeRival, nil, incident.Rival{Number: 12})
		}, incident.Superseded, "it goes first", []string{"Apply"}},
		"plan gate":  {func(w *world) { w.gates[incident.GatePlan] = deny }, incident.Denied, "kube-system", []string{"DryRun", "Propose"}},
		"pull gate":  {func(w *world) { w.gates[incident.GateApprove] = deny }, incident.Denied, "kube-system", []string{"Propose"}},
		"merge gate": {func(w *world) { w.gates[incident.GateApply] = deny }, incident.Denied, "kube-system", []string{"Merge", "Apply"}},
		"a person merged what policy refuses": {func(w *world) {
			w.gates[incident.GateApply] = deny
			w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"} }
		}, incident.Escalated, "refuses to apply", []string{"Merge", "Apply"}},
		"a person merged": {func(w *world) {
			w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"} }
		}, incident.Succeeded, "pass", []string{"Merge"}},
		"closed": {func(w *world) {
			w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "rejected", Why: "closed by sam"} }
		}, incident.Rejected, "closed by sam", []string{"Merge", "Apply"}},
		"pushed to": {func(w *world) {
			w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "voided", Why: "the head moved"} }
		}, incident.Rejected, "the head moved", []string{"Merge", "Apply"}},
		"nobody came": {func(w *world) { w.judge = byDeadline }, incident.Expired, "nobody", []string{"Merge", "Apply"}},
		"merged while it was being closed": {func(w *world) {
			w.judge = func(n int, in JudgeInput) Judgement {
				if w.count("Expire") > 0 {
					return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"}
				}
				return byDeadline(n, in)
			}
		}, incident.Succeeded, "pass", []string{"Merge"}},
		"no help":         {func(w *world) { w.verdict.Result = incident.Fail }, incident.RolledBack, "pull request 8", nil},
		"never ready":     {func(w *world) { w.rollout.Stuck = "deadline exceeded" }, incident.RolledBack, "deadline exceeded", []string{"Verify"}},
		"silence":         {func(w *world) { w.verdict.Result = incident.NoData }, incident.Escalated, "no-data", []string{"ProposeRevert"}},
		"nothing to undo": {func(w *world) { w.verdict.Result = incident.Fail; w.planned.Rollback = "none" }, incident.Escalated, "fail", []string{"ProposeRevert"}},
		"a rule of the forge": {func(w *world) {
			w.mergeErr = temporal.NewNonRetryableApplicationError("2 reviews are required", typeRefused, nil)
		}, incident.Escalated, "2 reviews are required", []string{"Apply"}},
		"no permission": {func(w *world) {
			w.mergeErr = temporal.NewNonRetryableApplicationError("add this rule", "Unauthorized", nil)
		}, incident.Escalated, "Unauthorized: add this rule", []string{"Apply"}},
		"an approval taken back": {func(w *world) {
			w.mergeErr = temporal.NewNonRetryableApplicationError("sam asked for changes", typeWithdrawn, nil)
		}, incident.Rejected, "sam asked for changes", []string{"Apply"}},
		"a revert that would not be what was there": {func(w *world) {
			w.verdict.Result = incident.Fail
			w.rehearse = temporal.NewNonRetryableApplicationError("does not render", "Mismatch", nil)
		}, incident.Escalated, "does not render", []string{"MergeRevert"}},
		"our own close by a slow clock": {func(w *world) {
			w.judge = func(n int, in JudgeInput) Judgement {
				if w.count("Expire") > 0 {
					return Judgement{State: "rejected", Why: "closed"}
				}
				return byDeadline(n, in)
			}
		}, incident.Expired, "nobody approved", []string{"Merge"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			c.change(w)
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) {
				t.Errorf("got %+v, want %s because of %q", got, c.want, c.why)
			}
			for _, never := range c.never {
				if slices.Contains(w.calls, never) {
					t.Errorf("%s must not run: %v", never, w.calls)
				}
			}
			if rival := strings.HasPrefix(name, "somebody else's"); rival != (got.Rival.Number == 12) || rival && w.ending.Shut != slices.Contains(w.calls, "Propose") {
				t.Errorf("%+v, closed: %v", got, w.ending.Shut)
			}
			for _, once := range []string{"Merge", "MergeRevert", "Propose", "Close"} {
				if w.count(once) > 1 {
					t.Errorf("%s ran %d times: %v", once, w.count(once), w.calls)
				}
			}
		})
	}
}

func byDeadline(_ int, in JudgeInput) Judgement {
	if in.Now.After(in.Deadline) {
		return Judgement{State: "expired", Why: "nobody approved in time"}
	}
	return Judgement{State: "pending"}
}

// TestEveryActivityIsItself holds the names that the workflow asks for to the methods that answer: a name taken twice
// would send one activity's work to another.
func TestEveryActivityIsItself(t *testing.T) {
	t.Parallel()
	seen := &names{}
	Register(seen, Activities{})
	for _, c := range []string{"Plan", "Decide", "DryRun", "Propose", "Judge", "Expire", "Merge", "Apply", "Wait", "Verify", "ProposeRevert", "MergeRevert", "Close", "Announce", "Rehearse", "Hold", "Ask", "Answer", "Ready", "Withdraw", "Amend", "Brake", "Revise", "Reply", "Adopt", "OfferRestore", "MarkRestore", "AwaitRestore", "ClaimRestore", "EndRestore"} {
		if n := seen.count(c); n != 1 {
			t.Errorf("%d activities are called %s", n, c)
		}
	}
}

// names collects what is registered, under the name that the SDK derives: the method's.
type names struct {
	worker.Registry
	list []string
}

func (n *names) RegisterWorkflowWithOptions(any, workflow.RegisterOptions) {}

func (n *names) RegisterActivity(f any) {
	full := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	n.list = append(n.list, strings.TrimSuffix(full[strings.LastIndexByte(full, '.')+1:], "-fm"))
}

func (n *names) count(name string) (count int) {
	for _, l := range n.list {
		if l == name {
			count++
		}
	}
	return count
}
