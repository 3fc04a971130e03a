package remediation

import (
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestClicks are judged with all else that is known, and by when they were accepted: one may come after its deadline.
func TestClicks(t *testing.T) {
	t.Parallel()
	click := func(kind incident.ActionKind, accepted time.Duration, via string) incident.Action {
		return incident.Action{Kind: kind, Actor: "sam", Via: via, AcceptedAt: opened.Add(accepted)}
	}
	for name, c := range map[string]struct {
		click   incident.Action
		arrives time.Duration
		message string
		want    incident.Phase
		shut    bool
	}{
		"approved":                    {click(incident.Approve, time.Minute, "slack"), time.Minute, "1.2", incident.Succeeded, false},
		"rejected":                    {click(incident.Reject, time.Minute, "slack"), time.Minute, "1.2", incident.Rejected, true},
		"Temporal was away meanwhile": {click(incident.Approve, 14*time.Minute, "slack"), 15*time.Minute + 20*time.Second, "1.2", incident.Succeeded, false},
		"too late":                    {click(incident.Approve, 15*time.Minute+time.Second, "slack"), 15*time.Minute + 20*time.Second, "1.2", incident.Expired, false},
		"only the forge's webhook":    {click(incident.Approve, time.Minute, ""), time.Minute, "1.2", incident.Expired, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.announced.Message = c.message
			w.judge = func(n int, in JudgeInput) Judgement {
				for _, a := range in.Clicks {
					if a.AcceptedAt.After(in.Deadline) {
						continue
					}
					if a.Kind == incident.Reject {
						return Judgement{State: "rejected", Shut: true}
					}
					return Judgement{State: "approved", By: []string{a.Actor}}
				}
				return byDeadline(n, in)
			}
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				hears(env, 15*time.Minute-20*time.Second, Evidence{Incident: "x"}) // which cuts no waiting short
				hears(env, 15*time.Minute+5*time.Second, Evidence{Incident: "y"})
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(ActionSignal, c.click) }, c.arrives)
			}
			if got := w.play(t); got.Phase != c.want || w.ending.Shut != c.shut || w.ending.Message != c.message {
				t.Errorf("%+v, ending %+v", got, w.ending)
			}
		})
	}
}

// TestClicksAreBounded where somebody clicks the same again and again; what says something new is heard.
func TestClicksAreBounded(t *testing.T) {
	t.Parallel()
	w := happy()
	w.announced.Message = "1.2"
	clicks := 0
	w.judge = func(n int, in JudgeInput) Judgement {
		clicks = max(clicks, len(in.Clicks))
		for _, a := range in.Clicks {
			if a.Actor == "kim" {
				return Judgement{State: "approved", By: []string{a.Actor}}
			}
		}
		return byDeadline(n, in)
	}
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() {
			for i := range 200 {
				env.SignalWorkflow(ActionSignal, incident.Action{Kind: incident.Approve, Actor: "eve", Via: incident.ViaSlack, Delivery: fmt.Sprint("slack-", i)})
			}
			env.SignalWorkflow(ActionSignal, incident.Action{Kind: incident.Approve, Actor: "kim", Via: incident.ViaSlack, Delivery: "slack-kim"})
		}, time.Minute)
	}
	if got := w.play(t); got.Phase != incident.Succeeded || clicks != mostClicks+1 {
		t.Errorf("%+v after %d clicks", got, clicks)
	}
}
