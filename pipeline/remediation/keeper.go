package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

var (
	running = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_remediations_open",
		Help: "Remediations that are running, by phase."}, []string{"phase"})
	oldest = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_remediation_oldest_seconds",
		Help: "How long the one that is longest in its phase has been seen there."}, []string{"phase"})
)

const (
	keepEvery    = 5 * time.Second
	sweepEvery   = 3         // of these, and when a pause begins or ends: the forge counts its calls
	orphanedFrom = time.Hour // a pull request of a workflow that Temporal does not know
)

// waiting are the phases that a running remediation can be in.
var waiting = []incident.Phase{incident.Planning, incident.PolicyCheck, incident.DryRunning, incident.Proposed, incident.ApprovalPending,
	incident.Merging, incident.Applying, incident.Verifying, incident.RollingBack}

// Keeper looks after remediations from outside: it counts those that run, and closes the pull requests of those that
// somebody ended by hand.
type Keeper struct {
	Temporal client.Client
	Queues   Queues // what is on those of other clusters is for their workers
	Bot      string // our own login: others' pull requests are theirs, whatever their branch is called
	Book     Book
	Forge    interface {
		Marks
		OpenPulls(ctx context.Context) ([]forge.Pull, error)
	}
	Writer interface {
		Abandoned(key incident.Key, why string) string
		Paused(why string) string
	}
	Claims interface {
		Sweep(ctx context.Context, ended func(context.Context, incident.Key) (bool, error)) ([]incident.Claim, error)
	}
	Pauses func(ctx context.Context) ([]incident.Pause, error) // of the cluster

	seen   map[string]stay
	pause  string         // at the last sweep
	paused map[int]string // what the open pull requests were told of a pause
}

// stay is one workflow's time in its phase.
type stay struct {
	phase string
	since time.Time
}

// Run looks every few seconds until ctx ends. What fails is said once and tried again.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	said := ""
	for n := 0; ; n++ {
		err := errors.Join(k.count(ctx), k.release(ctx))
		if paused, failed := k.pausedBy(ctx); n%sweepEvery == 0 || failed == nil && paused != k.pause {
			err = errors.Join(err, k.sweep(ctx))
		}
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			slog.WarnContext(ctx, "looking after remediations fails, trying again", "error", err)
		} else if err == nil && n%sweepEvery == 0 {
			said = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// count sets the gauges. The time in a phase is that since we saw it first: after a restart of ours it begins anew.
func (k *Keeper) count(ctx context.Context) error {
	now, seen, number, longest := time.Now(), map[string]stay{}, map[string]int{}, map[string]time.Duration{}
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND TaskQueue IN (%s, %s)", WorkflowName, quoted(k.Queues.Of("")), quoted(k.Queues.Base))
	err := list(ctx, k.Temporal, query, func(w *workflowpb.WorkflowExecutionInfo) (bool, error) {
		if !k.Queues.ours(w) {
			return true, nil
		}
		id, phase := w.GetExecution().GetWorkflowId(), keyword(w, phaseAttribute.GetName())
		s, ok := k.seen[id]
		if !ok || s.phase != phase {
			s = stay{phase, now}
		}
		seen[id] = s
		number[phase]++
		longest[phase] = max(longest[phase], now.Sub(s.since))
		return true, nil
	})
	if err != nil {
		return err
	}
	k.seen = seen
	for _, p := range waiting {
		running.WithLabelValues(string(p)).Set(float64(number[string(p)]))
		oldest.WithLabelValues(string(p)).Set(longest[string(p)].Seconds())
	}
	return nil
}

// sweep closes our open pull requests that no workflow looks after. Where a workflow has ended by itself and left one
// open, it is people's; where it is another cluster's, that one's workers'.
func (k *Keeper) sweep(ctx context.Context) error {
	pulls, err := k.Forge.OpenPulls(ctx)
	if err != nil {
		return err
	}
	paused, err := k.pausedBy(ctx)
	if err == nil {
		k.pause = paused
	}
	all := []error{err}
	for _, p := range pulls {
		key, revert, ours := incident.KeyOfBranch(p.HeadRef)
		if restore, is := incident.KeyOfRestore(p.HeadRef); is {
			key, revert, ours = restore.Restoring(), true, true
		}
		if !ours || !strings.EqualFold(p.Author, k.Bot) {
			continue
		}
		w, failed := k.find(ctx, key)
		if failed == nil && !k.Queues.ours(w) {
			continue
		}
		if err == nil && failed == nil && !revert {
			all = append(all, k.tell(ctx, p.Number, paused))
		}
		if failed == nil {
			failed = k.abandon(ctx, key, p, w)
		}
		if failed != nil {
			all = append(all, fmt.Errorf("pull request %d: %w", p.Number, failed))
		}
	}
	return errors.Join(all...)
}

// pausedBy is the pause that holds the cluster; "": none does.
func (k *Keeper) pausedBy(ctx context.Context) (string, error) {
	pauses, err := k.Pauses(ctx)
	if err != nil || len(pauses) == 0 {
		return "", err
	}
	return pauses[0].String(), nil
}

// tell says on an open pull request that nothing is merged for now, and when that is over. After a restart it is said again, in
// the same comment.
func (k *Keeper) tell(ctx context.Context, number int, paused string) error {
	if k.paused[number] == paused {
		return nil
	}
	if err := k.Forge.Comment(ctx, number, "pause", k.Writer.Paused(paused)); err != nil {
		return fmt.Errorf("pull request %d: %w", number, err)
	}
	if k.paused == nil {
		k.paused = map[int]string{}
	}
	if k.paused[number] = paused; paused == "" {
		delete(k.paused, number)
	}
	return nil
}

// release gives back the targets of remediations that are over, and could not do it themselves: they were ended by hand.
func (k *Keeper) release(ctx context.Context) error {
	released, err := k.Claims.Sweep(ctx, func(ctx context.Context, key incident.Key) (bool, error) {
		d, err := k.Temporal.DescribeWorkflowExecution(ctx, key.Workflow(), "")
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) { // longer ago than Temporal remembers: it had begun when it took the target
			return true, nil
		}
		return d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, err
	})
	for _, c := range released {
		slog.InfoContext(ctx, "released a target", "target", c.Target, "workflow", c.Key.Workflow())
	}
	return err
}

// find the workflow; nil: Temporal does not know it.
func (k *Keeper) find(ctx context.Context, key incident.Key) (*workflowpb.WorkflowExecutionInfo, error) {
	d, err := k.Temporal.DescribeWorkflowExecution(ctx, key.Workflow(), "")
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return nil, nil //nolint:nilnil // that is no error here
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", key.Workflow(), err)
	}
	return d.GetWorkflowExecutionInfo(), nil
}

// abandon closes the pull request where nobody looks after it any more.
func (k *Keeper) abandon(ctx context.Context, key incident.Key, p forge.Pull, w *workflowpb.WorkflowExecutionInfo) error {
	why, err := k.abandoned(ctx, key, p, w)
	if err != nil || why == "" {
		return err
	}
	return k.close(ctx, key, p, why)
}

// abandoned says why nobody looks after the pull request any more, or nothing.
func (k *Keeper) abandoned(ctx context.Context, key incident.Key, p forge.Pull, w *workflowpb.WorkflowExecutionInfo) (string, error) {
	if w == nil {
		if time.Since(p.CreatedAt) < orphanedFrom {
			return "", nil
		}
		rows, err := k.Book.Entries(ctx, key.Incident)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(rows, func(e incident.Entry) bool { return e.Attempt == key.Attempt && e.Step == incident.StepEnding }) {
			return "", nil // it came to its end, and what it left open is people's
		}
		return "its workflow is not known to Temporal", nil
	}
	switch status := w.GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return "", nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return k.terminated(ctx, key)
	default:
		return "its workflow ended as " + status.String(), nil
	}
}

// terminated tells by whom and why.
func (k *Keeper) terminated(ctx context.Context, key incident.Key) (string, error) {
	history := k.Temporal.GetWorkflowHistory(ctx, key.Workflow(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	why := "its workflow was terminated"
	for history.HasNext() {
		e, err := history.Next()
		if err != nil {
			return "", fmt.Errorf("read how %s ended: %w", key.Workflow(), err)
		}
		if t := e.GetWorkflowExecutionTerminatedEventAttributes(); t != nil {
			why = fmt.Sprintf("its workflow was terminated by %s: %s", t.GetIdentity(), t.GetReason())
		}
	}
	return why, nil
}

func (k *Keeper) close(ctx context.Context, key incident.Key, p forge.Pull, why string) error {
	var err error
	if key.IsRestoring() {
		err = note(ctx, k.Book, key.Restoring(), incident.Succeeded, stepLapsed, incident.Event, actor, Lapsed{Word: "failed", Why: why})
	} else {
		err = note(ctx, k.Book, key, incident.Failed, incident.StepEnding, incident.Event, actor, incident.Outcome{Phase: incident.Failed, Reason: why})
	}
	if err != nil {
		return err
	}
	if err := k.Forge.Comment(ctx, p.Number, "ending", k.Writer.Abandoned(key, why)); err != nil {
		return err
	}
	if err := k.Forge.Label(ctx, p.Number, "cortexops/terminated"); err != nil {
		return err
	}
	if err := k.Forge.Status(ctx, p.HeadSHA, checkApproval, "failure", string(incident.Failed)+": "+why, p.URL); err != nil {
		return err
	}
	return k.Forge.Close(ctx, p.Number)
}
