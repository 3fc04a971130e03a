package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// rowBook keeps each row once, as the ledger does.
type rowBook struct {
	Book
	rows []incident.Entry
	err  error
}

func (b *rowBook) Append(_ context.Context, e incident.Entry) (bool, error) {
	if b.err != nil || slices.ContainsFunc(b.rows, func(have incident.Entry) bool { return have.Step == e.Step && have.Attempt == e.Attempt }) {
		return false, b.err
	}
	b.rows = append(b.rows, e)
	return true, nil
}

// pushers is a forge on which some may push.
type pushers struct {
	forge.Pull
	may []string
}

func (p pushers) Get(context.Context, int) (forge.Pull, error)         { return p.Pull, nil }
func (p pushers) Close(context.Context, int) error                     { return nil }
func (p pushers) Reviews(context.Context, int) ([]forge.Review, error) { return nil, nil }
func (p pushers) MayWrite(_ context.Context, user string) (bool, error) {
	return slices.Contains(p.may, user), nil
}
func (p pushers) Comments(context.Context, int, time.Time, func(string) bool) ([]forge.Said, error) {
	return nil, nil
}

// TestRefused tells each click once, in whatever state the ledger and the chat are, and never holds the judgement.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ledger, chat error
		want         []string
	}{
		"told":                 {nil, nil, []string{"eve: 7 eve, your login on the forge, may not push to acme/shop.", "sam: 7 too late"}},
		"the chat is away":     {nil, errors.New("away"), []string{"eve: 7 eve, your login on the forge, may not push to acme/shop.", "sam: 7 too late"}},
		"the ledger is away":   {errors.New("away"), nil, nil},
		"the chat never ends":  {nil, context.DeadlineExceeded, []string{"eve: 7 eve, your login on the forge, may not push to acme/shop.", "sam: 7 too late"}},
		"nobody would be told": {nil, errors.ErrUnsupported, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told []string
			book := &rowBook{err: c.ledger}
			refused := NewRefused(book, func(n int, why string) string { return fmt.Sprintf("%d %s", n, why) }, func(ctx context.Context, login, text string) error {
				told = append(told, login+": "+text)
				if errors.Is(c.chat, context.DeadlineExceeded) {
					<-ctx.Done()
				}
				return c.chat
			})
			if errors.Is(c.chat, errors.ErrUnsupported) {
				refused = nil
			} else {
				go refused.Run(t.Context())
			}
			a := &Approver{Book: book, Forge: pushers{may: []string{"sam"}}, Refused: refused, Rule: func(in JudgeInput, _ forge.Pull, _ []forge.Review) Judgement {
				seen := Judgement{State: "pending"}
				for _, click := range in.Clicks {
					seen.Refused = append(seen.Refused, Refusal{click, "too late"})
				}
				return seen
			}}
			in := JudgeInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Change: incident.Change{Number: 7, Repository: "acme/shop"}, Clicks: []incident.Action{
				{Kind: incident.Approve, Actor: "eve", Number: 7, Delivery: "slack-1", Via: incident.ViaSlack}, {Kind: incident.Approve, Actor: "sam", Number: 7, Delivery: "slack-2", Via: incident.ViaSlack}}}
			for range 2 { // the workflow asks again and again, with all clicks that there were
				began := time.Now()
				if seen, err := a.Judge(t.Context(), in); err != nil || seen.State != "pending" || time.Since(began) != 0 {
					t.Errorf("%s: %+v, %v after %s", name, seen, err, time.Since(began))
				}
			}
			time.Sleep(time.Minute)
			slices.Sort(told)
			if !slices.Equal(told, c.want) {
				t.Errorf("%s: told %q", name, told)
			}
			if c.want != nil && (len(book.rows) != 2 || !strings.Contains(string(book.rows[0].Detail), `"why":`) || book.rows[0].Kind != incident.Event) {
				t.Errorf("%s: rows %+v", name, book.rows)
			}
		})
	}
}

// TestMoreAreRefusedThanCanBeTold drops what is more, and does not wait.
func TestMoreAreRefusedThanCanBeTold(t *testing.T) {
	t.Parallel()
	r := NewRefused(&rowBook{}, nil, nil) // nobody runs it
	for range mostRefused + 5 {
		r.Tell(t.Context(), incident.Key{}, Refusal{})
	}
	if len(r.list) != mostRefused {
		t.Errorf("%d wait", len(r.list))
	}
}

// phased is Temporal with one workflow.
type phased struct {
	client.Client
	phase   incident.Phase
	running bool
	heard   []incident.Action
}

func (p *phased) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if p.phase == "" {
		return nil, serviceerror.NewNotFound("forgotten")
	}
	payload, err := converter.GetDefaultDataConverter().ToPayload(string(p.phase))
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{phaseAttribute.GetName(): payload}}}}, err
}

func (p *phased) SignalWorkflow(_ context.Context, _, _, _ string, arg any) error {
	if !p.running {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	p.heard = append(p.heard, arg.(incident.Action))
	return nil
}

func TestLateClicks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		phase   incident.Phase
		running bool
		via     string
		says    string // "": nobody is told
	}{
		"may yet count":              {incident.ApprovalPending, true, incident.ViaSlack, ""},
		"while it is revised":        {incident.DryRunning, true, incident.ViaSlack, ""},
		"decided":                    {incident.Merging, true, incident.ViaSlack, "decided already: the phase is MERGING"},
		"rolling back":               {incident.RollingBack, true, incident.ViaSlack, "decided already"},
		"ending":                     {incident.Expired, true, incident.ViaSlack, "ended: the phase is EXPIRED. The comment /cortexops retry"},
		"ended":                      {incident.Expired, false, incident.ViaSlack, "ended: the phase is EXPIRED. The comment /cortexops retry"},
		"ended well":                 {incident.Succeeded, false, incident.ViaSlack, "ended: the phase is SUCCEEDED."},
		"terminated by hand":         {incident.ApprovalPending, false, incident.ViaSlack, "It has ended."},
		"forgotten":                  {"", false, incident.ViaSlack, "It has ended."},
		"a review of what has ended": {incident.Expired, false, "", ""},
	} {
		temporal := &phased{phase: c.phase, running: c.running}
		r := NewRefused(&rowBook{}, nil, nil)
		s := &Starter{Temporal: temporal, Refused: r}
		if err := s.Action(t.Context(), incident.Action{Kind: incident.Approve, Branch: "cortexops/0123456789ab-1", Via: c.via, Delivery: "slack-1"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.running != (len(temporal.heard) == 1) {
			t.Errorf("%s: signalled %v", name, temporal.heard)
		}
		if (c.says == "") != (len(r.list) == 0) {
			t.Errorf("%s: %d are told", name, len(r.list))
		} else if c.says != "" {
			if one := <-r.list; !strings.Contains(one.Why, c.says) || one.key.Attempt != 1 {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
}

// TestUnheardClicks come while the pull request is being closed.
func TestUnheardClicks(t *testing.T) {
	t.Parallel()
	w := happy()
	w.judge = func(n int, in JudgeInput) Judgement {
		if len(in.Clicks) > 0 {
			t.Errorf("judged %+v", in.Clicks)
		}
		return byDeadline(n, in)
	}
	w.later = func(env *testsuite.TestWorkflowEnvironment) {
		env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
			if info.ActivityType.Name == "Expire" {
				env.SignalWorkflow(ActionSignal, incident.Action{Kind: incident.Approve, Actor: "sam", Via: incident.ViaSlack, Delivery: "slack-1"})
			}
		})
	}
	if got := w.play(t); got.Phase != incident.Expired || len(w.ending.Late) != 1 || w.ending.Late[0].Actor != "sam" {
		t.Errorf("%+v, ending %+v", got, w.ending)
	}
}
