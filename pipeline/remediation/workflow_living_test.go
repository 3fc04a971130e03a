package remediation

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// hears sends evidence about the remediation's own incident, or of another one, at its time.
func hears(env *testsuite.TestWorkflowEnvironment, at time.Duration, e Evidence) {
	if e.ID == "" {
		e.ID = "0123456789ab"
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(EvidenceSignal, e) }, at)
}

func TestTheLivingPullRequest(t *testing.T) {
	t.Parallel()
	quiet := Evidence{Healed: opened.Add(time.Minute)}
	for name, c := range map[string]struct {
		later   func(*testsuite.TestWorkflowEnvironment)
		ready   func(n int) bool
		merged  bool // while it was being withdrawn
		want    incident.Phase
		why     string
		amended int
		shut    int
	}{
		"healed by itself": {func(env *testsuite.TestWorkflowEnvironment) { hears(env, time.Minute, quiet) }, nil, false,
			incident.Superseded, "nothing has fired since 00:01:00 UTC", 1, 1},
		"and its target is not ready yet": {func(env *testsuite.TestWorkflowEnvironment) { hears(env, time.Minute, quiet) },
			func(n int) bool { return n > 3 }, false, incident.Superseded, "nothing has fired", 1, 1},
		"never ready": {func(env *testsuite.TestWorkflowEnvironment) { hears(env, time.Minute, quiet) },
			func(int) bool { return false }, false, incident.Expired, "nobody approved", 1, 0},
		"it fires again": {func(env *testsuite.TestWorkflowEnvironment) {
			hears(env, time.Minute, quiet)
			hears(env, 5*time.Minute, Evidence{Incident: "again"})
		}, nil, false, incident.Expired, "nobody approved", 2, 0},
		"another that joined it fires": {func(env *testsuite.TestWorkflowEnvironment) {
			hears(env, time.Minute, quiet)
			hears(env, 2*time.Minute, Evidence{ID: "ba9876543210", Incident: "other"})
		}, nil, false, incident.Expired, "nobody approved", 2, 0},
		"merged at the same time": {func(env *testsuite.TestWorkflowEnvironment) { hears(env, time.Minute, quiet) }, nil, true,
			incident.Succeeded, "pass", 1, 1},
		"much evidence": {func(env *testsuite.TestWorkflowEnvironment) {
			for i := range 60 {
				hears(env, time.Minute+time.Duration(i)*time.Second, Evidence{Incident: strings.Repeat("x", i)})
			}
		}, nil, false, incident.Expired, "nobody approved", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.later, w.ready = c.later, c.ready
			w.judge = func(n int, in JudgeInput) Judgement {
				switch {
				case w.count("Withdraw") > 0 && c.merged:
					return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"}
				case w.count("Withdraw") > 0:
					return Judgement{State: "rejected", Why: "closed"}
				}
				return byDeadline(n, in)
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || w.count("Amend") != c.amended || w.count("Withdraw") != c.shut {
				t.Errorf("got %+v, amended %d times, withdrawn %d times", got, w.count("Amend"), w.count("Withdraw"))
			}
			if n := w.count("Ready"); n > 25 {
				t.Errorf("its target was asked %d times whether it is ready", n)
			}
		})
	}
}

// TestOneAtATime tells of an incident whose target another remediation works on.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	another := incident.Key{Incident: "ba9876543210", Attempt: 2}
	for name, c := range map[string]struct {
		gone    int // tries for which the other is over, and its claim is there
		release int // the try from which the claim is not
		want    incident.Phase
	}{
		"it joins":              {0, 1000, incident.Superseded},
		"its claim is released": {1000, 3, incident.Succeeded},
		"and it never is":       {1000, 1000, incident.Escalated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, told := happy(), 0
			planned := w.planned
			w.plan = func(n int) Planned {
				if n >= c.release {
					return planned
				}
				return Planned{Holder: &another}
			}
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				env.OnSignalExternalWorkflow(mock.Anything, "remediation/ba9876543210/2", "", EvidenceSignal, Evidence{ID: "0123456789ab", Incident: "i"}).
					Return(func(string, string, string, string, any) error {
						if told++; told <= c.gone {
							return errors.New("workflow execution already completed")
						}
						return nil
					})
			}
			got := w.play(t)
			if got.Phase != c.want || w.ending.Joined != (c.want != incident.Succeeded) {
				t.Errorf("got %+v, joined %v, told %d times", got, w.ending.Joined, told)
			}
			if c.want == incident.Superseded && (w.count("Propose") > 0 || !strings.Contains(got.Reason, another.Workflow())) {
				t.Errorf("it proposed: %v, %s", w.calls, got.Reason)
			}
		})
	}
}

func TestBrakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits  int // that Decide answers at the gate of apply
		from   int // the question from which it does
		merged bool
		want   incident.Phase
		why    string
		never  string
	}{
		"let go before the merge": {3, 1, false, incident.Succeeded, "pass", ""},
		"let go before the apply": {3, 2, false, incident.Succeeded, "pass", ""},
		"held for long":           {1000, 1, false, incident.Expired, "held back for 30m0s, after which its evidence is too old: paused", "Merge"},
		"merged and held":         {1000, 2, false, incident.Escalated, "merged, but not applied within 30m0s: paused", "Apply"},
		"a person merged":         {1000, 1, true, incident.Escalated, "merged, but not applied", "Apply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, asked := happy(), 0
			w.wait = func() string {
				if asked++; asked >= c.from && asked < c.from+c.waits {
					return "paused"
				}
				return ""
			}
			if c.merged {
				w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "x"} }
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || slices.Contains(w.calls, c.never) || w.ending.Shut != (c.want == incident.Expired) {
				t.Errorf("got %+v, shut %v: %v", got, w.ending.Shut, w.calls)
			}
			if n := w.count("Brake"); n != 1 && c.want != incident.Succeeded || n != 2 && c.want == incident.Succeeded {
				t.Errorf("people were told %d times", n)
			}
			if n := w.count("Decide"); n > 30 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestEvidenceDoesNotHurryAQuestion that silence has put to people.
func TestEvidenceDoesNotHurryAQuestion(t *testing.T) {
	t.Parallel()
	asked := map[bool]int{}
	for _, told := range []bool{false, true} {
		w := happy()
		w.verdict.Result = incident.NoData
		w.later = func(env *testsuite.TestWorkflowEnvironment) {
			if told {
				hears(env, 30*time.Second, Evidence{Incident: "x"})
			}
		}
		if got := w.play(t); got.Phase != incident.Escalated {
			t.Errorf("%+v", got)
		}
		asked[told] = w.count("Answer")
	}
	if asked[true] > asked[false]+2 {
		t.Errorf("asked %d times, %d without", asked[true], asked[false])
	}
}
