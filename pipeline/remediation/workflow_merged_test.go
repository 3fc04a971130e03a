package remediation

import (
	"slices"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestWhatAnEndingLeavesInGit is known to the attempt that follows it, where that can make something of it.
func TestWhatAnEndingLeavesInGit(t *testing.T) {
	t.Parallel()
	mismatch := temporal.NewNonRetryableApplicationError("does not render as it was approved", "Mismatch", nil)
	for name, c := range map[string]struct {
		change func(*world)
		want   bool
	}{
		"it helped":    {func(*world) {}, false},
		"never merged": {func(w *world) { w.mergeErr = temporal.NewNonRetryableApplicationError("a rule", typeRefused, nil) }, false},
		"not applied":  {func(w *world) { w.fails = map[string]error{"Apply": mismatch} }, true},
		"held back": {func(w *world) {
			w.wait = func() string { return map[bool]string{true: "paused"}[w.count("Merge") > 0] }
		}, true},
		"metrics silent": {func(w *world) { w.verdict.Result = incident.NoData }, true},
		"the revert is refused": {func(w *world) {
			w.verdict.Result, w.rehearse = incident.Fail, mismatch
		}, true},
		"no help, and no way back": {func(w *world) { w.verdict.Result, w.planned.Rollback = incident.Fail, "none" }, false},
		"taken back":               {func(w *world) { w.verdict.Result = incident.Fail }, false},
		"taken back in git only": {func(w *world) {
			w.verdict.Result, w.unapplied = incident.Fail, mismatch
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			c.change(w)
			got := w.play(t)
			if want := map[bool]incident.Merged{true: {Number: 7, SHA: "m"}}[c.want]; got.Merged != want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestWhoHadApproved counts on in an attempt that goes on from the merge.
func TestWhoHadApproved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by   string
		want []string
	}{"merged by the attempt itself": {"", []string{"sam", "dana"}}, "merged later": {"lee", []string{"lee"}}} {
		w := happy()
		w.verdict.Result = incident.Fail
		w.adopts = &Adopts{Attempt: 1, Number: 7, Merge: "m", By: c.by}
		w.adopted = func(int) Adopted {
			return Adopted{Planned: w.planned, Change: incident.Change{Number: 7}, By: []string{"sam", "dana"}}
		}
		if got := w.play(t); got.Phase != incident.RolledBack || !slices.Equal(w.reverted.By, c.want) {
			t.Errorf("%s: %+v, by %v", name, got, w.reverted.By)
		}
	}
}

// TestWhatAnEndingSaysOfThePlaybook counts against it, where the change was seen at work.
func TestWhatAnEndingSaysOfThePlaybook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		want   incident.Phase
		tried  bool
	}{
		"out of sync": {func(w *world) {
			w.planned.Tool, w.undelivered = "argocd", temporal.NewNonRetryableApplicationError("OutOfSync", "NotDelivered", nil)
		}, incident.Escalated, false},
		"a rule of the forge": {func(w *world) { w.mergeErr = temporal.NewNonRetryableApplicationError("a rule", typeRefused, nil) }, incident.Escalated, false},
		"not applied": {func(w *world) {
			w.fails = map[string]error{"Apply": temporal.NewNonRetryableApplicationError("no", "Mismatch", nil)}
		}, incident.Escalated, false},
		"never ready":    {func(w *world) { w.rollout.Stuck, w.planned.Rollback = "deadline exceeded", "none" }, incident.Escalated, true},
		"did not help":   {func(w *world) { w.verdict.Result, w.planned.Rollback = incident.Fail, "none" }, incident.Escalated, true},
		"metrics silent": {func(w *world) { w.verdict.Result = incident.NoData }, incident.Escalated, true},
		"taken back":     {func(w *world) { w.verdict.Result = incident.Fail }, incident.RolledBack, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			c.change(w)
			if got := w.play(t); got.Phase != c.want || got.Untried == c.tried {
				t.Errorf("%+v", got)
			}
		})
	}
}
