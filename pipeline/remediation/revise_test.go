package remediation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// pushes remembers what was pushed over what.
type pushes struct {
	gitless
	list   []string
	refuse error
	shown  *oneForge // where it is seen at once
}

func (p *pushes) Commit(_ context.Context, s repo.CommitSpec) (string, error) {
	return "new on " + s.Parent, nil
}

func (p *pushes) Push(_ context.Context, branch, old, new string) error {
	if p.refuse != nil {
		return p.refuse
	}
	p.list = append(p.list, branch+": "+old+" → "+new)
	if p.shown != nil {
		p.shown.HeadSHA = new
	}
	return nil
}

func (words) Revised(incident.Proposal, incident.Change, string) string { return "revised" }

func TestReviseOnlyWhatIsOpenAndOurs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pull forge.Pull
		want bool
	}{
		"open":                      {forge.Pull{State: "open", HeadSHA: "first"}, true},
		"pushed before a crash":     {forge.Pull{State: "open", HeadSHA: "new on base"}, true},
		"a person has pushed to it": {forge.Pull{State: "open", HeadSHA: "theirs"}, false},
		"closed":                    {forge.Pull{State: "closed", HeadSHA: "first"}, false},
		"merged":                    {forge.Pull{State: "closed", Merged: true, HeadSHA: "first"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book, at := &pages{}, &oneForge{Pull: c.pull}
			git := &pushes{shown: at}
			proposal, err := put(t.Context(), book, incident.Proposal{BaseSHA: "base"})
			if err != nil {
				t.Fatal(err)
			}
			dry, err := put(t.Context(), book, incident.DryRun{})
			if err != nil {
				t.Fatal(err)
			}
			p := &Proposer{Book: book, Repo: git, Forge: at, Writer: words{}}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(p.Revise)
			was := incident.Change{Number: 7, Branch: "b", HeadSHA: "first", OpenedAt: opened}
			v, err := env.ExecuteActivity(p.Revise, ReviseInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: proposal, DryRun: dry, Change: was, N: 2, When: opened, Asked: &Word{ID: 5, By: "sam"}})
			var got incident.Change
			if err == nil {
				err = v.Get(&got)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !c.want {
				if got != was || len(git.list)+len(at.wrote)+len(book.rows) > 0 {
					t.Errorf("%+v, pushed %v, wrote %v", got, git.list, at.wrote)
				}
				return
			}
			if got.HeadSHA != "new on base" || time.Since(got.RevisedAt) > time.Minute || !slices.Equal(git.list, []string{"b: first → new on base"}) ||
				!slices.Equal(at.wrote, []string{"edit title", "comment"}) {
				t.Errorf("%+v, pushed %v, wrote %v", got, git.list, at.wrote)
			}
			if last := book.rows[len(book.rows)-1]; !book.has("asked-5", incident.Event) || last.Step != "edit-pull-2" {
				t.Errorf("the ledger has %+v", book.rows)
			}
			for _, step := range []string{"push-branch-2", "edit-pull-2"} {
				if !book.has(step, incident.Intent) || !book.has(step, incident.Done) {
					t.Errorf("the ledger has not %s", step)
				}
			}
		})
	}
}

// TestReviseLosesARace against a push that came after it looked: the pull request is that person's, and stays.
func TestReviseLosesARace(t *testing.T) {
	t.Parallel()
	for _, quicker := range []error{&repo.Moved{}, &repo.NotOurs{}} {
		book, at := &pages{}, &oneForge{Pull: forge.Pull{State: "open", HeadSHA: "first"}}
		proposal, err := put(t.Context(), book, incident.Proposal{BaseSHA: "base"})
		if err != nil {
			t.Fatal(err)
		}
		dry, err := put(t.Context(), book, incident.DryRun{})
		if err != nil {
			t.Fatal(err)
		}
		p := &Proposer{Book: book, Repo: &pushes{refuse: quicker}, Forge: at, Writer: words{}}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(p.Revise)
		was := incident.Change{Number: 7, Branch: "b", HeadSHA: "first", OpenedAt: opened}
		v, err := env.ExecuteActivity(p.Revise, ReviseInput{Proposal: proposal, DryRun: dry, Change: was, N: 1, When: opened})
		var got incident.Change
		if err == nil {
			err = v.Get(&got)
		}
		if err != nil || got != was || len(at.wrote) > 0 {
			t.Errorf("%T: %+v, %v, wrote %v", quicker, got, err, at.wrote)
		}
	}
}

// TestReviseWaitsForTheForge to show the new head: until then it is tried again, and people are told nothing.
func TestReviseWaitsForTheForge(t *testing.T) {
	t.Parallel()
	book, at := &pages{}, &oneForge{Pull: forge.Pull{State: "open", HeadSHA: "first"}}
	proposal, err := put(t.Context(), book, incident.Proposal{BaseSHA: "base"})
	if err != nil {
		t.Fatal(err)
	}
	dry, err := put(t.Context(), book, incident.DryRun{})
	if err != nil {
		t.Fatal(err)
	}
	git := &pushes{}
	p := &Proposer{Book: book, Repo: git, Forge: at, Writer: words{}}
	in := ReviseInput{Key: thisOne, Proposal: proposal, DryRun: dry, Change: incident.Change{Number: 7, Branch: "b", HeadSHA: "first"}, N: 1, When: opened}
	_, err = activityRun[incident.Change](t, p.Revise, in)
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NonRetryable() || !strings.Contains(err.Error(), "does not show new on base as the head of pull request 7 yet") || len(at.wrote) > 0 {
		t.Fatalf("%v, wrote %v", err, at.wrote)
	}
	git.shown = at
	if got, err := activityRun[incident.Change](t, p.Revise, in); err != nil || got.HeadSHA != "new on base" || !slices.Contains(at.wrote, "edit title") {
		t.Errorf("%+v, %v, wrote %v", got, err, at.wrote)
	}
}
