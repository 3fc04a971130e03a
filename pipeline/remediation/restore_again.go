package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// restore takes what a person did to the pull request of a restore after people had decided to keep the fix, or nobody had: one that is
// opened again is waited for again, one that is merged is applied, also where that has failed and somebody says retry. While it is
// waited for, the forge is looked at anyway.
func (s *Starter) restore(ctx context.Context, key incident.Key, a incident.Action) error {
	if a.Kind != incident.Reopen && a.Kind != incident.Merge && a.Kind != incident.Retry {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if a.Kind == incident.Retry {
		if may, err := s.MayWrite(ctx, a.Actor); err != nil || !may {
			return err
		}
	}
	log := slog.With("workflow", key.Expiry(), "kind", a.Kind, "actor", a.Actor)
	d, err := s.Temporal.DescribeWorkflowExecution(ctx, key.Expiry(), "")
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		log.WarnContext(ctx, "a restore that Temporal has forgotten is left to people")
		return nil
	case err != nil:
		return fmt.Errorf("describe %s: %w", key.Expiry(), err)
	case d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil
	case d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		var end Lapsed
		if err := s.Temporal.GetWorkflow(ctx, key.Expiry(), "").Get(ctx, &end); err != nil {
			return fmt.Errorf("ask how %s ended: %w", key.Expiry(), err)
		}
		if end.Word == "restored" { // its own merge
			return nil
		}
	}
	in, err := input[Lapse](ctx, s.Temporal, key.Expiry())
	if err != nil {
		return err
	}
	in.Again = true
	_, err = s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: key.Expiry(), TaskQueue: s.Queues.about(in.Target),
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            fmt.Sprintf("the restore of %s, by the %s of %s", in.Target, a.Kind, a.Actor)}, ExpiryName, in)
	if err != nil {
		return fmt.Errorf("start %s: %w", key.Expiry(), err)
	}
	return nil
}

// offered is the pull request that was opened, as the ledger knows it.
func (r *Restorer) offered(ctx context.Context, key incident.Key) (out Offer, err error) {
	rows, err := r.Entries(ctx, key.Incident)
	if err != nil {
		return out, err
	}
	for _, e := range rows {
		var row struct {
			SHA, Proposal string
			Number        int
		}
		if e.Attempt != key.Attempt || e.Kind != incident.Done || json.Unmarshal(e.Detail, &row) != nil {
			continue
		}
		switch e.Step {
		case "push-restore":
			out.Change.HeadSHA, out.Proposal = row.SHA, row.Proposal
		case "open-restore":
			out.Change.Number = row.Number
		}
	}
	if out.Proposal == "" || out.Change.Number == 0 {
		return Offer{}, temporal.NewNonRetryableApplicationError("the ledger does not say what "+key.Expiry()+" has offered: nobody but people can", "Invalid", nil)
	}
	pull, err := r.Forge.Get(ctx, out.Change.Number)
	out.Change.Repository, out.Change.Base, out.Change.Branch = r.Repository.Name, r.Repository.Base, key.RestoreBranch()
	out.Change.URL, out.Change.OpenedAt = pull.URL, pull.CreatedAt
	return out, classify(err)
}
