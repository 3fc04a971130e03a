package remediation

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// crowd is a forge with pull requests of several people.
type crowd struct {
	pulls   []forge.Pull
	patches map[int][]forge.Patched
	err     error
	read    int
}

func (c *crowd) Into(_ context.Context, base string, most int) (list []forge.Pull, err error) {
	for _, p := range c.pulls[:min(most, len(c.pulls))] {
		if p.BaseRef == base {
			list = append(list, p)
		}
	}
	return list, c.err
}

func (c *crowd) Patches(_ context.Context, number, most int) ([]forge.Patched, error) {
	c.read++
	list := c.patches[number]
	return list[:min(most, len(list))], nil
}

const theirPatch = "@@ -1,2 +1,2 @@\n limits:\n-  memory: 128Mi\n+  memory: 1Gi"

func raising() incident.Proposal {
	return incident.Proposal{Playbook: incident.Playbook{Name: "p"}, Edits: []incident.Edit{{}},
		Files: []incident.File{{Path: "a.yaml", Before: []byte("limits:\n  memory: 128Mi\n"), After: []byte("limits:\n  memory: 256Mi\n")}}}
}

func TestWhoIsARival(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pull  forge.Pull
		patch forge.Patched
		want  bool
	}{
		"a person":                    {forge.Pull{Author: "dana"}, forge.Patched{Path: "a.yaml", Patch: theirPatch}, true},
		"a fork's branch of our name": {forge.Pull{Author: "mallory", HeadRef: thisOne.Branch()}, forge.Patched{Path: "a.yaml", Patch: theirPatch}, true},
		"under another path":          {forge.Pull{Author: "dana"}, forge.Patched{Path: "b.yaml", Was: "a.yaml", Patch: theirPatch}, true},
		"too large to be read":        {forge.Pull{Author: "renovate[bot]"}, forge.Patched{Path: "a.yaml", Changes: 9000}, true},
		"ourselves":                   {forge.Pull{Author: "CortexOps-bot"}, forge.Patched{Path: "a.yaml", Patch: theirPatch}, false},
		"of another file":             {forge.Pull{Author: "dana"}, forge.Patched{Path: "b.yaml", Patch: theirPatch}, false},
		"of another line":             {forge.Pull{Author: "dana"}, forge.Patched{Path: "a.yaml", Patch: "@@ -1,2 +1,3 @@\n+# why\n limits:\n   memory: 128Mi"}, false},
	} {
		c.pull.Number, c.pull.BaseRef, c.pull.URL = 12, "main", "https://forge/12"
		r := &Rivals{Forge: &crowd{pulls: []forge.Pull{c.pull}, patches: map[int][]forge.Patched{12: {c.patch}}}, Base: "main", Bot: "cortexops-bot"}
		got, err := r.find(t.Context(), raising())
		if err != nil || (got != nil) != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if c.want && got != nil && *got != (incident.Rival{Number: 12, URL: "https://forge/12", By: c.pull.Author, File: "a.yaml", Line: max(1, got.Line)}) {
			t.Errorf("%s: %+v", name, *got)
		}
	}
}

// TestRivalsAreBounded looks into so many, and fails where it cannot look: nothing is written on a guess.
func TestRivalsAreBounded(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	for range 100 {
		c.pulls = append(c.pulls, forge.Pull{Number: 1, BaseRef: "main", Author: "renovate[bot]"})
	}
	r := &Rivals{Forge: c, Base: "main", Bot: "cortexops-bot"}
	if got, err := r.find(t.Context(), raising()); err != nil || got != nil || c.read != mostRivals {
		t.Errorf("%+v, %v after %d", got, err, c.read)
	}
	c.err = errors.New("the forge is away")
	if _, err := r.find(t.Context(), raising()); !errors.Is(err, c.err) {
		t.Errorf("%v", err)
	}
}

// fitting is a plan whose proposal is given.
type fitting struct {
	anyPlan
	incident.Proposal
}

func (f fitting) Propose(context.Context, PlanRequest) (incident.Proposal, Wanted, error) {
	return f.Proposal, Wanted{}, nil
}

// TestARivalGoesFirst where it was there before us, and where it was opened before what was approved is merged. A person's merge is
// a fact.
func TestARivalGoesFirst(t *testing.T) {
	t.Parallel()
	theirs := incident.Rival{Number: 12, URL: "https://forge/12", By: "dana", File: "a.yaml", Line: 2}
	rivals := &Rivals{Base: "main", Forge: &crowd{pulls: []forge.Pull{{Number: 12, URL: "https://forge/12", BaseRef: "main", Author: "dana"}},
		patches: map[int][]forge.Patched{12: {{Path: "a.yaml", Patch: theirPatch}}}}}
	book := &pages{}
	digest, err := put(t.Context(), book, incident.Incident{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Planner{Book: book, Repo: noMirror{}, Claims: &shared{}, History: (&shared{}).History, Rivals: rivals, Make: fitting{Proposal: raising()},
		Advise: func(context.Context, incident.Incident) incident.Advisory { return incident.Advisory{} }}
	planned, err := activityRun[Planned](t, p.Plan, PlanInput{Start: Start{Key: thisOne, Incident: digest, Target: "t"}})
	const why = "pull request 12 by dana is open, and changes a.yaml:2 too: it goes first; once it is merged or closed, say cortexops retry 0123456789ab"
	if err != nil || planned.Advised != why || planned.Rival != theirs || planned.Proposal != "" || !book.has("plan", incident.Event) {
		t.Errorf("%+v, %v", planned, err)
	}

	proposal, err := put(t.Context(), book, raising())
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]bool{"approved": true, "merged": false} {
		at := &mergeable{}
		m := &Merger{Book: book, Forge: at, Writer: merging{}, Rivals: rivals, Still: func(context.Context, incident.Proposal) error { return nil },
			Rule: func(JudgeInput, forge.Pull, []forge.Review) Judgement { return Judgement{State: state} }}
		_, err := activityRun[string](t, m.Merge, MergeInput{Key: thisOne, Proposal: proposal})
		var app *temporal.ApplicationError
		var rival incident.Rival
		if is := errors.As(err, &app) && app.Type() == typeRival && app.NonRetryable() && app.Details(&rival) == nil && rival == theirs; is != want || at.merged == want {
			t.Errorf("%s: %v, merged: %v", state, err, at.merged)
		}
	}
}

type mergeable struct {
	oneForge
	merged bool
}

func (*mergeable) Reviews(context.Context, int) ([]forge.Review, error) { return nil, nil }
func (*mergeable) Comments(context.Context, int, time.Time, func(string) bool) ([]forge.Said, error) {
	return nil, nil
}
func (*mergeable) MayWrite(context.Context, string) (bool, error) { return true, nil }
func (m *mergeable) Merge(context.Context, int, string, string, string) (string, error) {
	m.merged = true
	return "m", nil
}

type merging struct{ words }

func (merging) Merge(incident.Proposal, incident.Change, []string) (title, message string) {
	return "", ""
}
