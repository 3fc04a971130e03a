package main

import (
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

func TestOnlyWritersApproveAndOnlyForTheProposedBase(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := remediation.JudgeInput{Change: incident.Change{HeadSHA: "a", Base: "main"}, People: 1, Deadline: now.Add(time.Minute), Now: now}
	for name, c := range map[string]struct {
		mayWrite   bool
		base, want string
	}{
		"may push":   {true, "main", "approved"},
		"may read":   {false, "main", "pending"},
		"retargeted": {true, "staging", "voided"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judging("bot")(in, forge.Pull{State: "open", HeadSHA: "a", BaseRef: c.base},
				[]forge.Review{{User: "sam", State: "APPROVED", CommitSHA: "a", SubmittedAt: now, MayWrite: c.mayWrite}})
			if got.State != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

func TestWhoClosesItRejectsIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := remediation.JudgeInput{Change: incident.Change{HeadSHA: "a", Base: "main"}, People: 1, Deadline: now.Add(time.Minute), Now: now}
	got := judging("bot")(in, forge.Pull{State: "closed", HeadSHA: "a", BaseRef: "main", ClosedBy: "sam", ClosedAt: now}, nil)
	if got.State != "rejected" || len(got.By) != 1 || got.By[0] != "sam" {
		t.Errorf("%+v", got)
	}
}

func TestClicksOnSlack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	click := func(kind incident.ActionKind, actor, head string, after time.Duration) incident.Action {
		return incident.Action{Kind: kind, Actor: actor, Number: 7, HeadSHA: head, Via: incident.ViaSlack, AcceptedAt: now.Add(after), Reason: "not on a Friday"}
	}
	sam := forge.Review{User: "sam", State: "APPROVED", CommitSHA: "a", SubmittedAt: now, MayWrite: true}
	for name, c := range map[string]struct {
		people  int
		clicks  []incident.Action
		reviews []forge.Review
		merged  bool
		want    string
	}{
		"one":                              {1, []incident.Action{click(incident.Approve, "sam", "a", 0)}, nil, false, "approved"},
		"after the deadline":               {1, []incident.Action{click(incident.Approve, "sam", "a", 2*time.Minute)}, nil, false, "pending"},
		"of another head":                  {1, []incident.Action{click(incident.Approve, "sam", "b", 0)}, nil, false, "pending"},
		"one person in two places":         {2, []incident.Action{click(incident.Approve, "Sam", "a", 0)}, []forge.Review{sam}, false, "pending"},
		"two people in two places":         {2, []incident.Action{click(incident.Approve, "eve", "a", 0)}, []forge.Review{sam}, false, "approved"},
		"rejected":                         {1, []incident.Action{click(incident.Reject, "eve", "a", 0)}, []forge.Review{sam}, false, "rejected"},
		"rejected too late":                {1, []incident.Action{click(incident.Reject, "eve", "a", 2*time.Minute)}, []forge.Review{sam}, false, "approved"},
		"rejected, and merged by a person": {1, []incident.Action{click(incident.Reject, "eve", "a", 0)}, nil, true, "merged"},
	} {
		in := remediation.JudgeInput{Change: incident.Change{HeadSHA: "a", Base: "main", Number: 7}, People: c.people, Deadline: now.Add(time.Minute), Now: now, Clicks: c.clicks}
		pull := forge.Pull{State: "open", HeadSHA: "a", BaseRef: "main", Merged: c.merged, MergedBy: "sam", MergeSHA: "m"}
		if got := judging("bot")(in, pull, c.reviews); got.State != c.want || got.Shut != (c.want == "rejected") || got.Shut && got.Why != "eve rejected it on Slack: not on a Friday" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}
