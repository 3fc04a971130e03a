package remediation

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func (c *clerk) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	if slices.Contains(c.running, id) {
		status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	} else if _, ended := c.ended[id]; !ended {
		return nil, serviceerror.NewNotFound("workflow not found")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status}}, nil
}

func (c *clerk) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if _, ended := c.ended[o.ID]; ended && o.WorkflowExecutionErrorWhenAlreadyStarted {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already", "", "")
	}
	c.begun = args[0].(Start)
	c.told, c.queue = append(c.told, o.ID), o.TaskQueue
	return nil, nil
}

// shelf is a Book that takes everything.
type shelf struct{ Book }

func (shelf) PutBlob(context.Context, []byte) (string, error) { return "digest", nil }

func TestWhatStartsWhichAttempt(t *testing.T) {
	t.Parallel()
	const id = "0123456789ab"
	first := incident.Key{Incident: id, Attempt: 1}.Workflow()
	for name, tc := range map[string]struct {
		inc     incident.Incident
		running []string
		ended   map[string]incident.Phase
		want    []string
	}{
		"provisional":                            {inc: incident.Incident{State: incident.Provisional}},
		"sealed":                                 {inc: incident.Incident{State: incident.Sealed}, want: []string{first}},
		"healed":                                 {inc: incident.Incident{State: incident.Healed, Reopened: 1}},
		"in a maintenance window":                {inc: incident.Incident{State: incident.Sealed, Window: "upgrade"}},
		"reopened":                               {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, ended: map[string]incident.Phase{first: incident.Succeeded}, want: []string{incident.Key{Incident: id, Attempt: 2}.Workflow()}},
		"reopened twice, and the first one runs": {inc: incident.Incident{State: incident.Sealed, Reopened: 2}, running: []string{first}},
		"reopened, and the first one runs":       {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, running: []string{first}},
		"reopened, and there was no first":       {inc: incident.Incident{State: incident.Sealed, Reopened: 1}, want: []string{incident.Key{Incident: id, Attempt: 2}.Workflow()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clerk{running: tc.running, ended: tc.ended}
			s := &Starter{Temporal: c, Book: shelf{}, Ended: func(context.Context, incident.Key) (bool, error) { return false, nil }}
			tc.inc.ID = id
			if err := s.Incident(t.Context(), tc.inc); err != nil || !slices.Equal(c.told, tc.want) {
				t.Errorf("started %v, %v, want %v", c.told, err, tc.want)
			}
		})
	}
}

// frontend answers as Temporal's does: a workflow that runs, or has run, is there already.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	there           bool   // this one
	other           string // that runs
	starts, signals int
}

func (*frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	switch {
	case !f.there:
		f.there = true
		f.starts++
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
	case r.GetWorkflowIdConflictPolicy() == enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "run"}, nil
	}
	return nil, serviceerror.ToStatus(serviceerror.NewWorkflowExecutionAlreadyStarted("already", "r", "run")).Err()
}

func (f *frontend) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	if !f.there && r.GetWorkflowExecution().GetWorkflowId() != f.other {
		return nil, serviceerror.ToStatus(serviceerror.NewNotFound("no such workflow")).Err()
	}
	f.signals++
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

// TestWhatRunsIsToldOfNews, by the real client, whichever revision is handed over.
func TestWhatRunsIsToldOfNews(t *testing.T) {
	t.Parallel()
	sealed := func(revision int) incident.Incident {
		return incident.Incident{ID: "0123456789ab", Revision: revision, State: incident.Sealed}
	}
	healed := sealed(9)
	healed.State = incident.Healed
	for name, c := range map[string]struct {
		there, joined   bool
		handed          incident.Incident
		newest          []incident.Incident // each time that somebody asks
		starts, signals int
	}{
		"the first":                          {false, false, sealed(2), []incident.Incident{sealed(2)}, 1, 0},
		"another revision":                   {true, false, sealed(3), []incident.Incident{sealed(3)}, 0, 1},
		"an old one of what has healed":      {false, false, sealed(2), []incident.Incident{healed}, 0, 0},
		"healed while it is begun":           {false, false, sealed(2), []incident.Incident{sealed(2), healed}, 1, 1},
		"the stream has let go of it":        {false, false, sealed(2), []incident.Incident{{}}, 1, 0},
		"an old one of what is sealed still": {true, false, sealed(2), []incident.Incident{sealed(3)}, 0, 1},
		"of what has joined another":         {false, true, sealed(3), []incident.Incident{sealed(3)}, 0, 1},
		"what has joined another heals":      {false, true, healed, []incident.Incident{healed}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			f, server := &frontend{there: c.there, other: another.Workflow()}, grpc.NewServer()
			workflowservice.RegisterWorkflowServiceServer(server, f)
			go func() { _ = server.Serve(l) }()
			defer server.Stop()
			temporal, err := client.Dial(client.Options{HostPort: l.Addr().String(), Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
			if err != nil {
				t.Fatal(err)
			}
			defer temporal.Close()
			s := &Starter{Temporal: temporal, Book: shelf{}, Ended: func(context.Context, incident.Key) (bool, error) { return c.joined, nil },
				Holder: func(context.Context, string) (holder incident.Key, err error) {
					if c.joined {
						holder = another
					}
					return holder, nil
				},
				Newest: func(context.Context, string) (incident.Incident, error) {
					now := c.newest[0]
					c.newest = c.newest[min(1, len(c.newest)-1):]
					return now, nil
				}}
			if err := s.Incident(t.Context(), c.handed); err != nil || f.starts != c.starts || f.signals != c.signals {
				t.Errorf("%d starts and %d signals, %v; want %d and %d", f.starts, f.signals, err, c.starts, c.signals)
			}
		})
	}
}
