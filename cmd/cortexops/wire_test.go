package main

import (
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

func TestOnlyInsidersApproveAndOnlyForTheProposedBase(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := remediation.JudgeInput{Change: incident.Change{HeadSHA: "a", Base: "main"}, People: 1, Deadline: now.Add(time.Minute), Now: now}
	for name, c := range map[string]struct{ association, base, want string }{
		"a member":       {"MEMBER", "main", "approved"},
		"a collaborator": {"COLLABORATOR", "main", "approved"},
		"a stranger":     {"NONE", "main", "pending"},
		"a contributor":  {"CONTRIBUTOR", "main", "pending"},
		"unknown":        {"", "main", "pending"},
		"retargeted":     {"MEMBER", "staging", "voided"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judging("bot")(in, forge.Pull{State: "open", HeadSHA: "a", BaseRef: c.base},
				[]forge.Review{{User: "sam", State: "APPROVED", CommitSHA: "a", SubmittedAt: now, Association: c.association}})
			if got.State != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}
