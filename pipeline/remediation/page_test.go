package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// beeper remembers who was called for what.
type beeper struct {
	said   []string
	refuse error
}

func (b *beeper) Trigger(_ context.Context, p incident.Page) error {
	b.said = append(b.said, "trigger "+p.Incident+" "+p.Severity)
	return b.refuse
}

func (b *beeper) Resolve(_ context.Context, id string) error {
	b.said = append(b.said, "resolve "+id)
	return b.refuse
}

type never struct{}

func (never) Error() string   { return "invalid key" }
func (never) Permanent() bool { return true }

func paging(book *attempts, b *beeper) *Paging {
	return &Paging{Book: book, Pager: b,
		Entries: func(context.Context, string) ([]incident.Entry, error) { return book.rows, nil },
		Words: func(key incident.Key, _ string, p incident.Proposal, _ incident.Change, _ incident.Outcome, workflow string) incident.Page {
			return incident.Page{Incident: key.Incident, Severity: p.Playbook.Risk + workflow}
		},
		Workflow: func(key incident.Key) string { return fmt.Sprint(" at ", key.Attempt) }}
}

// attempts is a ledger of several attempts.
type attempts struct{ pages }

func (a *attempts) Append(_ context.Context, e incident.Entry) (bool, error) {
	if slices.ContainsFunc(a.rows, func(o incident.Entry) bool { return o.Step == e.Step && o.Kind == e.Kind && o.Attempt == e.Attempt }) {
		return false, nil
	}
	a.rows = append(a.rows, e)
	return true, nil
}

// TestWhoIsCalledIsLetGo when a later attempt succeeds, or the incident heals: once, and nobody else.
func TestWhoIsCalledIsLetGo(t *testing.T) {
	t.Parallel()
	book, b := &attempts{}, &beeper{}
	p := paging(book, b)
	digest, err := put(t.Context(), book, incident.Proposal{Playbook: incident.Playbook{Risk: "high"}})
	if err != nil {
		t.Fatal(err)
	}
	end := func(attempt int, phase incident.Phase) {
		t.Helper()
		c := &Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: &oneForge{}, Writer: words{}, Page: p}
		if err := c.Close(t.Context(), Ending{Key: incident.Key{Incident: "0123456789ab", Attempt: attempt}, Proposal: digest, Outcome: incident.Outcome{Phase: phase}}); err != nil {
			t.Error(err)
		}
	}
	over := func() {
		t.Helper()
		if err := p.Over(t.Context(), "0123456789ab"); err != nil {
			t.Error(err)
		}
	}
	want := func(step string, list ...string) {
		t.Helper()
		if !slices.Equal(b.said, list) {
			t.Errorf("%s: %q, want %q", step, b.said, list)
		}
		b.said = nil
	}
	over()
	end(1, incident.Expired)
	want("nobody is needed")
	end(2, incident.Escalated)
	want("somebody is", "trigger 0123456789ab high at 2")
	end(3, incident.Succeeded)
	over()
	want("a retry succeeds", "resolve 0123456789ab")
	end(4, incident.RolledBack)
	want("again", "trigger 0123456789ab high at 4")
	over()
	over()
	want("it heals", "resolve 0123456789ab")
}

// TestWhoIsCalledTooLateIsLetGo where the incident had healed before the remediation came to its end, unless it has broken out again.
func TestWhoIsCalledTooLateIsLetGo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		healed   incident.Incident
		outbreak int
		want     []string
	}{
		"it had healed":                 {incident.Incident{SealedAt: opened}, 0, []string{"trigger 0123456789ab  at 1", "resolve 0123456789ab"}},
		"and had broken out once more":  {incident.Incident{SealedAt: opened}, 1, []string{"trigger 0123456789ab  at 1"}},
		"and had healed from that, too": {incident.Incident{SealedAt: opened, Reopened: 1}, 1, []string{"trigger 0123456789ab  at 1", "resolve 0123456789ab"}},
		"nothing was begun for it":      {incident.Incident{}, 0, []string{"trigger 0123456789ab  at 1"}},
	} {
		book, b := &attempts{}, &beeper{}
		p := paging(book, b)
		c.healed.ID = "0123456789ab"
		for range 2 {
			if err := p.Healed(t.Context(), c.healed); err != nil {
				t.Fatal(err)
			}
		}
		closer := &Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: &oneForge{}, Writer: words{}, Page: p}
		if err := closer.Close(t.Context(), Ending{Key: thisOne, Outcome: incident.Outcome{Phase: incident.Escalated}, Outbreak: c.outbreak}); err != nil || !slices.Equal(b.said, c.want) {
			t.Errorf("%s: %q, %v", name, b.said, err)
		}
	}
}

// TestTheOutbreakAtTheEnd is the newest that the run was told of.
func TestTheOutbreakAtTheEnd(t *testing.T) {
	t.Parallel()
	w := happy()
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
			if info.ActivityType.Name == "Verify" {
				env.SignalWorkflow(EvidenceSignal, Evidence{ID: "0123456789ab", Outbreak: 2})
				env.SignalWorkflow(EvidenceSignal, Evidence{ID: "ba9876543210", Outbreak: 7})
			}
		})
	}
	if got := w.play(t); got.Phase != incident.Succeeded || w.ending.Outbreak != 2 {
		t.Errorf("%+v, outbreak %d", got, w.ending.Outbreak)
	}
}

// TestAPagerThatRefuses is tried again where that can help, and holds up nothing where it cannot.
func TestAPagerThatRefuses(t *testing.T) {
	t.Parallel()
	in := Ending{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Outcome: incident.Outcome{Phase: incident.Escalated}, Change: incident.Change{Number: 7}}
	for name, c := range map[string]struct {
		refuse error
		again  bool
	}{"away": {errors.New("502"), true}, "never": {never{}, false}} {
		book, b, forge := &attempts{}, &beeper{refuse: c.refuse}, &oneForge{}
		digest, err := put(t.Context(), book, incident.Proposal{})
		if err != nil {
			t.Fatal(err)
		}
		in.Proposal = digest
		err = (&Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: forge, Writer: words{}, Page: paging(book, b)}).Close(t.Context(), in)
		if (err != nil) != c.again || book.has("page-refused", incident.Event) == c.again || book.has(stepPage, incident.Done) || len(forge.wrote) == 0 {
			t.Errorf("%s: %v, %+v, the forge was told %q", name, err, book.rows, forge.wrote)
		}
	}
}
