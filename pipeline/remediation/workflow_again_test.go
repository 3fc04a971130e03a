package remediation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestAnOutbreakDuringTheEnding is told to a remediation that has come to its end and is not over: its Close waits for the forge.
func TestAnOutbreakDuringTheEnding(t *testing.T) {
	t.Parallel()
	later := opened.Add(time.Hour)
	for name, c := range map[string]struct {
		hears []Evidence
		want  bool
	}{
		"it broke out again":                 {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: later}}, true},
		"and healed":                         {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: later}, {Outbreak: 1, Healed: later, AsOf: later}}, false},
		"that is what it ended":              {[]Evidence{{Incident: "late", AsOf: later}}, false},
		"before it ended, as its verdict is": {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: opened}}, false},
		"another incident":                   {[]Evidence{{ID: "ba9876543210", Outbreak: 1, Incident: "other", AsOf: later}}, false},
		"nothing":                            {nil, false},
	} {
		for _, unclosed := range []error{nil, temporal.NewNonRetryableApplicationError("the forge is away", "Away", nil)} {
			t.Run(fmt.Sprint(name, unclosed), func(t *testing.T) {
				t.Parallel()
				w := happy()
				w.unclosed = unclosed
				var next []Start
				w.later = func(env *testsuite.TestWorkflowEnvironment) {
					w.closing = func() {
						w.closing = nil
						for _, e := range c.hears {
							if e.ID == "" {
								e.ID = "0123456789ab"
							}
							env.SignalWorkflow(EvidenceSignal, e)
						}
					}
					env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
						var s Start
						if err := args.Get(&s); err != nil {
							t.Error(err)
						}
						next = append(next, s)
					})
				}
				if got := w.play(t); got.Phase != incident.Succeeded || (len(next) == 1) != c.want {
					t.Fatalf("%+v, then %+v", got, next)
				}
				if c.want && (next[0].Key.Attempt != 2 || next[0].Incident != "again" || *next[0].Outbreak != 1 || next[0].Target != "t") {
					t.Errorf("then %+v", next[0])
				}
			})
		}
	}
}

// TestAMergeAfterTheEnd begins at the gate of the apply.
func TestAMergeAfterTheEnd(t *testing.T) {
	t.Parallel()
	another := incident.Key{Incident: "ba9876543210", Attempt: 2}
	for name, c := range map[string]struct {
		holds  int // tries for which another remediation has the target
		policy bool
		want   incident.Phase
		why    string
	}{
		"it is applied":                 {0, true, incident.Succeeded, "pass"},
		"once the target is free":       {3, true, incident.Succeeded, "pass"},
		"after people had their time":   {12, true, incident.Succeeded, "pass"}, // more than half an hour
		"which it never is":             {1000, true, incident.Escalated, "merged, but remediation/ba9876543210/2 is at work on t"},
		"policy refuses what is merged": {0, false, incident.Escalated, "merged, but policy refuses to apply it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.gates[incident.GateApply] = incident.Decision{Allow: c.policy, Reasons: []string{"no"}}
			w.adopts = &Adopts{Attempt: 1, Number: 7, Merge: "theirs", By: "sam"}
			w.adopted = func(n int) Adopted {
				if n <= c.holds {
					return Adopted{Planned: Planned{Holder: &another}}
				}
				return Adopted{Planned: w.planned, Change: incident.Change{Number: 7}}
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || w.ending.Merge != "theirs" {
				t.Fatalf("%+v, %+v", got, w.ending)
			}
			for _, never := range []string{"Plan", "Propose", "Judge", "Merge"} {
				if w.count(never) > 0 {
					t.Errorf("%s ran: %v", never, w.calls)
				}
			}
			if c.holds > 100 && (w.waited < heldFor || w.count("Adopt") > 320) {
				t.Errorf("it gave up after %s and %d looks", w.waited, w.count("Adopt"))
			}
			if applied := w.count("Apply") == 1; applied != (c.want == incident.Succeeded) {
				t.Errorf("applied is %v", applied)
			}
		})
	}
}

// TestWhatIsShownFromTheStart is not said again: each upsert is an event.
func TestWhatIsShownFromTheStart(t *testing.T) {
	t.Parallel()
	upserts := map[bool]int{}
	for _, atStart := range []bool{false, true} {
		w := happy()
		w.later = func(env *testsuite.TestWorkflowEnvironment) {
			if atStart {
				if err := env.SetTypedSearchAttributesOnStart(Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Target: "t"}.attributes()); err != nil {
					t.Fatal(err)
				}
			}
			env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(mock.Arguments) { upserts[atStart]++ }).Return(nil)
		}
		if got := w.play(t); got.Phase != incident.Succeeded {
			t.Fatalf("%+v", got)
		}
	}
	if upserts[false] != upserts[true]+2 {
		t.Errorf("%v upserts", upserts)
	}
}

// TestAMergeOnTheWayToAnotherEnd is told to a remediation that does not look at the forge any more.
func TestAMergeOnTheWayToAnotherEnd(t *testing.T) {
	t.Parallel()
	merged := incident.Action{Kind: incident.Merge, Number: 7, MergeSHA: "theirs", Actor: "sam"}
	for name, c := range map[string]struct {
		state string
		wait  string
		told  incident.Action
		want  incident.Phase
		next  bool
	}{
		"while a brake holds it":  {"approved", "paused", merged, incident.Expired, true},
		"while it is closed":      {"rejected", "", merged, incident.Rejected, true},
		"of another pull request": {"rejected", "", incident.Action{Kind: incident.Merge, Number: 8, MergeSHA: "m"}, incident.Rejected, false},
		"only closed":             {"rejected", "", incident.Action{Kind: incident.Close, Number: 7}, incident.Rejected, false},
		"its own":                 {"approved", "", merged, incident.Succeeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.judge = func(int, JudgeInput) Judgement { return Judgement{State: c.state, By: []string{"dana"}} }
			w.wait = func() string { return c.wait }
			w.adopted = func(int) Adopted { return Adopted{Planned: w.planned, Change: incident.Change{Number: 7}} }
			var next []Start
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				tell := func() { w.closing = nil; env.SignalWorkflow(ActionSignal, c.told) }
				if w.closing = tell; c.wait != "" {
					w.closing = nil
					env.RegisterDelayedCallback(tell, 10*time.Minute)
				}
				env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
					var s Start
					if err := args.Get(&s); err != nil {
						t.Error(err)
					}
					next = append(next, s)
				})
			}
			if got := w.play(t); got.Phase != c.want || (len(next) == 1) != c.next {
				t.Fatalf("%+v, then %+v", got, next)
			}
			if want := (Adopts{Attempt: 1, Number: 7, Merge: "theirs", By: "sam"}); c.next && (next[0].Key.Attempt != 2 || next[0].Adopts == nil || *next[0].Adopts != want) {
				t.Errorf("then %+v", next[0])
			}
		})
	}
}

// TestARestoreIsWaitedFor and told of no incident: it would make nothing of one.
func TestARestoreIsWaitedFor(t *testing.T) {
	t.Parallel()
	restore := another.Restoring()
	for name, c := range map[string]struct {
		holds int
		want  incident.Phase
		why   string
	}{"it is over soon": {3, incident.Succeeded, "pass"}, "it is not": {1000, incident.Escalated, "expiry/ba9876543210/1 holds t and goes on"}} {
		w := happy()
		w.plan = func(n int) Planned {
			if n <= c.holds {
				return Planned{Holder: &restore}
			}
			return w.planned
		}
		if got := w.play(t); got.Phase != c.want || !strings.Contains(got.Reason, c.why) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestTheOwnIncidentIsHeard however many have joined it.
func TestTheOwnIncidentIsHeard(t *testing.T) {
	t.Parallel()
	n := news{}
	for i := range mostEvidence + 5 {
		n.take(Evidence{ID: string(rune('a' + i))}, false)
	}
	own := Evidence{ID: "own", Outbreak: 1}
	if n.take(own, true); len(n.list) != mostEvidence || n.list[mostEvidence-1] != own {
		t.Errorf("%+v", n.list)
	}
}

// TestAnOutbreakAndAMergeDuringTheEnding are two attempts.
func TestAnOutbreakAndAMergeDuringTheEnding(t *testing.T) {
	t.Parallel()
	w := happy()
	w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "rejected", By: []string{"dana"}} }
	w.adopted = func(int) Adopted { return Adopted{Planned: w.planned, Change: incident.Change{Number: 7}} }
	var next []Start
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		w.closing = func() {
			w.closing = nil
			env.SignalWorkflow(ActionSignal, incident.Action{Kind: incident.Merge, Number: 7, MergeSHA: "theirs", Actor: "sam"})
			env.SignalWorkflow(EvidenceSignal, Evidence{ID: "0123456789ab", Outbreak: 1, Incident: "again", AsOf: opened.Add(time.Hour)})
		}
		env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
			var s Start
			if err := args.Get(&s); err != nil {
				t.Error(err)
			}
			next = append(next, s)
		})
	}
	if got := w.play(t); got.Phase != incident.Rejected || len(next) != 2 || next[0].Adopts == nil || next[1].Key.Attempt != 3 || next[1].Adopts != nil || next[1].Incident != "again" {
		t.Errorf("%+v, then %+v", got, next)
	}
}
