package remediation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// clerk is Temporal with as much as a retry needs: workflows that run, and others that have ended.
type clerk struct {
	client.Client
	running []string
	ended   map[string]incident.Phase // "": terminated by hand
	told    []string
	begun   Start
	queue   string // that it was begun on
	target  string // of those that there are
	merged  incident.Merged
	deaf    bool                      // it starts nothing
	events  []*historypb.HistoryEvent // of what has ended
	adopts  *Adopts                   // what those that there are had begun with
}

// here are the queues of the tests, as the workers of one cluster name them.
var here = Queues{Base: "queue", Own: "prod"}

const away incident.Phase = "Temporal does not say"

func (c *clerk) SignalWorkflow(_ context.Context, id, _, signal string, _ any) error {
	if signal == RetrySignal && slices.Contains(c.running, id) {
		c.told = append(c.told, id)
		return nil
	}
	return serviceerror.NewNotFound("workflow execution already completed")
}

func (c *clerk) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return ending{c: c, id: id}
}

type ending struct {
	client.WorkflowRun
	c  *clerk
	id string
}

func (e ending) Get(_ context.Context, into any) error {
	phase, ok := e.c.ended[e.id]
	switch {
	case !ok:
		return serviceerror.NewNotFound("workflow not found")
	case phase == "":
		return &temporal.WorkflowExecutionError{}
	case phase == away:
		return serviceerror.NewUnavailable("no frontend")
	}
	*into.(*incident.Outcome) = incident.Outcome{Phase: phase, Merged: e.c.merged}
	return nil
}

func (c *clerk) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	_, ok := c.ended[id]
	return &first{ok: ok || slices.Contains(c.running, id), start: Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Incident: "digest", Target: cmp.Or(c.target, "t"), Adopts: c.adopts}, more: c.events}
}

func (c *clerk) SignalWithStartWorkflow(_ context.Context, id, _ string, _ any, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if c.deaf {
		return nil, serviceerror.NewUnavailable("no frontend")
	}
	if _, ended := c.ended[id]; ended {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already", "", "")
	}
	if o.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE || o.TaskQueue == "" {
		return nil, errors.New("it would be started twice, or nowhere")
	}
	c.told, c.queue = append(c.told, id), o.TaskQueue
	c.begun = args[0].(Start)
	return nil, nil
}

// TestRetry is the word of a person about the first attempt, said as often as they like.
func TestRetry(t *testing.T) {
	t.Parallel()
	const first, second = "remediation/0123456789ab/1", "remediation/0123456789ab/2"
	for name, c := range map[string]struct {
		running []string
		ended   map[string]incident.Phase
		told    []string // by two words
		over    string
	}{
		"it waits":                  {[]string{first}, nil, []string{first, first}, ""},
		"it expired":                {nil, map[string]incident.Phase{first: incident.Expired}, []string{second, second}, ""},
		"somebody terminated it":    {nil, map[string]incident.Phase{first: ""}, []string{second, second}, ""},
		"it succeeded":              {nil, map[string]incident.Phase{first: incident.Succeeded}, nil, first + " has succeeded"},
		"the second has ended, too": {nil, map[string]incident.Phase{first: incident.Expired, second: incident.Expired}, nil, second + " has ended too: say cortexops retry 0123456789ab --attempt 2"},
		"nobody knows it":           {nil, nil, nil, first + " never began, or Temporal has forgotten it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := &clerk{running: c.running, ended: c.ended}
			s := &Starter{Temporal: temporal, Queues: here, MayWrite: func(_ context.Context, user string) (bool, error) { return user == "sam", nil }}
			word := incident.Action{Kind: incident.Retry, Actor: "sam", Branch: "cortexops/0123456789ab-1"}
			strangers := word
			strangers.Actor = "eve"
			if err := s.Action(t.Context(), strangers); err != nil || len(temporal.told) > 0 {
				t.Errorf("by the word of a stranger: told %v, %v", temporal.told, err)
			}
			if err := errors.Join(s.Action(t.Context(), word), s.Action(t.Context(), word)); err != nil || !slices.Equal(temporal.told, c.told) {
				t.Errorf("told %v, %v", temporal.told, err)
			}
			if want := (Start{Key: incident.Key{Incident: "0123456789ab", Attempt: 2}, Incident: "digest", Target: "t"}); slices.Contains(c.told, second) && temporal.begun != want {
				t.Errorf("the second attempt is %+v", temporal.begun)
			}
			_, err := Retry(t.Context(), temporal, here, incident.Key{Incident: "0123456789ab", Attempt: 1}, "sam")
			var over *Over
			if errors.As(err, &over) != (c.over != "") || over != nil && over.Why != c.over {
				t.Errorf("%v, want %q", err, c.over)
			}
		})
	}
}

// TestAfterwards is what people do to a pull request whose remediation has ended.
func TestAfterwards(t *testing.T) {
	t.Parallel()
	const first, second, third = "remediation/0123456789ab/1", "remediation/0123456789ab/2", "remediation/0123456789ab/3"
	for name, c := range map[string]struct {
		kind     incident.ActionKind
		running  []string
		ended    map[string]incident.Phase
		told     []string
		followed int
		fails    bool
	}{
		"opened again":                       {incident.Reopen, nil, map[string]incident.Phase{first: incident.Expired}, []string{second}, 2, false},
		"opened again, and it had helped":    {incident.Reopen, nil, map[string]incident.Phase{first: incident.Succeeded}, nil, 0, false},
		"opened again, and nobody can tell":  {incident.Reopen, nil, map[string]incident.Phase{first: incident.Expired}, nil, 0, false},
		"opened again, and merged":           {incident.Reopen, nil, map[string]incident.Phase{first: incident.Denied}, nil, 0, false},
		"merged":                             {incident.Merge, nil, map[string]incident.Phase{first: incident.Expired}, []string{second}, 0, false},
		"merged what was denied":             {incident.Merge, nil, map[string]incident.Phase{first: incident.Denied}, []string{second}, 0, false},
		"merged by us":                       {incident.Merge, nil, map[string]incident.Phase{first: incident.Succeeded}, nil, 0, false},
		"merged, and it waits for people":    {incident.Merge, nil, map[string]incident.Phase{first: incident.Escalated}, nil, 0, false},
		"merged after a rule of the forge":   {incident.Merge, nil, map[string]incident.Phase{first: incident.Escalated}, []string{second}, 0, false},
		"merged, and a revert came of it":    {incident.Merge, nil, map[string]incident.Phase{first: incident.RolledBack}, nil, 0, false},
		"merged, and the second has begun":   {incident.Merge, nil, map[string]incident.Phase{first: incident.Rejected, second: incident.Advised}, []string{third}, 0, false},
		"merged, and somebody terminated it": {incident.Merge, nil, map[string]incident.Phase{first: ""}, nil, 0, false},
		"merged, and nobody knows it":        {incident.Merge, nil, nil, nil, 0, false},
		"closed":                             {incident.Close, nil, map[string]incident.Phase{first: incident.Expired}, nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := &clerk{running: c.running, ended: c.ended}
			if temporal.deaf = name == "opened again, and nobody can tell"; temporal.deaf {
				c.fails = true
			}
			followed, why := 0, ""
			s := &Starter{Temporal: temporal, Queues: here, Merged: func(context.Context, incident.Key) (bool, error) {
				return name == "merged, and it waits for people", nil
			}, Shut: func(_ context.Context, number int) (bool, error) {
				if len(temporal.told) > 0 {
					t.Error("it could be merged beside the attempt that follows")
				}
				return name == "opened again, and merged", nil
			}, Followed: func(_ context.Context, number int, next incident.Key, none string) error {
				if number != 7 {
					t.Errorf("pull request %d is followed", number)
				}
				if why = none; none == "" {
					followed = next.Attempt
				}
				return nil
			}}
			a := incident.Action{Kind: c.kind, Actor: "sam", Number: 7, HeadSHA: "h", MergeSHA: "m", Branch: "cortexops/0123456789ab-1"}
			if err := s.Action(t.Context(), a); (err != nil) != c.fails || !slices.Equal(temporal.told, c.told) || followed != c.followed || (why != "") != (name == "opened again, and it had helped") {
				t.Errorf("began %v, %v, followed by %d, %s", temporal.told, err, followed, why)
			}
			want := Adopts{Attempt: 1, Number: 7, Merge: "m", By: "sam"}
			if c.kind == incident.Merge && len(c.told) > 0 && (temporal.begun.Adopts == nil || *temporal.begun.Adopts != want || temporal.begun.Key.Workflow() != c.told[0]) {
				t.Errorf("began %+v", temporal.begun)
			}
		})
	}
}

// TestAMergeIsNotForgotten where Temporal cannot say for now how the remediation had ended.
func TestAMergeIsNotForgotten(t *testing.T) {
	t.Parallel()
	c := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": away}}
	a := incident.Action{Kind: incident.Merge, Actor: "sam", Number: 7, HeadSHA: "h", MergeSHA: "m", Branch: "cortexops/0123456789ab-1"}
	if err := (&Starter{Temporal: c, Queues: here}).Action(t.Context(), a); err == nil || len(c.told) > 0 {
		t.Errorf("it is taken for done, %v", c.told)
	}
}

// TestRetryGoesOnFromAMerge that is in git already, where a plan would find nothing to do.
func TestRetryGoesOnFromAMerge(t *testing.T) {
	t.Parallel()
	c := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": incident.Escalated}, merged: incident.Merged{Number: 7, SHA: "m"}}
	_, err := Retry(t.Context(), c, here, incident.Key{Incident: "0123456789ab", Attempt: 1}, "sam")
	if want := (Adopts{Attempt: 1, Number: 7, Merge: "m"}); err != nil || c.begun.Adopts == nil || *c.begun.Adopts != want {
		t.Errorf("began %+v, %v", c.begun, err)
	}
}

// TestRetryOfAnAdoptedMerge that was taken back plans anew.
func TestRetryOfAnAdoptedMerge(t *testing.T) {
	t.Parallel()
	for phase, want := range map[incident.Phase]bool{incident.RolledBack: false, incident.Escalated: true} {
		c := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": phase}, adopts: &Adopts{Merge: "m"}}
		if _, err := Retry(t.Context(), c, here, incident.Key{Incident: "0123456789ab", Attempt: 1}, "sam"); err != nil || (c.begun.Adopts != nil) != want {
			t.Errorf("%s: began %+v, %v", phase, c.begun, err)
		}
	}
}

// TestRetryOfWhatFailedToTemporal reads from the history how that ended: its ending could not be told everywhere, or somebody ended it by hand.
func TestRetryOfWhatFailedToTemporal(t *testing.T) {
	t.Parallel()
	opened, revised := activityOf(t, 5, "Propose", nil, incident.Change{Number: 7}), activityOf(t, 20, "Revise", nil, incident.Change{Number: 7})
	waiting := activityOf(t, 30, "Judge", nil, Judgement{State: "pending"})
	ours, theirs := activityOf(t, 40, "Merge", nil, "m"), activityOf(t, 40, "Judge", nil, Judgement{State: "merged", Merge: "m"})
	back := activityOf(t, 50, "MergeRevert", nil, "r")
	close := func(o incident.Outcome) []*historypb.HistoryEvent {
		return activityOf(t, 60, "Close", Ending{Outcome: o}, nil)[:1] // it failed
	}
	merged := incident.Merged{Number: 7, SHA: "m"}
	for name, c := range map[string]struct {
		events [][]*historypb.HistoryEvent
		over   bool
		adopts *Adopts
	}{
		"it had succeeded":                     {[][]*historypb.HistoryEvent{opened, ours, close(incident.Outcome{Phase: incident.Succeeded})}, true, nil},
		"it had merged and not applied":        {[][]*historypb.HistoryEvent{opened, ours, close(incident.Outcome{Phase: incident.Escalated, Merged: merged})}, false, &Adopts{Attempt: 1, Number: 7, Merge: "m"}},
		"it had expired":                       {[][]*historypb.HistoryEvent{opened, waiting, close(incident.Outcome{Phase: incident.Expired})}, false, nil},
		"it was rolled back":                   {[][]*historypb.HistoryEvent{opened, ours, back, close(incident.Outcome{Phase: incident.RolledBack})}, false, nil},
		"ended by hand before the merge":       {[][]*historypb.HistoryEvent{opened, waiting}, false, nil},
		"ended by hand after the merge":        {[][]*historypb.HistoryEvent{opened, revised, waiting, ours}, false, &Adopts{Attempt: 1, Number: 7, Merge: "m"}},
		"ended by hand after somebody's":       {[][]*historypb.HistoryEvent{opened, theirs}, false, &Adopts{Attempt: 1, Number: 7, Merge: "m"}},
		"ended by hand after it is taken back": {[][]*historypb.HistoryEvent{opened, ours, back}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": ""}, events: slices.Concat(c.events...)}
			_, err := Retry(t.Context(), temporal, here, incident.Key{Incident: "0123456789ab", Attempt: 1}, "sam")
			var over *Over
			if errors.As(err, &over) != c.over || err != nil && !c.over {
				t.Fatal(err)
			}
			if got := temporal.begun.Adopts; (got == nil) != (c.adopts == nil) || got != nil && *got != *c.adopts {
				t.Errorf("goes on from %+v", got)
			}
		})
	}
}

// TestRetryWaitsForTemporal, where that does not say how it ended.
func TestRetryWaitsForTemporal(t *testing.T) {
	t.Parallel()
	c := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": away}}
	if _, err := Retry(t.Context(), c, here, incident.Key{Incident: "0123456789ab", Attempt: 1}, "sam"); err == nil || len(c.told) > 0 {
		t.Errorf("%v, began %v", err, c.told)
	}
}

// activityOf are the events of one that was done.
func activityOf(t *testing.T, id int64, name string, in, out any) []*historypb.HistoryEvent {
	t.Helper()
	given, err := converter.GetDefaultDataConverter().ToPayloads(in)
	if err != nil {
		t.Fatal(err)
	}
	result, err := converter.GetDefaultDataConverter().ToPayloads(out)
	if err != nil {
		t.Fatal(err)
	}
	return []*historypb.HistoryEvent{
		{EventId: id, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, Input: given}}},
		{EventId: id + 1, Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: id, Result: result}}}}
}

// TestAMergeAfterAnEndingThatCouldNotBeTold is gone on from.
func TestAMergeAfterAnEndingThatCouldNotBeTold(t *testing.T) {
	t.Parallel()
	c := &clerk{ended: map[string]incident.Phase{"remediation/0123456789ab/1": ""}, events: activityOf(t, 9, "Close", Ending{Outcome: incident.Outcome{Phase: incident.Expired}}, nil)[:1]}
	s := &Starter{Temporal: c, Queues: here, Merged: func(context.Context, incident.Key) (bool, error) { return false, nil }}
	a := incident.Action{Kind: incident.Merge, Actor: "sam", Number: 7, HeadSHA: "h", MergeSHA: "m", Branch: "cortexops/0123456789ab-1"}
	if err := s.Action(t.Context(), a); err != nil || c.begun.Adopts == nil || c.begun.Adopts.Merge != "m" {
		t.Errorf("began %+v, %v", c.begun, err)
	}
}
