package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	onOther = "dev/apps/Deployment/shop/checkout"
	onARN   = "arn:aws:eks:eu-west-1:1:cluster/dev/apps/Deployment/shop/checkout"
)

// TestTheWorkersOfAClusterRemediateIt: whichever process hears of an incident, or of what people say about its remediation, starts
// it for the workers of the cluster that its root is in.
func TestTheWorkersOfAClusterRemediateIt(t *testing.T) {
	t.Parallel()
	const first = "remediation/0123456789ab/1"
	sealed := func(cluster string) incident.Incident {
		root := incident.Resource{Cluster: cluster, Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
		return incident.Incident{ID: "0123456789ab", State: incident.Sealed, Root: root}
	}
	act := func(kind incident.ActionKind) func(*Starter) error {
		return func(s *Starter) error {
			return s.Action(t.Context(), incident.Action{Kind: kind, Actor: "sam", Number: 7, MergeSHA: "m", Branch: "cortexops/0123456789ab-1"})
		}
	}
	for name, c := range map[string]struct {
		do     func(*Starter) error
		target string // of the attempt that has ended
		want   string
	}{
		"an incident of the own":          {func(s *Starter) error { return s.Incident(t.Context(), sealed("prod")) }, "", "queue@prod"},
		"of another":                      {func(s *Starter) error { return s.Incident(t.Context(), sealed("dev")) }, "", "queue@dev"},
		"about nothing that anyone knows": {func(s *Starter) error { return s.Incident(t.Context(), incident.Incident{State: incident.Sealed}) }, "", "queue@prod"},
		"a retry":                         {act(incident.Retry), onOther, "queue@dev"},
		"a retry, slashes in the name":    {act(incident.Retry), onARN, "queue@arn:aws:eks:eu-west-1:1:cluster/dev"},
		"opened again":                    {act(incident.Reopen), onOther, "queue@dev"},
		"merged after its end":            {act(incident.Merge), onOther, "queue@dev"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &clerk{target: c.target}
			if c.target != "" {
				k.ended = map[string]incident.Phase{first: incident.Expired}
			}
			never := func(context.Context, incident.Key) (bool, error) { return false, nil }
			s := &Starter{Temporal: k, Queues: here, Book: shelf{}, Ended: never, Merged: never,
				MayWrite: func(context.Context, string) (bool, error) { return true, nil },
				Shut:     func(context.Context, int) (bool, error) { return false, nil },
				Followed: func(context.Context, int, incident.Key, string) error { return nil }}
			if err := c.do(s); err != nil || k.queue != c.want {
				t.Errorf("begun on %q, %v, want %q", k.queue, err, c.want)
			}
		})
	}
}

// shown is Temporal with what it lists, and with queues that somebody polls.
type shown struct {
	lapsing
	list   []*workflowpb.WorkflowExecutionInfo
	polled []string
	asked  string
}

func (s *shown) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.asked = r.GetQuery()
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: s.list}, nil
}

func (s *shown) DescribeTaskQueue(_ context.Context, queue string, of enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	if of != enumspb.TASK_QUEUE_TYPE_WORKFLOW {
		return nil, errors.New("another type")
	}
	d := &workflowservice.DescribeTaskQueueResponse{}
	if slices.Contains(s.polled, queue) {
		d.Pollers = []*taskqueuepb.PollerInfo{{Identity: "dev/pod/1"}}
	}
	return d, nil
}

func (s *shown) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: s.list[0]}, nil
}

func (s *shown) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &first{ok: true, start: Lapse{Key: thisOne, Target: onOther}}
}

// on a queue, about a target.
func on(t *testing.T, queue, kind, target string) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	w := &workflowpb.WorkflowExecutionInfo{TaskQueue: queue, Type: &commonpb.WorkflowType{Name: kind}, Execution: &commonpb.WorkflowExecution{WorkflowId: target + kind},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED}
	if target != "" {
		p, err := converter.GetDefaultDataConverter().ToPayload(target)
		if err != nil {
			t.Fatal(err)
		}
		w.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{targetAttribute.GetName(): p}}
	}
	return w
}

// TestTheFormerQueueIsOfOneCluster: that of what runs there, also where that is only the end of a fix, which shows no target.
func TestTheFormerQueueIsOfOneCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list []*workflowpb.WorkflowExecutionInfo
		of   map[string]bool
	}{
		"nothing runs":         {nil, map[string]bool{"dev": false}},
		"a remediation":        {[]*workflowpb.WorkflowExecutionInfo{on(t, "queue", WorkflowName, onOther)}, map[string]bool{"dev": true, "prod": false}},
		"the end of a fix":     {[]*workflowpb.WorkflowExecutionInfo{on(t, "queue", ExpiryName, "")}, map[string]bool{"dev": true, "prod": false}},
		"the second is theirs": {[]*workflowpb.WorkflowExecutionInfo{on(t, "queue", WorkflowName, "a/b/c/d/e"), on(t, "queue", WorkflowName, onOther)}, map[string]bool{"dev": true, "prod": false}},
	} {
		for cluster, want := range c.of {
			temporal := &shown{list: c.list}
			look := Queues{"queue", cluster}.Former(temporal)
			for range 2 {
				if got, err := look(t.Context()); err != nil || got != want || !strings.Contains(temporal.asked, "TaskQueue = 'queue'") {
					t.Errorf("%s: %t of %s, %v, asked %s", name, got, cluster, err, temporal.asked)
				}
			}
		}
	}
}

// TestAClusterWithoutAWorkerIsNamed until somebody polls its queue.
func TestAClusterWithoutAWorkerIsNamed(t *testing.T) { // not parallel: it reads a gauge
	counted := func() (by []string) {
		reg := prometheus.NewRegistry()
		reg.MustRegister(unattended)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				by = append(by, fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetGauge().GetValue()))
			}
		}
		return by
	}
	waits := on(t, "queue@dev", WorkflowName, onOther)
	temporal := &shown{list: []*workflowpb.WorkflowExecutionInfo{waits, waits}}
	u := &Unattended{Temporal: temporal, Queues: here}
	err := u.look(t.Context())
	if said := u.Check(t.Context()); err != nil || said == nil || !strings.Contains(said.Error(), `2 of the cluster "dev"`) || !slices.Equal(counted(), []string{"dev 2"}) {
		t.Errorf("%v, says %v", err, said)
	}
	temporal.polled = []string{"queue@dev"}
	if err := u.look(t.Context()); err != nil || u.Check(t.Context()) != nil || counted() != nil {
		t.Errorf("%v, still says %v", err, u.Check(t.Context()))
	}
}

// TestAPullRequestIsLookedAfterByItsOwnCluster: only there is it told of that cluster's pause, and closed.
func TestAPullRequestIsLookedAfterByItsOwnCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		queue string
		want  bool
	}{"ours": {"queue@dev", true}, "ours, on the former queue": {"queue", true}, "another's": {"queue@prod", false}} {
		book, at := &pages{}, &oneForge{Pull: forge.Pull{Number: 9}}
		k := &Keeper{Temporal: &shown{list: []*workflowpb.WorkflowExecutionInfo{on(t, c.queue, WorkflowName, onOther)}}, Queues: Queues{"queue", "dev"}, Bot: "bot", Book: book, Writer: abandoning{},
			Forge: pulled{at, []forge.Pull{{Number: 9, HeadRef: thisOne.Branch(), Author: "bot"}}},
			Pauses: func(context.Context) ([]incident.Pause, error) {
				return []incident.Pause{{Cluster: "dev", At: time.Unix(0, 0)}}, nil
			}}
		if err := k.sweep(t.Context()); err != nil || slices.Contains(at.wrote, "close") != c.want || (len(k.paused) == 1) != c.want {
			t.Errorf("%s: %v, wrote %v, told %v", name, err, at.wrote, k.paused)
		}
	}
}

// TestWhatNobodyLookedAtForADayIsNotPlanned when a worker of its cluster comes at last.
func TestWhatNobodyLookedAtForADayIsNotPlanned(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]bool{time.Hour: false, 25 * time.Hour: true} {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		planned := false
		env.RegisterActivityWithOptions(func(PlanInput) (Planned, error) { planned = true; return Planned{Advised: "no playbook fits"}, nil }, activity.RegisterOptions{Name: "Plan"})
		env.RegisterWorkflow(begunLate)
		env.ExecuteWorkflow(begunLate, late)
		var end incident.Outcome
		if err := env.GetWorkflowResult(&end); err != nil || end.Phase != incident.Advised || planned == want ||
			want && !strings.Contains(end.Reason, "no worker of its cluster had looked at it for 25h0m0s, and what was known then is old: cortexops retry 0123456789ab plans it anew") {
			t.Errorf("%s late: %+v, %v, planned %t", late, end, err, planned)
		}
	}
}

// begunLate is a remediation whose first task comes so late.
func begunLate(ctx workflow.Context, late time.Duration) (incident.Outcome, error) {
	if err := workflow.Sleep(ctx, late); err != nil {
		return incident.Outcome{}, err
	}
	f := &flow{start: Start{Key: thisOne}, began: workflow.GetInfo(ctx).WorkflowStartTime}
	end, err := f.plan(ctx)
	return deref(end), err
}
