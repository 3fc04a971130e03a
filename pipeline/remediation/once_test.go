package remediation

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestEndedIsNotStartedAgain tells of an incident whose workflow Temporal has forgotten.
func TestEndedIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	broken := errors.New("the ledger is away")
	for name, c := range map[string]struct {
		ended bool
		err   error
	}{"ended": {true, nil}, "nobody knows": {false, broken}} {
		temporal := &clerk{}
		s := &Starter{Temporal: temporal, Book: shelf{}, Ended: func(_ context.Context, key incident.Key) (bool, error) {
			if key != (incident.Key{Incident: "0123456789ab", Attempt: 1}) {
				t.Errorf("asked for %v", key)
			}
			return c.ended, c.err
		}}
		if err := s.Incident(t.Context(), incident.Incident{ID: "0123456789ab", State: incident.Sealed}); !errors.Is(err, c.err) || temporal.begun.Key.Incident != "" {
			t.Errorf("%s: %v, began %+v", name, err, temporal.begun)
		}
	}
}

// gitless commits and pushes nowhere.
type gitless struct{}

func (gitless) Commit(context.Context, repo.CommitSpec) (string, error) { return "new", nil }
func (gitless) Fetch(context.Context) error                             { return nil }
func (gitless) Push(context.Context, string, string, string) error      { return nil }
func (gitless) Note(context.Context, string, string) error              { return nil }

// behind is a mirror that lacks what another worker has planned on, until it fetches.
type behind struct {
	gitless
	fetched bool
}

func (b *behind) Fetch(context.Context) error { b.fetched = true; return nil }
func (b *behind) Commit(context.Context, repo.CommitSpec) (string, error) {
	if !b.fetched {
		return "", fmt.Errorf("commit on H: %w", repo.ErrNoCommit)
	}
	return "new", nil
}

// TestAnotherWorkerHasPlanned on a commit that our mirror does not have yet.
func TestAnotherWorkerHasPlanned(t *testing.T) {
	t.Parallel()
	book := &pages{}
	proposal, err := put(t.Context(), book, incident.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Proposer{Book: book, Repo: &behind{}, Writer: words{}}
	if _, _, sha, err := p.commit(t.Context(), proposal, proposal, opened); sha != "new" || err != nil {
		t.Errorf("%s, %v", sha, err)
	}
}

// words is a Writer that says next to nothing.
type words struct{ Writer }

func (words) Commit(incident.Proposal) string { return "words" }
func (words) Pull(incident.Proposal, incident.DryRun, incident.Decision, time.Time) (title, body string, more []string) {
	return "title", "body", []string{"a", "b"}
}
func (words) SlackEnded(_ incident.Key, target string, _ incident.Change, o incident.Outcome, _ []incident.Suspect) (string, []byte) {
	return target + " " + string(o.Phase), nil
}
func (words) Ending(incident.Proposal, incident.Outcome) string { return "the end" }

// oneForge has one pull request, and refuses what it is told to refuse.
type oneForge struct {
	forge.Pull
	refuse error
	wrote  []string
}

func (f *oneForge) Get(context.Context, int) (forge.Pull, error) { return f.Pull, f.refuse }
func (f *oneForge) EditPull(_ context.Context, _ int, title, _ string) error {
	return f.write("edit " + title)
}
func (f *oneForge) OpenPull(context.Context, forge.NewPull) (forge.Pull, error) { return f.Pull, nil }
func (f *oneForge) Status(context.Context, string, string, string, string, string) error {
	return f.write("status")
}
func (f *oneForge) Label(context.Context, int, ...string) error        { return f.write("label") }
func (f *oneForge) Comment(context.Context, int, string, string) error { return f.write("comment") }
func (f *oneForge) Close(context.Context, int) error                   { return f.write("close") }
func (f *oneForge) write(what string) error {
	f.wrote = append(f.wrote, what)
	return f.refuse
}

// TestProposeKnowsAnEarlierLife finds a pull request of the branch that says nothing about the commit that is proposed now.
func TestProposeKnowsAnEarlierLife(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pull forge.Pull
		ok   bool
	}{
		"just opened":                     {forge.Pull{Number: 7, State: "open", HeadSHA: "new"}, true},
		"opened before a crash":           {forge.Pull{Number: 7, State: "open", HeadSHA: "new"}, true},
		"the forge has not seen the push": {forge.Pull{Number: 7, State: "open", HeadSHA: "old"}, true},
		"merged since":                    {forge.Pull{Number: 7, State: "closed", HeadSHA: "new", Merged: true}, true},
		"closed in an earlier life":       {forge.Pull{Number: 7, State: "closed", HeadSHA: "old"}, false},
		"merged in an earlier life":       {forge.Pull{Number: 7, State: "closed", HeadSHA: "old", Merged: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book := &pages{}
			proposal, err := put(t.Context(), book, incident.Proposal{})
			if err != nil {
				t.Fatal(err)
			}
			dry, err := put(t.Context(), book, incident.DryRun{})
			if err != nil {
				t.Fatal(err)
			}
			p := &Proposer{Book: book, Repo: gitless{}, Forge: &oneForge{Pull: c.pull}, Writer: words{}}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(p.Propose)
			_, err = env.ExecuteActivity(p.Propose, ProposeInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: proposal, DryRun: dry})
			var app *temporal.ApplicationError
			if moved := errors.As(err, &app) && app.Type() == "Moved" && app.NonRetryable(); moved == c.ok || c.ok && err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAnEndingWithoutAPullRequestIsToldInTheChat where that can be reached, and is an ending where it cannot.
func TestAnEndingWithoutAPullRequestIsToldInTheChat(t *testing.T) {
	t.Parallel()
	for _, refuse := range []error{nil, errors.New("Slack is away")} {
		chat, book := &room{refuse: refuse}, &pages{}
		c := &Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: &oneForge{}, Chat: chat, Writer: words{}}
		in := Ending{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Target: "Deployment shop/cart", Outcome: incident.Outcome{Phase: incident.Advised, Reason: "no playbook fits"}}
		if err := c.Close(t.Context(), in); err != nil || chat.posted["ending"] != "Deployment shop/cart ADVISED" || !book.has(incident.StepEnding, incident.Event) {
			t.Errorf("with %v: %v, posted %v", refuse, err, chat.posted)
		}
	}
}

// TestTheLedgerKnowsTheEndingFirst closes a remediation while the forge refuses everything.
func TestTheLedgerKnowsTheEndingFirst(t *testing.T) {
	t.Parallel()
	book, away := &pages{}, &oneForge{refuse: errors.New("the forge is away")}
	proposal, err := put(t.Context(), book, incident.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	c := &Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: away, Writer: words{}}
	in := Ending{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Outcome: incident.Outcome{Phase: incident.RolledBack, Reason: "why"},
		Change: incident.Change{Number: 7}, Proposal: proposal, Merge: "merge"}
	if err := c.Close(t.Context(), in); !errors.Is(err, away.refuse) {
		t.Errorf("%v", err)
	}
	for _, step := range []string{incident.StepEnding, "escalated"} {
		if !book.has(step, incident.Event) {
			t.Errorf("the ledger has no row %s", step)
		}
	}
	away.refuse = nil
	if err := c.Close(t.Context(), in); err != nil || len(book.rows) != 2 {
		t.Errorf("again: %v, %d rows", err, len(book.rows))
	}
}
