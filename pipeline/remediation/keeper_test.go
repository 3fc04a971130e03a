package remediation

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// registry is Temporal with workflows of which it knows how they stand.
type registry struct {
	client.Client
	status map[string]enumspb.WorkflowExecutionStatus
}

func (r registry) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status, ok := r.status[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status}}, nil
}

func (registry) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &closing{}
}

type closing struct{ over bool }

func (c *closing) HasNext() bool { return !c.over }
func (c *closing) Next() (*historypb.HistoryEvent, error) {
	c.over = true
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
		WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{Reason: "drill", Identity: "sam"}}}, nil
}

type pulled struct {
	*oneForge
	pulls []forge.Pull
}

func (s pulled) OpenPulls(context.Context) ([]forge.Pull, error) { return s.pulls, nil }

type abandoning struct{ pausing }

func (abandoning) Abandoned(key incident.Key, why string) string { return key.Workflow() + why }

// TestWhatNobodyLooksAfterIsClosed, also the question what becomes of a fix.
func TestWhatNobodyLooksAfterIsClosed(t *testing.T) {
	t.Parallel()
	const remediation, expiry = "remediation/0123456789ab/1", "expiry/0123456789ab/1"
	ended, running := enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	succeeded := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	for name, c := range map[string]struct {
		branch string
		status map[string]enumspb.WorkflowExecutionStatus
		step   string // of the row that says so; empty: it stays
	}{
		"its remediation was terminated": {thisOne.Branch(), map[string]enumspb.WorkflowExecutionStatus{remediation: ended}, incident.StepEnding},
		"its remediation runs":           {thisOne.Branch(), map[string]enumspb.WorkflowExecutionStatus{remediation: running}, ""},
		"its remediation is forgotten":   {thisOne.Branch(), map[string]enumspb.WorkflowExecutionStatus{}, incident.StepEnding},
		"a restore that is waited for":   {thisOne.RestoreBranch(), map[string]enumspb.WorkflowExecutionStatus{remediation: succeeded, expiry: running}, ""},
		"a restore, and nobody waits":    {thisOne.RestoreBranch(), map[string]enumspb.WorkflowExecutionStatus{remediation: succeeded, expiry: ended}, stepLapsed},
		"a restore that was given up":    {thisOne.RestoreBranch(), map[string]enumspb.WorkflowExecutionStatus{remediation: succeeded, expiry: succeeded}, ""},
		"a restore, long ago":            {thisOne.RestoreBranch(), map[string]enumspb.WorkflowExecutionStatus{}, stepLapsed},
	} {
		book, at := &pages{}, &oneForge{Pull: forge.Pull{Number: 9}}
		k := &Keeper{Temporal: registry{status: c.status}, Bot: "bot", Book: book, Writer: abandoning{},
			Forge:  pulled{at, []forge.Pull{{Number: 9, HeadRef: c.branch, Author: "bot", CreatedAt: time.Unix(0, 0)}}},
			Pauses: func(context.Context) ([]incident.Pause, error) { return nil, nil }}
		if err := k.sweep(t.Context()); err != nil || slices.Contains(at.wrote, "close") != (c.step != "") || c.step != "" && !book.has(c.step, incident.Event) {
			t.Errorf("%s: %v, wrote %v, rows %+v", name, err, at.wrote, book.rows)
		}
	}
}

// TestWhatAnEndingLeftOpenIsPeoples, also when Temporal has forgotten it.
func TestWhatAnEndingLeftOpenIsPeoples(t *testing.T) {
	t.Parallel()
	for _, branch := range []string{thisOne.Branch(), thisOne.RevertBranch()} {
		book, at := &pages{rows: []incident.Entry{{Incident: thisOne.Incident, Attempt: thisOne.Attempt, Step: incident.StepEnding, Kind: incident.Event}}}, &oneForge{}
		k := &Keeper{Temporal: registry{}, Bot: "bot", Book: book, Writer: abandoning{},
			Forge:  pulled{at, []forge.Pull{{Number: 9, HeadRef: branch, Author: "bot", CreatedAt: time.Unix(0, 0)}}},
			Pauses: func(context.Context) ([]incident.Pause, error) { return nil, nil }}
		if err := k.sweep(t.Context()); err != nil || len(at.wrote) > 0 {
			t.Errorf("%s: %v, wrote %v", branch, err, at.wrote)
		}
	}
}

// TestTheClaimOfARestore is kept while that goes on, whatever became of the remediation.
func TestTheClaimOfARestore(t *testing.T) {
	t.Parallel()
	for status, want := range map[enumspb.WorkflowExecutionStatus]bool{enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING: false, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: true} {
		over := false
		k := &Keeper{Temporal: registry{status: map[string]enumspb.WorkflowExecutionStatus{thisOne.Workflow(): enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, thisOne.Expiry(): status}}}
		k.Claims = sweeping(func(ended func(context.Context, incident.Key) (bool, error)) (err error) {
			over, err = ended(t.Context(), thisOne.Restoring())
			return err
		})
		if err := k.release(t.Context()); err != nil || over != want {
			t.Errorf("%s: over is %v, %v", status, over, err)
		}
	}
	if s := thisOne.Restoring().Workflow(); s != thisOne.Expiry() || thisOne.Restoring().Restoring() != thisOne || strings.HasPrefix(thisOne.Workflow(), "expiry") {
		t.Error(s)
	}
}

type sweeping func(ended func(context.Context, incident.Key) (bool, error)) error

func (s sweeping) Sweep(_ context.Context, ended func(context.Context, incident.Key) (bool, error)) ([]incident.Claim, error) {
	return nil, s(ended)
}
