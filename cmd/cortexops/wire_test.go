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
