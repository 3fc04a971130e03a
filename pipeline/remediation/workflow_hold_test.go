package remediation

import (
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func signalAfter(d time.Duration) func(*testsuite.TestWorkflowEnvironment) {
	return func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(RetrySignal, "sam") }, d)
	}
}

func missing(unknown bool) error {
	return temporal.NewNonRetryableApplicationError("add this rule", typeUnauthorized, nil, denied{Unknown: unknown})
}

func TestAMissingPermissionIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unknown bool // 401
		fails   int  // of the merges
		retry   time.Duration
		want    incident.Phase
		merges  int
		holds   int
	}{
		"the rule is added":            {false, 1, time.Hour, incident.Succeeded, 2, 1},
		"nobody adds it":               {false, 9, 0, incident.Escalated, 1, 1},
		"told too early":               {false, 9, time.Nanosecond, incident.Escalated, 1, 1},
		"added, but not all of it":     {false, 9, time.Hour, incident.Escalated, 2, 2},
		"a token that is renewed":      {true, 3, 0, incident.Succeeded, 4, 0},
		"a token that nobody renews":   {true, 99, 0, incident.Escalated, 13, 1},
		"a token renewed in the night": {true, 20, 8 * time.Hour, incident.Succeeded, 21, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.merges = func(n int) error {
				if n <= c.fails {
					return missing(c.unknown)
				}
				return nil
			}
			if c.retry > 0 {
				w.later = signalAfter(c.retry)
			}
			got := w.play(t)
			if got.Phase != c.want || w.count("Merge") != c.merges || w.count("Hold") != c.holds {
				t.Errorf("%+v after %d merges and %d holds, want %s, %d, %d", got, w.count("Merge"), w.count("Hold"), c.want, c.merges, c.holds)
			}
		})
	}
}

// TestNothingIsTakenForGrantedAfterAHold: the permission may come a day later, and by then policy or a person has said no.
func TestNothingIsTakenForGrantedAfterAHold(t *testing.T) {
	t.Parallel()
	reject := incident.Action{Kind: incident.Reject, Actor: "kim", Via: incident.ViaSlack, Delivery: "slack-1"}
	for name, c := range map[string]struct {
		activity string
		change   func(*world)
		want     incident.Phase
		never    string // after the hold
		shut     bool
	}{
		"a click before the merge": {"Merge", func(w *world) {
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(ActionSignal, reject) }, time.Hour)
				signalAfter(2 * time.Hour)(env)
			}
		}, incident.Rejected, "Apply", true},
		"a freeze before the merge": {"Merge", func(w *world) { w.later = freezeThenRetry(w) }, incident.Denied, "Merge", false},
		"a freeze before the apply": {"Apply", func(w *world) { w.later = freezeThenRetry(w) }, incident.Escalated, "Apply", false},
		"a freeze before the revert": {"MergeRevert", func(w *world) {
			w.verdict.Result, w.later = incident.Fail, freezeThenRetry(w)
		}, incident.Escalated, "MergeRevert", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.fails = map[string]error{c.activity: missing(false)}
			c.change(w)
			got := w.play(t)
			if got.Phase != c.want || w.count("Hold") != 1 || slices.Contains(w.calls[slices.Index(w.calls, "Hold"):], c.never) || w.ending.Shut != c.shut {
				t.Errorf("%+v after %v, want %s", got, w.calls, c.want)
			}
		})
	}
}

func freezeThenRetry(w *world) func(*testsuite.TestWorkflowEnvironment) {
	return func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { w.gates[incident.GateApply] = incident.Decision{Reasons: []string{"a freeze"}} }, time.Hour)
		signalAfter(2 * time.Hour)(env)
	}
}

func TestSilenceAsksOnce(t *testing.T) {
	t.Parallel()
	say := func(word string) func(int, AskInput) Said {
		return func(n int, _ AskInput) Said {
			if n < 2 {
				return Said{}
			}
			return Said{Word: word, By: "sam"}
		}
	}
	for name, c := range map[string]struct {
		answer   func(int, AskInput) Said
		rollback string
		want     incident.Phase
		verifies int
		reverts  int
	}{
		"keep":                     {say("keep"), "revert", incident.Succeeded, 1, 0},
		"revert":                   {say("revert"), "revert", incident.RolledBack, 1, 1},
		"wait":                     {say("wait"), "revert", incident.Escalated, 2, 0},
		"nobody":                   {nil, "revert", incident.Escalated, 1, 0},
		"nothing can be reverted":  {say("revert"), "none", incident.Escalated, 1, 0},
		"an answer after the wait": {func(n int, _ AskInput) Said { return Said{Word: "wait", By: "sam"} }, "revert", incident.Escalated, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.verdict.Result, w.answer, w.planned.Rollback = incident.NoData, c.answer, c.rollback
			got := w.play(t)
			if got.Phase != c.want || w.count("Verify") != c.verifies || w.count("ProposeRevert") != c.reverts || w.count("Ask") != 1 {
				t.Errorf("%+v after %v", got, w.calls)
			}
		})
	}
}
