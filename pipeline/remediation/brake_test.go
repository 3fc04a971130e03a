package remediation

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/policies"
)

// shared is the database that all workers share, for one target.
type shared struct {
	holder   incident.Key
	released []incident.Key
	refuse   error // of a release
	wait     string
	acted    []incident.Key
	failures int
}

func (s *shared) Take(_ context.Context, _ string, key incident.Key, _ time.Time) (incident.Key, error) {
	if s.holder.Incident == "" {
		s.holder = key
	}
	return s.holder, nil
}

func (s *shared) Release(_ context.Context, _ string, key incident.Key) error {
	s.released = append(s.released, key)
	return s.refuse
}

func (s *shared) Act(_ context.Context, _ incident.Resource, key incident.Key, _ time.Time) (string, error) {
	s.acted = append(s.acted, key)
	return s.wait, nil
}

func (s *shared) History(context.Context, string, time.Time) (past []incident.Past, _ error) {
	for i := range s.failures {
		past = append(past, incident.Past{Playbook: "p", Outcome: []incident.Phase{incident.RolledBack, incident.Escalated}[i%2]})
	}
	past = append(past, incident.Past{Playbook: "p", Outcome: incident.Escalated, Untried: true})
	return append(past, incident.Past{Playbook: "another", Outcome: incident.RolledBack}, incident.Past{Playbook: "p", Outcome: incident.Succeeded}), nil
}

type noMirror struct{ Past }

func (noMirror) Fetch(context.Context) error             { return nil }
func (noMirror) Head(string) (string, error)             { return "base", nil }
func (noMirror) Snapshot(string) (*repo.Snapshot, error) { return nil, nil }

// anyPlan makes a proposal of whatever it is asked, and tells.
type anyPlan struct {
	Planning
	made *bool
}

func (anyPlan) Places(incident.Incident, locate.Files, *chain.Chain) []repo.Place { return nil }

func (p anyPlan) Propose(context.Context, PlanRequest) (incident.Proposal, Wanted, error) {
	*p.made = true
	return incident.Proposal{Playbook: incident.Playbook{Name: "p"}, Edits: []incident.Edit{{}}}, Wanted{}, nil
}

var thisOne, another = incident.Key{Incident: "0123456789ab", Attempt: 1}, incident.Key{Incident: "ba9876543210", Attempt: 1}

// TestPlanStandsBack from a target that another remediation works on, before it reads anything, and from a playbook that did not help.
func TestPlanStandsBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shared shared
		want   Planned
	}{
		"another works on it": {shared{holder: another}, Planned{Holder: &another}},
		"it failed once":      {shared{failures: 1}, Planned{Playbook: "p"}},
		"it failed twice":     {shared{failures: 2}, Planned{Tried: "p did not help Deployment shop/api 2 times in 24h0m0s, and is not tried again"}},
	} {
		book := &pages{}
		digest, err := put(t.Context(), book, incident.Incident{Root: incident.Resource{Kind: "Deployment", Namespace: "shop", Name: "api"}})
		if err != nil {
			t.Fatal(err)
		}
		made := false
		p := &Planner{Book: book, Repo: noMirror{}, Claims: &c.shared, History: c.shared.History,
			Advise: func(context.Context, incident.Incident) incident.Advisory { return incident.Advisory{} },
			Make:   anyPlan{made: &made}}
		got, err := activityRun[Planned](t, p.Plan, PlanInput{Start: Start{Key: thisOne, Incident: digest, Target: "t"}})
		if err != nil || (got.Holder == nil) != (c.want.Holder == nil) || got.Tried != c.want.Tried || got.Playbook != c.want.Playbook || made != (got.Holder == nil) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if got.Holder != nil && *got.Holder != another {
			t.Errorf("%s: %v", name, got.Holder)
		}
	}
}

type allowing struct{ no bool }

func (a allowing) Evaluate(context.Context, string, policies.Input) (policies.Decision, error) {
	return policies.Decision{Allow: !a.no, Reasons: []string{"no"}}, nil
}

// TestOnlyWhatIsAllowedMeetsABrake, and a revert meets none.
func TestOnlyWhatIsAllowedMeetsABrake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gate   incident.Gate
		phase  incident.Phase
		denied bool
		want   string
	}{
		"merge":  {incident.GateApply, incident.Merging, false, "paused"},
		"apply":  {incident.GateApply, incident.Applying, false, "paused"},
		"revert": {incident.GateApply, incident.RollingBack, false, ""},
		"plan":   {incident.GatePlan, incident.PolicyCheck, false, ""},
		"denied": {incident.GateApply, incident.Merging, true, ""},
	} {
		book, s := &pages{}, &shared{wait: "paused"}
		digest, err := put(t.Context(), book, incident.Proposal{Edits: []incident.Edit{{}}})
		if err != nil {
			t.Fatal(err)
		}
		g := &Gatekeeper{Book: book, Policy: allowing{c.denied}, Brakes: s}
		d, err := g.Decide(t.Context(), GateInput{Key: thisOne, Gate: c.gate, Phase: c.phase, Step: "policy", Proposal: digest})
		if err != nil || d.Wait != c.want || (len(s.acted) > 0) != (c.want != "") {
			t.Errorf("%s: %+v %v", name, d, err)
		}
		if c.want != "" && len(book.rows) > 0 {
			t.Errorf("%s: it is in the ledger before it was decided: %+v", name, book.rows)
		}
	}
}

// TestCloseLetsGo of the target, other than of one that another remediation holds.
func TestCloseLetsGo(t *testing.T) {
	t.Parallel()
	for _, joined := range []bool{false, true} {
		s := &shared{refuse: errors.New("away")}
		in := Ending{Key: thisOne, Target: "t", Joined: joined, Outcome: incident.Outcome{Phase: incident.Superseded}}
		if err := (&Closer{Book: &pages{}, Repo: gitless{}, Claims: s}).Close(t.Context(), in); err != nil || (len(s.released) == 0) != joined {
			t.Errorf("joined %v: released %v, %v", joined, s.released, err)
		}
	}
}

type rolling struct {
	Cluster
	err error
}

func (r rolling) Wait(ctx context.Context, _ []delivery.Ref, _ func(string)) error {
	if errors.Is(r.err, context.DeadlineExceeded) {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.err
}

func TestReady(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, c := range map[string]struct {
		err  error
		want bool
		fail error
	}{"rolled out": {nil, true, nil}, "stuck": {&delivery.Stuck{}, false, nil}, "away": {away, false, away}} {
		book := &pages{}
		digest, err := put(t.Context(), book, incident.Proposal{})
		if err != nil {
			t.Fatal(err)
		}
		ready, err := (&Applier{Book: book, Cluster: rolling{err: c.err}}).Ready(t.Context(), ReadyInput{Proposal: digest})
		if ready != c.want || !errors.Is(err, c.fail) {
			t.Errorf("%s: %v %v", name, ready, err)
		}
	}
}

// TestHandedOnOnceAMinute, other than a change of state.
func TestHandedOnOnceAMinute(t *testing.T) {
	t.Parallel()
	var s told
	now := time.Unix(0, 0)
	for i, c := range []struct {
		after    time.Duration
		revision int
		state    incident.State
		want     bool
		later    time.Duration // it comes again then
	}{
		{0, 1, incident.Sealed, true, 0}, {time.Second, 1, incident.Sealed, false, 0}, {time.Second, 2, incident.Sealed, false, 59 * time.Second},
		{2 * time.Second, 3, incident.Sealed, false, 58 * time.Second}, {3 * time.Second, 4, incident.Healed, true, 0}, {4 * time.Second, 4, incident.Healed, false, 0},
		{5 * time.Second, 5, incident.Sealed, true, 0}, {64 * time.Second, 6, incident.Sealed, false, time.Second}, {65 * time.Second, 7, incident.Sealed, true, 0},
		{66 * time.Second, 8, incident.Sealed, false, 59 * time.Second},
	} {
		inc, at := incident.Incident{ID: "i", Revision: c.revision, State: c.state}, now.Add(c.after)
		got, err := s.due(inc, at)
		var postponed *incident.Postponed
		if errors.As(err, &postponed) != (c.later > 0) || postponed != nil && postponed.For != c.later || got != c.want {
			t.Errorf("%d: %v, %v", i, got, err)
		}
		if got {
			s.set(inc, at)
		}
	}
	s.set(incident.Incident{ID: "j"}, now.Add(time.Hour))
	if len(s.last) != 1 {
		t.Errorf("%v are remembered", s.last)
	}
}

// activityRun runs one activity as the worker does.
func activityRun[Out, In any](t *testing.T, f func(context.Context, In) (Out, error), in In) (out Out, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(f)
	answer, err := env.ExecuteActivity(f, in)
	if err != nil {
		return out, err
	}
	return out, answer.Get(&out)
}

// TestOpenPullRequestsAreToldOfAPauseOnce, and that it is over.
func TestOpenPullRequestsAreToldOfAPauseOnce(t *testing.T) {
	t.Parallel()
	f := &oneForge{}
	k := &Keeper{Writer: pausing{}}
	k.Forge = marking{f}
	for _, c := range []struct {
		why  string
		want int
	}{{"", 0}, {"paused", 1}, {"paused", 1}, {"", 2}, {"", 2}} {
		if err := k.tell(t.Context(), 7, c.why); err != nil || len(f.wrote) != c.want {
			t.Errorf("%q: told %d times, %v", c.why, len(f.wrote), err)
		}
	}
	f.refuse = errors.New("away")
	for range 2 { // tried again
		if err := k.tell(t.Context(), 7, "paused"); err == nil {
			t.Error("nobody was told, and nobody knows")
		}
	}
}

type pausing struct{}

func (pausing) Abandoned(incident.Key, string) string { return "" }
func (pausing) Paused(why string) string              { return why }

type marking struct{ *oneForge }

func (marking) OpenPulls(context.Context) ([]forge.Pull, error) { return nil, nil }
