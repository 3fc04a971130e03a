package remediation

import (
	stdcontext "context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// world answers the workflow's activities; a test changes what it says.
type world struct {
	planned   Planned
	gates     map[incident.Gate]incident.Decision
	judge     func(n int, in JudgeInput) Judgement
	verdict   incident.Verdict
	rollout   Rollout
	mergeErr  error
	announced Announced
	merges    func(n int) error                        // instead of mergeErr
	answer    func(n int, in AskInput) Said            // to the question of silence
	later     func(*testsuite.TestWorkflowEnvironment) // what happens while it runs
	rehearse  error
	unapplied error               // of a revert
	dry       error               // of a dry-run after the first
	plan      func(n int) Planned // instead of planned
	wait      func() string       // of the brakes, at the gate of apply
	ready     func(n int) bool
	fails     map[string]error // the first try of Merge, Apply or MergeRevert

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
		"DryRun": func(DryRunInput) (string, error) {
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
			return w.rollout, nil
		},
		"Verify": func(in VerifyInput) (incident.Verdict, error) { w.verified = in; return w.verdict, nil },
		"ProposeRevert": func(in RevertInput) (incident.Change, error) {
			w.reverted = in
			return incident.Change{Number: 8}, nil
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
