package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// rolled answers each question about an object with the next of its revisions, the last again and again.
type rolled map[string][]string

func (r rolled) Revision(_ context.Context, ref delivery.Ref) (string, error) {
	list := r[ref.Name]
	if len(list) == 0 {
		return "", errors.New("403")
	}
	if len(list) > 1 {
		r[ref.Name] = list[1:]
	}
	return list[0], nil
}

// gauge gives its verdict at a look.
type gauge struct {
	after  int
	result string
	looks  int
}

func (g *gauge) Look(context.Context, json.RawMessage, time.Duration, []incident.Check) (json.RawMessage, *incident.Verdict, error) {
	if g.looks++; g.looks < g.after {
		return json.RawMessage(`{}`), nil, nil
	}
	return json.RawMessage(`{}`), &incident.Verdict{Result: g.result, Checks: []incident.CheckResult{{Name: "errors", Result: g.result}}}, nil
}

// TestAStrangersRollout makes a verdict worthless, good or bad; our own does not.
func TestAStrangersRollout(t *testing.T) {
	t.Parallel()
	ours := map[string]string{"Deployment shop/checkout": "a"}
	near := []incident.Resource{{Kind: "StatefulSet", Namespace: "shop", Name: "orders-db"}}
	for name, c := range map[string]struct {
		rolled  rolled
		applied map[string]string
		round   int
		result  string // by the metrics
		claimed bool   // another remediation has the dependency
		want    string // who rolled out; empty: the metrics' word stands
	}{
		"nobody":                        {rolled{"checkout": {"a"}, "orders-db": {"x"}}, ours, 1, incident.Pass, false, ""},
		"the target, and all is well":   {rolled{"checkout": {"a", "b"}, "orders-db": {"x"}}, ours, 1, incident.Pass, false, "Deployment shop/checkout"},
		"the target, and nothing is":    {rolled{"checkout": {"a", "b"}, "orders-db": {"x"}}, ours, 1, incident.Fail, false, "Deployment shop/checkout"},
		"before the window opened":      {rolled{"checkout": {"b"}, "orders-db": {"x"}}, ours, 1, incident.Fail, false, "Deployment shop/checkout"},
		"the target is gone":            {rolled{"checkout": {""}, "orders-db": {"x"}}, ours, 1, incident.Fail, false, "Deployment shop/checkout"},
		"a dependency":                  {rolled{"checkout": {"a"}, "orders-db": {"x", "y"}}, ours, 1, incident.Fail, false, "StatefulSet shop/orders-db"},
		"a dependency by us":            {rolled{"checkout": {"a"}, "orders-db": {"x", "y"}}, ours, 1, incident.Fail, true, ""},
		"the target is never by others": {rolled{"checkout": {"a", "b"}, "orders-db": {"x"}}, ours, 1, incident.Fail, true, "Deployment shop/checkout"},
		"what we may not see":           {rolled{"checkout": {"a"}}, ours, 1, incident.Fail, false, ""},
		"what we applied is not known":  {rolled{"checkout": {"b"}, "orders-db": {"x"}}, nil, 1, incident.Fail, false, ""},
		"a person asked to wait":        {rolled{"checkout": {"b"}, "orders-db": {"x"}}, ours, 2, incident.Pass, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book := &pages{}
			target := incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
			digest, err := put(t.Context(), book, incident.Proposal{Objects: []incident.RenderedObject{incident.Rendered(target, []byte("{}"))}})
			if err != nil {
				t.Fatal(err)
			}
			w := &Watcher{Book: book, Metrics: &gauge{after: 2, result: c.result}, Every: time.Millisecond, Strangers: &Strangers{Rollouts: c.rolled,
				Near: func(context.Context, incident.Resource) []incident.Resource { return near },
				Ours: func(context.Context, incident.Resource) (bool, error) { return c.claimed, nil }}}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(w.Verify)
			value, err := env.ExecuteActivity(w.Verify, VerifyInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Round: c.round, Applied: c.applied})
			if err != nil {
				t.Fatal(err)
			}
			var got incident.Verdict
			if err := value.Get(&got); err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if got.Result != c.result || got.Reason != "" {
					t.Errorf("%+v", got)
				}
				return
			}
			last := got.Checks[len(got.Checks)-1]
			if got.Result != incident.NoData || got.Reason != incident.Confounded || !strings.HasPrefix(last.Value, c.want+" was rolled out by somebody else") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestAConfoundedVerdict asks a person, and never reverts by itself. The verification knows what was applied.
func TestAConfoundedVerdict(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]incident.Phase{"": incident.Escalated, "keep": incident.Succeeded, "revert": incident.RolledBack} {
		w := happy()
		w.applied = map[string]string{"Deployment shop/checkout": "a"}
		w.verdict = *confounded(incident.Resource{Kind: "Deployment", Namespace: "shop", Name: "cart"}, &incident.Verdict{Result: incident.Fail})
		w.answer = func(int, AskInput) Said { return Said{Word: word, By: "sam"} }
		got := w.play(t)
		if got.Phase != want || !strings.Contains(got.Reason, "no-data, confounded") || w.count("Ask") != 1 {
			t.Errorf("%q: %+v, %v", word, got, w.calls)
		}
		if reverted := w.count("ProposeRevert") > 0; reverted != (word == "revert") || reverted && w.reverted.Applied.Before(opened) {
			t.Errorf("%q: reverted %v, %+v", word, reverted, w.reverted)
		}
		if w.verified.Applied["Deployment shop/checkout"] != "a" {
			t.Errorf("%+v", w.verified)
		}
	}
}

// unreachable is an API server that never answers.
type unreachable struct{}

func (unreachable) Revision(ctx context.Context, _ delivery.Ref) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// TestStrangersThatCannotBeSeen keep nobody waiting for as long as Temporal takes a verification for dead.
func TestStrangersThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list, asked := make([]standing, 1+mostNear), time.Now()
		who, err := (&Strangers{Rollouts: unreachable{}}).seen(t.Context(), list)
		if took := time.Since(asked); who != nil || err != nil || took > 5*time.Second { // of the fake clock; half a heartbeat
			t.Errorf("%v, %v, after %s", who, err, took)
		}
	})
}
