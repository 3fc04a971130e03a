package remediation

import (
	"context"
	"slices"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// lapsing is Temporal with the end of one fix, which has come to its own end or not.
type lapsing struct {
	registry
	end   Lapsed
	begun []Lapse
}

func (l *lapsing) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return lapsedRun{end: l.end}
}

type lapsedRun struct {
	client.WorkflowRun
	end Lapsed
}

func (r lapsedRun) Get(_ context.Context, into any) error {
	*into.(*Lapsed) = r.end
	return nil
}

func (l *lapsing) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &first{ok: true, start: Lapse{Key: thisOne, Target: "t", Proposal: "p"}}
}

func (l *lapsing) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if o.ID == thisOne.Expiry() && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE && o.StartDelay == 0 && o.TaskQueue == "queue@prod" {
		l.begun = append(l.begun, args[0].(Lapse))
	}
	return nil, nil
}

// TestARestoreAfterItsEnd is somebody's again: opened again it is waited for, merged it is applied.
func TestARestoreAfterItsEnd(t *testing.T) {
	t.Parallel()
	completed := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	for name, c := range map[string]struct {
		kind   incident.ActionKind
		status enumspb.WorkflowExecutionStatus
		end    Lapsed
		want   bool
	}{
		"opened again":                 {incident.Reopen, completed, Lapsed{Word: "kept"}, true},
		"merged":                       {incident.Merge, completed, Lapsed{Word: "kept"}, true},
		"merged after a termination":   {incident.Merge, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, Lapsed{}, true},
		"its own merge":                {incident.Merge, completed, Lapsed{Word: "restored"}, false},
		"it is waited for":             {incident.Merge, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, Lapsed{}, false},
		"it failed, and retry is said": {incident.Retry, completed, Lapsed{Word: "failed"}, true},
		"retry of what is restored":    {incident.Retry, completed, Lapsed{Word: "restored"}, false},
		"closed":                       {incident.Close, completed, Lapsed{Word: "kept"}, false},
	} {
		l := &lapsing{registry: registry{status: map[string]enumspb.WorkflowExecutionStatus{thisOne.Expiry(): c.status}}, end: c.end}
		s := &Starter{Temporal: l, Queues: here, MayWrite: func(_ context.Context, user string) (bool, error) { return user == "sam", nil }}
		if err := s.Action(t.Context(), incident.Action{Kind: c.kind, Branch: thisOne.RestoreBranch(), Number: 9, Actor: "sam"}); err != nil || (len(l.begun) == 1) != c.want {
			t.Errorf("%s: %+v, %v", name, l.begun, err)
		}
		if want := (Lapse{Key: thisOne, Target: "t", Proposal: "p", Again: true}); c.want && !slices.Equal(l.begun, []Lapse{want}) {
			t.Errorf("%s: %+v", name, l.begun)
		}
	}
}

// TestWhatWasOffered is read from the ledger, and how it ends this time is another row there.
func TestWhatWasOffered(t *testing.T) {
	t.Parallel()
	book := &pages{}
	for step, detail := range map[string]any{"push-restore": map[string]string{"sha": "h", "proposal": "back"}, "open-restore": map[string]int{"number": 9}} {
		if err := note(t.Context(), book, thisOne, incident.Succeeded, step, incident.Done, actor, detail); err != nil {
			t.Fatal(err)
		}
	}
	f := &asks{pulls: []forge.Pull{{Number: 9, URL: "u", CreatedAt: time.Unix(1, 0).UTC()}}}
	a := restorer(book, since{}, f)
	a.Claims, a.Entries = &shared{}, func(context.Context, string) ([]incident.Entry, error) { return book.rows, nil }
	got, err := activityRun[Offer](t, a.OfferRestore, OfferInput{Lapse: Lapse{Key: thisOne, Again: true}})
	if want := (Offer{Proposal: "back", Change: incident.Change{Base: "main", Branch: thisOne.RestoreBranch(), HeadSHA: "h", Number: 9, URL: "u", OpenedAt: time.Unix(1, 0).UTC()}}); err != nil || got != want || f.opened.Head != "" {
		t.Errorf("%+v, %v", got, err)
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.EndRestore)
	for _, again := range []bool{false, true} {
		if _, err := env.ExecuteActivity(a.EndRestore, EndRestoreInput{Lapse: Lapse{Key: thisOne, Again: again}}); err != nil {
			t.Fatal(err)
		}
	}
	if last := book.rows[len(book.rows)-1].Step; len(book.rows) != 4 || last == stepLapsed || !book.has(stepLapsed, incident.Event) {
		t.Errorf("%d rows, the last is %s", len(book.rows), last)
	}
	book.rows = nil
	if _, err := activityRun[Offer](t, a.OfferRestore, OfferInput{Lapse: Lapse{Key: thisOne, Again: true}}); err == nil {
		t.Error("nothing was offered, and it goes on")
	}
}
