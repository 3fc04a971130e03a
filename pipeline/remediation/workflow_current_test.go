package remediation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// approvedAfter is an approval that comes so long after the pull request was opened, or its revision.
func approvedAfter(d time.Duration) func(int, JudgeInput) Judgement {
	return func(_ int, in JudgeInput) Judgement {
		if in.Now.Sub(in.Change.Since()) < d {
			return Judgement{State: "pending"}
		}
		return Judgement{State: "approved", By: []string{"sam"}}
	}
}

// TestOldEvidenceIsLookedAtAgain before the merge.
func TestOldEvidenceIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after time.Duration // that it is approved
		told  time.Duration // that the incident was told of since, still firing; 0: never
		next  Planned
		want  incident.Phase
		why   string
		plans int // of the open pull request
		asked int // revisions
	}{
		"young":                          {20 * time.Minute, 0, Planned{Same: true}, incident.Succeeded, "pass", 0, 0},
		"old, and it is the same":        {40 * time.Minute, 0, Planned{Same: true}, incident.Succeeded, "pass", 1, 0},
		"told of since":                  {40 * time.Minute, 35 * time.Minute, Planned{Same: true}, incident.Succeeded, "pass", 1, 0},
		"told of since, and long ago":    {40 * time.Minute, 5 * time.Minute, Planned{Same: true}, incident.Succeeded, "pass", 2, 0},
		"old, and it is something else":  {40 * time.Minute, 0, Planned{Proposal: "other", Within: 2 * time.Hour}, incident.Succeeded, "pass", 2, 1},
		"old, and nothing is left to do": {40 * time.Minute, 0, Planned{Advised: "it has the value"}, incident.Superseded, "is older than 30m0s; now it has the value", 1, 0},
		"old, and policy refuses it now": {40 * time.Minute, 0, Planned{Proposal: "refused"}, incident.Denied, "too much for a Friday", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.planned.Within, w.judge = 2*time.Hour, approvedAfter(c.after)
			w.replan = func(in PlanInput) Planned {
				if in.Earlier == "other" {
					return Planned{Same: true}
				}
				return c.next
			}
			if c.told > 0 {
				w.later = func(env *testsuite.TestWorkflowEnvironment) {
					hears(env, c.told, Evidence{Incident: "newer", AsOf: opened.Add(c.told)})
				}
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || len(w.plans) != c.plans || len(w.revised) != c.asked {
				t.Errorf("%+v, planned %d times, revised %d times: %v", got, len(w.plans), len(w.revised), w.calls)
			}
			if merged := w.count("Merge"); merged > 1 || (merged == 1) != (c.want == incident.Succeeded) || w.ending.Shut != (c.want == incident.Superseded) {
				t.Errorf("merged %d times, shut %v", merged, w.ending.Shut)
			}
			if i := slices.Index(w.calls, "Merge"); i > 0 && w.calls[i-1] != "Decide" {
				t.Errorf("the brakes were not asked after who acts had planned: %v", w.calls)
			}
			if c.asked == 1 && slices.Index(w.calls, "Revise") > slices.Index(w.calls, "Merge") {
				t.Errorf("people are asked after the merge: %v", w.calls)
			}
			if c.asked == 1 && (w.dried[0].Step != "dry-run" || w.dried[1].Step != "dry-run-1") {
				t.Errorf("the revision's dry-run has no row of its own: %+v", w.dried)
			}
		})
	}
}

// TestWhatHealedIsNotMerged, nor applied by us, although it was approved: a brake has kept it for a while.
func TestWhatHealedIsNotMerged(t *testing.T) {
	t.Parallel()
	quiet := Evidence{Healed: opened.Add(time.Minute)}
	merged := func(after time.Duration) func(int, JudgeInput) Judgement {
		return func(_ int, in JudgeInput) Judgement {
			if in.Now.Sub(opened) < after {
				return Judgement{State: "pending"}
			}
			return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"}
		}
	}
	heal := func(env *testsuite.TestWorkflowEnvironment) { hears(env, time.Minute, quiet) }
	for name, c := range map[string]struct {
		change func(*world)
		held   time.Duration // by a brake
		from   string        // the brake is asked after this
		want   incident.Phase
		why    string
		never  string
	}{
		"before the merge": {func(w *world) {
			w.judge = func(int, JudgeInput) Judgement {
				if w.count("Withdraw") > 0 {
					return Judgement{State: "rejected", Why: "closed"}
				}
				return Judgement{State: "approved", By: []string{"sam"}}
			}
		}, 10 * time.Minute, "Judge", incident.Superseded, "it healed by itself: nothing has fired since 00:01:00 UTC", "Merge"},
		"before the merge, and not for long":              {func(*world) {}, 2 * time.Minute, "Judge", incident.Succeeded, "pass", "Withdraw"},
		"before the merge, and the forge shows that late": {func(*world) {}, 10 * time.Minute, "Judge", incident.Superseded, "it healed by itself", "Merge"},
		"it fires again": {func(w *world) {
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				heal(env)
				hears(env, 5*time.Minute, Evidence{Incident: "again", AsOf: opened.Add(5 * time.Minute)})
			}
		}, 10 * time.Minute, "Judge", incident.Succeeded, "pass", "Withdraw"},
		"its target is not ready": {func(w *world) { w.ready = func(int) bool { return false } }, 10 * time.Minute, "Judge", incident.Succeeded, "pass", "Withdraw"},
		"somebody merges it meanwhile": {func(w *world) {
			w.judge = func(int, JudgeInput) Judgement {
				if w.count("Withdraw") > 0 {
					return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"}
				}
				return Judgement{State: "approved", By: []string{"sam"}}
			}
		}, 10 * time.Minute, "Judge", incident.Succeeded, "pass", "Merge"},
		"after the merge": {func(*world) {}, 10 * time.Minute, "Merge", incident.Escalated,
			"merged, but not applied: it healed by itself: nothing has fired since 00:01:00 UTC, and the target is ready; `cortexops retry 0123456789ab` applies it", "Apply"},
		"after the merge, and its target is not ready": {func(w *world) { w.ready = func(int) bool { return false } }, 10 * time.Minute, "Merge", incident.Succeeded, "pass", "Withdraw"},
		"after the merge, which a tool delivers":       {func(w *world) { w.planned.Tool = "flux" }, 10 * time.Minute, "Merge", incident.Succeeded, "pass", "Ready"},
		"a person merged it while it was quiet":        {func(w *world) { w.judge = merged(3 * time.Minute) }, 10 * time.Minute, "Judge", incident.Succeeded, "pass", "Withdraw"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.later = heal
			c.change(w)
			asked := time.Duration(0)
			w.wait = func() string { // every question comes later than the one before, the first after five seconds
				if w.count(c.from) == 0 || asked >= c.held {
					return ""
				}
				asked += min(releaseSeldom, max(asked, releaseEvery))
				return "paused"
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || slices.Contains(w.calls, c.never) {
				t.Errorf("%+v after %v", got, w.calls)
			}
			if want := c.want == incident.Escalated; want != (got.Merged.SHA == "m") {
				t.Errorf("a retry goes on from %+v", got.Merged)
			}
		})
	}
}

// TestAHoldIsNoReasonToForget the evidence: the permission may come a day later. Who says retry after the merge has looked at that.
func TestAHoldIsNoReasonToForget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		activity string
		heals    bool
		next     Planned
		want     incident.Phase
		plans    int
		merges   int
	}{
		"before the merge, and it is the same": {"Merge", false, Planned{Same: true}, incident.Succeeded, 1, 2},
		"before the merge, and it is not":      {"Merge", false, Planned{Proposal: "other", Within: time.Hour}, incident.Succeeded, 1, 2},
		"before the merge, and it healed":      {"Merge", true, Planned{Same: true}, incident.Superseded, 0, 1},
		"before the apply, and it fires":       {"Apply", false, Planned{Same: true}, incident.Succeeded, 0, 1},
		"before the apply, and it healed":      {"Apply", true, Planned{Same: true}, incident.Escalated, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.fails, w.replan = map[string]error{c.activity: missing(false)}, func(PlanInput) Planned { return c.next }
			w.judge = func(int, JudgeInput) Judgement {
				if w.count("Withdraw") > 0 {
					return Judgement{State: "rejected", Why: "closed"}
				}
				return Judgement{State: "approved", By: []string{"sam"}}
			}
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				if c.heals {
					hears(env, time.Hour, Evidence{Healed: opened.Add(time.Hour)})
				}
				signalAfter(2 * time.Hour)(env)
			}
			got := w.play(t)
			if got.Phase != c.want || len(w.plans) != c.plans || w.count("Merge") != c.merges || w.count("Hold") != 1 || w.count("Apply") > 2 {
				t.Errorf("%+v, planned %d times: %v", got, len(w.plans), w.calls)
			}
			if c.next.Proposal == "other" && (w.count("Judge") != 2 || w.ending.Proposal != "other") {
				t.Errorf("people were not asked again: %v", w.calls)
			}
		})
	}
}

// TestAClickWhileItIsHeldBack is heard before the merge.
func TestAClickWhileItIsHeldBack(t *testing.T) {
	t.Parallel()
	w := happy()
	w.wait = func() string { return map[bool]string{true: "paused"}[w.count("Decide") < 6] }
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow(ActionSignal, incident.Action{Kind: incident.Reject, Actor: "kim", Via: incident.ViaSlack, Delivery: "slack-1"})
		}, 10*time.Second)
	}
	if got := w.play(t); got.Phase != incident.Rejected || !w.ending.Shut || slices.Contains(w.calls, "Apply") {
		t.Errorf("%+v after %v", got, w.calls)
	}
}

// TestWhatComesAndGoesHasNotHealed, and holds no merge up.
func TestWhatComesAndGoesHasNotHealed(t *testing.T) {
	t.Parallel()
	w := happy()
	w.wait = func() string { return map[bool]string{true: "paused"}[w.count("Decide") < 4] }
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		for at := time.Second; at < 2*time.Hour; at += 4 * time.Minute {
			hears(env, at, Evidence{Incident: at.String(), Healed: opened.Add(at), AsOf: opened.Add(at)}) // that it fired was told in between, and is read together
		}
	}
	if got := w.play(t); got.Phase != incident.Succeeded || w.waited > time.Minute {
		t.Errorf("%+v after %s: %v", got, w.waited, w.calls)
	}
}
