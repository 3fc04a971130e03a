// Package remediation is the durable half of the journey: one Temporal workflow per (incident, attempt) and one
// activity file per phase. The workflow decides in which order; activities do one thing each, look before they write,
// and leave an intent row and a done row in the ledger. Nothing here knows how git, a forge or a cluster is spoken to.
package remediation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Activities are the structs whose methods the workflow calls.
type Activities struct {
	Planner    *Planner
	Gatekeeper *Gatekeeper
	DryRunner  *DryRunner
	Proposer   *Proposer
	Approver   *Approver
	Merger     *Merger
	Applier    *Applier
	Watcher    *Watcher
	Reverter   *Reverter
	Closer     *Closer
	Asker      *Asker
	Adopter    *Adopter
	Restorer   *Restorer
}

// Register makes the worker run remediations.
func Register(w worker.Registry, a Activities) {
	w.RegisterWorkflowWithOptions(Remediate, workflow.RegisterOptions{Name: WorkflowName})
	w.RegisterWorkflowWithOptions(Expiry, workflow.RegisterOptions{Name: ExpiryName})
	// An activity's name is its method's: two methods of one name would be one activity to Temporal.
	for _, f := range []any{
		a.Planner.Plan, a.Gatekeeper.Decide, a.DryRunner.DryRun, a.Proposer.Propose, a.Proposer.Announce, a.Proposer.Revise, a.Approver.Judge, a.Approver.Expire, a.Approver.Withdraw, a.Merger.Merge,
		a.Applier.Rehearse, a.Applier.Apply, a.Applier.Wait, a.Applier.Ready, a.Watcher.Verify, a.Reverter.ProposeRevert, a.Reverter.MergeRevert, a.Closer.Close,
		a.Asker.Hold, a.Asker.Ask, a.Asker.Answer, a.Asker.Brake, a.Asker.Amend, a.Asker.Reply, a.Adopter.Adopt,
		a.Restorer.OfferRestore, a.Restorer.MarkRestore, a.Restorer.AwaitRestore, a.Restorer.ClaimRestore, a.Restorer.EndRestore,
	} {
		w.RegisterActivity(f)
	}
}

// patience with Temporal: what it does not take in this time the bus brings again, and others go before.
const patience = 5 * time.Second

// Starter turns sealed incidents into workflows and actions into signals to them.
type Starter struct {
	Temporal client.Client
	Queues   Queues
	Book     Book
	Ended    func(ctx context.Context, key incident.Key) (bool, error)
	// Newest is the last revision of an incident that was told; the zero one where none is kept. Nil: what is told is the newest.
	Newest func(ctx context.Context, id string) (incident.Incident, error)
	// Holder is whose remediation has a target; the zero key: nobody's. Nil: nobody is asked.
	Holder   func(ctx context.Context, target string) (incident.Key, error)
	Branch   func(ctx context.Context, number int) (string, error) // of a pull request
	MayWrite func(ctx context.Context, user string) (bool, error)  // whether user may push
	Refused  *Refused                                              // nil: whoever clicks too late is not told
	// Merged tells whether the attempt went on after its merge, whoever merged.
	Merged func(ctx context.Context, key incident.Key) (bool, error)
	// Healed is told of an incident that is over, perhaps more than once. Nil: nobody is.
	Healed func(ctx context.Context, inc incident.Incident) error

	// Shut closes a pull request that another attempt is to take the place of. One that is merged stays as it is.
	Shut func(ctx context.Context, number int) (merged bool, err error)
	// Followed says on it which attempt does, once that has begun, or why none.
	Followed func(ctx context.Context, number int, next incident.Key, none string) error

	told told
}

// Incident starts the remediation of a sealed incident, for the workers of its root's cluster, and another attempt when it has broken
// out again; the one that runs is told what has changed. It goes by the newest revision, whichever is told: they may come in any order.
// What began in a maintenance window is people's work.
func (s *Starter) Incident(ctx context.Context, inc incident.Incident) error {
	if inc.State == incident.Provisional {
		return nil
	}
	inc, err := s.newest(ctx, inc)
	if err != nil {
		return err
	}
	if inc.State == incident.Healed {
		var told error
		if s.Healed != nil {
			told = s.Healed(ctx, inc)
		}
		return cmp.Or(told, s.hand(ctx, inc, true))
	}
	if inc.State != incident.Sealed || inc.Window != "" {
		return nil
	}
	key, err := s.attempt(ctx, inc)
	if err != nil {
		return err
	}
	// Temporal forgets a closed workflow after its retention; the ledger does not.
	if ended, err := s.Ended(ctx, key); err != nil {
		return err
	} else if ended {
		return s.hand(ctx, inc, false)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for n := key.Attempt - 1; n >= max(1, key.Attempt-mostRetries); n-- { // it may have broken out twice while one runs
		running, err := s.running(ctx, incident.Key{Incident: inc.ID, Attempt: n})
		if err != nil {
			return err
		}
		if running { // it judges by itself whether the outbreak is over
			return s.hand(ctx, inc, true)
		}
	}
	digest, err := put(ctx, s.Book, inc)
	if err != nil {
		return err
	}
	start := Start{Key: key, Incident: digest, Target: inc.Root.Key(), Outbreak: &inc.Reopened}
	_, err = s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: key.Workflow(), TaskQueue: s.Queues.Of(inc.Root.Cluster), TypedSearchAttributes: start.attributes(),
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("%v on %s", inc.Alerts(), inc.Root),
	}, WorkflowName, start)
	var again *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &again) {
		return s.hand(ctx, inc, true)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", key.Workflow(), err)
	}
	s.told.set(inc, time.Now())
	if now, err := s.newest(ctx, inc); err != nil || now.Revision > inc.Revision { // whoever was told of it has found no workflow
		return errors.Join(err, s.hand(ctx, now, true))
	}
	return nil
}

// newest revision of an incident.
func (s *Starter) newest(ctx context.Context, inc incident.Incident) (incident.Incident, error) {
	if s.Newest == nil {
		return inc, nil
	}
	now, err := s.Newest(ctx, inc.ID)
	if err != nil {
		return inc, fmt.Errorf("read the newest revision of incident %s: %w", inc.ID, err)
	}
	if now.Revision > inc.Revision {
		return now, nil
	}
	return inc, nil
}

// attempt is that of the incident's latest outbreak: the one that was started for it, or the first that nobody has taken. A person
// may have had earlier outbreaks tried again.
func (s *Starter) attempt(ctx context.Context, inc incident.Incident) (incident.Key, error) {
	key := incident.Key{Incident: inc.ID, Attempt: 1 + inc.Reopened}
	if inc.Reopened == 0 {
		return key, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range mostRetries {
		start, err := started(ctx, s.Temporal, key)
		var never *serviceerror.NotFound
		if errors.As(err, &never) {
			break
		}
		if err != nil {
			return key, err
		}
		if start.Outbreak == nil || *start.Outbreak >= inc.Reopened {
			break
		}
		key.Attempt++
	}
	return key, nil
}

func (s *Starter) running(ctx context.Context, key incident.Key) (bool, error) {
	d, err := s.Temporal.DescribeWorkflowExecution(ctx, key.Workflow(), "")
	var never *serviceerror.NotFound
	if errors.As(err, &never) { // the incident had healed before it was sealed, or Temporal has forgotten
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask whether %s runs: %w", key.Workflow(), err)
	}
	return d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// Action tells the change's workflow that something happened to it. An action on a workflow that has ended, or on a
// revert, which nobody needs to approve, changes nothing.
func (s *Starter) Action(ctx context.Context, a incident.Action) error {
	if a.Branch == "" { // a comment names none
		branch, err := s.Branch(ctx, a.Number)
		if err != nil {
			return fmt.Errorf("find the branch of pull request %d: %w", a.Number, err)
		}
		a.Branch = branch
	}
	if key, ok := incident.KeyOfRestore(a.Branch); ok {
		return s.restore(ctx, key, a)
	}
	key, revert, ok := incident.KeyOfBranch(a.Branch)
	if !ok || revert {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if a.Kind == incident.Retry {
		// Members of an organisation comment, too, who may only read.
		if may, err := s.MayWrite(ctx, a.Actor); err != nil || !may {
			slog.InfoContext(ctx, "a retry by somebody who may not push", "workflow", key.Workflow(), "actor", a.Actor)
			return err
		}
		_, err := Retry(ctx, s.Temporal, s.Queues, key, a.Actor)
		var over *Over
		if errors.As(err, &over) {
			slog.InfoContext(ctx, "there is nothing to try again", "workflow", key.Workflow(), "actor", a.Actor, "why", over.Why)
			return nil
		}
		return err
	}
	late := ""
	if a.Via == incident.ViaSlack {
		late = s.late(ctx, key) // before the signal, which may be what it goes on by
	}
	err := s.Temporal.SignalWorkflow(ctx, key.Workflow(), "", ActionSignal, a)
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) && (a.Kind == incident.Reopen || a.Kind == incident.Merge) {
		return s.afterwards(ctx, key, a)
	}
	if errors.As(err, &gone) {
		slog.InfoContext(ctx, "action on a remediation that has ended", "workflow", key.Workflow(), "kind", a.Kind, "actor", a.Actor)
		late, err = cmp.Or(late, hasEnded("")), nil
	}
	if err != nil {
		return fmt.Errorf("signal %s: %w", key.Workflow(), err)
	}
	if a.Via == incident.ViaSlack && late != "" {
		s.Refused.Tell(ctx, key, Refusal{a, late})
	}
	return nil
}
