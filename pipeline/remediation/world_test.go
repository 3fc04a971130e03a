package remediation

import (
	stdcontext "context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// world answers the workflow's activities; a test changes what it says.
type world struct {
	planned     Planned
	gates       map[incident.Gate]incident.Decision
	judge       func(n int, in JudgeInput) Judgement
	verdict     incident.Verdict
	rollout     Rollout
	mergeErr    error
	announced   Announced
	merges      func(n int) error                        // instead of mergeErr
	answer      func(n int, in AskInput) Said            // to the question of silence
	later       func(*testsuite.TestWorkflowEnvironment) // what happens while it runs
	rehearse    error
	unapplied   error               // of a revert
	undelivered error               // by a tool
	dry         error               // of a dry-run after the first
	plan        func(n int) Planned // instead of planned
	wait        func() string       // of the brakes, at the gate of apply
	ready       func(n int) bool
	fails       map[string]error // the first try of Merge, Apply, ProposeRevert or MergeRevert

	applied  map[string]string
	verified VerifyInput
	reverted RevertInput

	closing  func()
	unclosed error // why Close fails for good
	adopts   *Adopts
	adopted  func(n int) Adopted
	replan   func(in PlanInput) Planned // of a pull request that is open

	waited   time.Duration // of the workflow's time
	calls    []string
	plans    []PlanInput // of open pull requests
	dried    []DryRunInput
	replies  []ReplyInput
	revised  []ReviseInput
	announce []AnnounceInput
	ending   Ending
}

func happy() *world {
	return &world{
		planned: Planned{Proposal: "p", Summary: "s", Playbook: "raise-memory-limit", People: 1, Within: 15 * time.Minute,
			Window: time.Minute, Rollback: "revert"},
		gates: map[incident.Gate]incident.Decision{incident.GatePlan: {Allow: true}, incident.GateApprove: {Allow: true, Approvals: 1},
			incident.GateApply: {Allow: true}},
		judge:   func(int, JudgeInput) Judgement { return Judgement{State: "approved", By: []string{"sam"}} },
		verdict: incident.Verdict{Result: incident.Pass},
	}
}

var opened = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// play runs the workflow on the world and returns its outcome.
func (w *world) play(t *testing.T) incident.Outcome {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute) // of the machine's own time, which others need too
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.SetStartTime(opened)
	env.RegisterWorkflow(Remediate)
	judged := 0
	for name, f := range map[string]any{
		"Plan": func(in PlanInput) (Planned, error) {
			if in.Earlier != "" {
				w.plans = append(w.plans, in)
				if w.replan == nil {
					return Planned{Same: true}, nil
				}
				return w.replan(in), nil
			}
			if w.plan != nil {
				return w.plan(w.count("Plan")), nil
			}
			return w.planned, nil
		},
		"Revise": func(in ReviseInput) (incident.Change, error) {
			w.revised = append(w.revised, in)
			in.Change.HeadSHA, in.Change.RevisedAt = fmt.Sprintf("revision %d", in.N), in.When
			return in.Change, w.first("Revise")
		},
		"Adopt": func(Start) (Adopted, error) { return w.adopted(w.count("Adopt")), nil },
		"Reply": func(in ReplyInput) error { w.replies = append(w.replies, in); return nil },
		"Decide": func(in GateInput) (incident.Decision, error) {
			d := w.gates[in.Gate]
			if in.Proposal == "refused" {
				return incident.Decision{Reasons: []string{"too much for a Friday"}}, nil
			}
			if w.wait != nil && in.Gate == incident.GateApply {
				d.Wait = w.wait()
			}
			return d, nil
		},
		"Ready":    func(ReadyInput) (bool, error) { return w.ready == nil || w.ready(w.count("Ready")), nil },
		"Withdraw": func(WithdrawInput) error { return nil },
		"Amend":    func(AmendInput) error { return nil },
		"Brake":    func(BrakeInput) error { return nil },
		"DryRun": func(in DryRunInput) (string, error) {
			w.dried = append(w.dried, in)
			if w.dry == nil || w.count("DryRun") == 1 {
				return "d", nil
			}
			return "", w.dry
		},
		"Propose": func(ProposeInput) (incident.Change, error) {
			return incident.Change{Number: 7, OpenedAt: opened, Branch: "cortexops/0123456789ab-1"}, nil
		},
		"Judge":  func(in JudgeInput) (Judgement, error) { judged++; return w.judge(judged, in), nil },
		"Expire": func(JudgeInput) error { return nil },
		"Merge": func(in MergeInput) (string, error) {
			for _, a := range in.Judged.Clicks {
				if a.Kind == incident.Reject {
					seen := Judgement{State: "rejected", Why: a.Actor + " rejected it", Shut: true}
					return "", temporal.NewNonRetryableApplicationError(seen.Why, typeWithdrawn, nil, seen)
				}
			}
			if err := w.first("Merge"); err != nil {
				return "", err
			}
			if w.merges != nil {
				return "m", w.merges(w.count("Merge"))
			}
			return "m", w.mergeErr
		},
		"Hold": func(HoldInput) error { return nil },
		"Ask":  func(AskInput) error { return nil },
		"Answer": func(in AskInput) (Said, error) {
			if w.answer == nil {
				return Said{}, nil
			}
			return w.answer(w.count("Answer"), in), nil
		},
		"Announce": func(in AnnounceInput) (Announced, error) {
			w.announce = append(w.announce, in)
			return w.announced, nil
		},
		"Rehearse": func(ApplyInput) error { return w.rehearse },
		"Apply": func(in ApplyInput) (Applied, error) {
			if in.Revert {
				return Applied{}, w.unapplied
			}
			return Applied{Revisions: w.applied}, w.first("Apply")
		},
		"Wait": func(in ApplyInput) (Rollout, error) {
			if in.Revert {
				return Rollout{}, nil
			}
			return w.rollout, w.undelivered
		},
		"Verify": func(in VerifyInput) (incident.Verdict, error) { w.verified = in; return w.verdict, nil },
		"ProposeRevert": func(in RevertInput) (incident.Change, error) {
			w.reverted = in
			return incident.Change{Number: 8}, w.first("ProposeRevert")
		},
		"MergeRevert": func(RevertMergeInput) (string, error) { return "r", w.first("MergeRevert") },
		"Close": func(in Ending) error {
			if in.Key.Attempt == 1 { // not of the one that follows
				w.ending = in
			}
			if w.closing != nil {
				w.closing()
			}
			return w.unclosed
		},
	} {
		env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	env.SetOnActivityStartedListener(func(info *activity.Info, _ stdcontext.Context, _ converter.EncodedValues) {
		w.calls = append(w.calls, info.ActivityType.Name)
	})
	env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ stdcontext.Context, _ []any) {
		w.calls = append(w.calls, info.ActivityType.Name)
	})
	if w.later != nil {
		w.later(env)
	}
	env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Maybe()
	defer func() { w.waited = env.Now().Sub(opened) }()
	env.ExecuteWorkflow(Remediate, Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Incident: "i", Target: "t", Adopts: w.adopts})
	var out incident.Outcome
	if err := env.GetWorkflowResult(&out); err != nil {
		if w.unclosed == nil {
			t.Fatal(err)
		}
		return w.ending.Outcome
	}
	if w.ending.Outcome != out {
		t.Fatalf("the ending told to the world, %+v, is not the outcome %+v", w.ending.Outcome, out)
	}
	return out
}

// first is how the first try of an activity fails.
func (w *world) first(name string) error {
	if w.count(name) > 1 {
		return nil
	}
	return w.fails[name]
}

func (w *world) count(name string) int {
	n := 0
	for _, c := range w.calls {
		if c == name {
			n++
		}
	}
	return n
}
