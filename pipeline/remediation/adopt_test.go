package remediation

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestAdoptKnowsWhatWasProposed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pull forge.Pull
		want string // the overlay of the proposal, or why not
	}{
		"the first commit":    {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "first"}, "one"},
		"a revision":          {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "second"}, "two"},
		"somebody's push":     {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "theirs"}, "theirs is no commit that remediation/0123456789ab/1 proposed"},
		"of another attempt":  {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "another"}, "another is no commit"},
		"a plan of two tries": {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "third"}, "two"},
		"into another branch": {forge.Pull{Number: 7, Merged: true, MergeSHA: "m", HeadSHA: "first", BaseRef: "next"}, "pull request 7 was merged into next"},
		"not merged":          {forge.Pull{Number: 7, HeadSHA: "first"}, "pull request 7 is not merged as m"},
		"merged as something": {forge.Pull{Number: 7, Merged: true, MergeSHA: "x", HeadSHA: "first"}, "pull request 7 is not merged as m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book, ctx := &pages{}, t.Context()
			row := func(attempt int, step string, kind incident.EntryKind, detail any) {
				if err := note(ctx, book, incident.Key{Incident: "0123456789ab", Attempt: attempt}, incident.Planning, step, kind, actor, detail); err != nil {
					t.Fatal(err)
				}
			}
			for i, overlay := range []string{"one", "two"} {
				digest, err := put(ctx, book, incident.Proposal{Overlay: overlay, Edits: []incident.Edit{{}}, Playbook: incident.Playbook{Name: overlay}})
				if err != nil {
					t.Fatal(err)
				}
				step := []string{"", "-1"}[i]
				row(1, "plan"+step, incident.Event, map[string]string{"proposal": digest})
				row(1, "push-branch"+step, incident.Done, map[string]string{"sha": []string{"first", "second"}[i]})
			}
			row(1, "plan-2", incident.Event, map[string]string{"advised": "no playbook fits"})
			two, err := put(ctx, book, incident.Proposal{Overlay: "two", Edits: []incident.Edit{{}}, Playbook: incident.Playbook{Name: "two"}})
			if err != nil {
				t.Fatal(err)
			}
			row(1, "push-branch-2", incident.Done, map[string]string{"sha": "third", "proposal": two})
			row(1, "merge", incident.Intent, struct{}{})
			row(1, "merge", incident.Done, map[string]any{"sha": "m", "by": []string{"sam", "dana"}})
			row(2, "push-branch", incident.Done, map[string]string{"sha": "another"})
			a := &Adopter{Book: book, Forge: &oneForge{Pull: c.pull}, Claims: &shared{}, Entries: func(context.Context, string) ([]incident.Entry, error) { return book.rows, nil }}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a.Adopt)
			v, err := env.ExecuteActivity(a.Adopt, Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 3}, Target: "t", Adopts: &Adopts{Attempt: 1, Number: 7, Merge: "m", By: "sam"}})
			var got Adopted
			if err == nil {
				err = v.Get(&got)
			}
			if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && (got.Planned.Playbook != c.want || got.Change.Number != 7 || !slices.Equal(got.By, []string{"sam", "dana"})) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
