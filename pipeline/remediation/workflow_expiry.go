package remediation

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// ExpiryName is the registered type of Expiry.
const ExpiryName = "Expiry"

const (
	// restoreWithin is how long people have to say what becomes of a fix that has expired. Then it stays.
	restoreWithin = 30 * 24 * time.Hour
	// heldBack is how long a restore that somebody merged waits for a brake.
	heldBack, heldBackEvery = 24 * time.Hour, 5 * time.Minute
)

// Lapse is a fix whose time is over.
type Lapse struct {
	Key      incident.Key    `json:"key"`
	Target   string          `json:"target"`
	Playbook string          `json:"playbook"`
	Proposal string          `json:"proposal"` // digest of what was applied
	Change   incident.Change `json:"change"`
	Merge    string          `json:"merge,omitempty"` // SHA of its merge; of before it was told: none
	Again    bool            `json:"again,omitempty"` // its pull request is there, and was opened again or merged after the end
}

// Lapsed is what became of it.
type Lapsed struct {
	Word string `json:"word"` // kept | restored | failed
	Why  string `json:"why"`
}

// Expiry asks people whether a fix that was made for a time is to stay: a pull request restores what was there before. Closing it is
// to keep the fix; merging it is to restore, and only people do either.
func Expiry(ctx workflow.Context, in Lapse) (Lapsed, error) {
	err := workflow.UpsertTypedSearchAttributes(ctx, incidentAttribute.ValueSet(in.Key.Incident), targetAttribute.ValueSet(in.Target), playbookAttribute.ValueSet(in.Playbook))
	if err != nil {
		return Lapsed{}, err
	}
	offer, end, err := lapse(ctx, in)
	if err != nil {
		end = Lapsed{Word: "failed", Why: err.Error()}
		var app *temporal.ApplicationError
		if errors.As(err, &app) {
			end.Why = app.Type() + ": " + app.Message()
		}
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** %s", end.Word, end.Why))
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	return end, run(ctx, telling, "EndRestore", EndRestoreInput{Lapse: in, Offer: offer, End: end}, nil)
}

func lapse(ctx workflow.Context, in Lapse) (offer Offer, end Lapsed, err error) {
	if err := permitted(ctx, slow, "OfferRestore", OfferInput{Lapse: in, Date: workflow.Now(ctx)}, &offer); err != nil {
		return offer, end, err
	}
	if offer.Why != "" {
		return offer, Lapsed{Word: "kept", Why: offer.Why}, nil
	}
	dry, err := markRestore(ctx, in, offer)
	if err != nil {
		return offer, end, err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("[pull request %d](%s) asks whether to keep the fix (close it) or to restore what was there before (merge it)", offer.Change.Number, offer.Change.URL))
	var said Restore
	wait := watch(restoreWithin + time.Hour)
	wait.HeartbeatTimeout = 2 * time.Minute // it looks once in a minute
	if err := permitted(ctx, wait, "AwaitRestore", AwaitInput{Lapse: in, Offer: offer, Until: workflow.Now(ctx).Add(restoreWithin)}, &said); err != nil || said.Merge == "" {
		return offer, Lapsed{Word: "kept", Why: said.Why}, err
	}
	if why, err := mayRestore(ctx, in, offer, said, dry); err != nil || why != "" {
		return offer, Lapsed{Word: "failed", Why: why}, err
	}
	apply := ApplyInput{Key: in.Key, Proposal: offer.Proposal, Merge: said.Merge, Restore: true}
	if err := permitted(ctx, slow, "Apply", apply, nil); err != nil {
		return offer, end, err
	}
	var rollout Rollout
	if err := permitted(ctx, watch(10*time.Minute), "Wait", apply, &rollout); err != nil {
		return offer, end, err
	}
	if rollout.Stuck != "" {
		return offer, Lapsed{Word: "failed", Why: "restored, but: " + rollout.Stuck}, nil
	}
	return offer, Lapsed{Word: "restored", Why: "merged by " + said.By}, nil
}

// markRestore rehearses the restore and asks policy of it, and sets the checks of its pull request by that.
func markRestore(ctx workflow.Context, in Lapse, offer Offer) (dry string, err error) {
	rehearse := DryRunInput{Key: in.Key, Proposal: offer.Proposal, Step: "dry-run-restore"}
	if in.Again && workflow.GetVersion(ctx, "rehearse-again", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		rehearse.Step += "-" + short(workflow.GetInfo(ctx).WorkflowExecution.RunID)
	}
	if err := permitted(ctx, slow, "DryRun", rehearse, &dry); err != nil {
		return "", err
	}
	var d incident.Decision
	ask := GateInput{Key: in.Key, Gate: incident.GateApprove, Step: "policy-offer-restore", Phase: incident.Proposed, Proposal: offer.Proposal, DryRun: dry, At: workflow.Now(ctx)}
	if err := run(ctx, quick, "Decide", ask, &d); err != nil {
		return "", err
	}
	return dry, permitted(ctx, quick, "MarkRestore", MarkInput{Offer: offer, Decision: d}, nil)
}

// permitted runs one activity. Where we lack a permission, or the forge takes no more calls, it is tried again every few minutes for a
// day: nobody looks at a fix whose time is over, and what has run out is renewed by then.
func permitted(ctx workflow.Context, options workflow.ActivityOptions, activity string, in, out any) error {
	for since := workflow.Now(ctx); ; {
		err := run(ctx, options, activity, in, out)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || app.Type() != typeUnauthorized && app.Type() != typeLimited || workflow.Now(ctx).Sub(since) >= heldBack ||
			workflow.GetVersion(ctx, "permitted", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
			return err
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s waits for a permission, or for the forge, and is tried again every %s: %s", activity, heldBackEvery, app.Message()))
		if err := workflow.Sleep(ctx, heldBackEvery); err != nil {
			return err
		}
	}
}

// mayRestore asks policy about what somebody has merged, as the API server would store it now, and waits where a brake holds it back.
func mayRestore(ctx workflow.Context, in Lapse, offer Offer, said Restore, dry string) (why string, err error) {
	claims := workflow.GetVersion(ctx, "claim-restore", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	fresh := workflow.GetVersion(ctx, "rehearse-merged", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	for since, n := workflow.Now(ctx), 1; ; n++ {
		var holder incident.Key
		if claims { // one at a time is at work on a target, whoever wants what of it
			if err := run(ctx, quick, "ClaimRestore", ClaimInput{Lapse: in}, &holder); err != nil {
				return "", err
			}
		}
		d := incident.Decision{Allow: true, Wait: holder.Workflow() + " is at work on " + in.Target}
		ask := GateInput{Holder: in.Key.Restoring(), Key: in.Key, Gate: incident.GateApply, Step: "policy-restore", Phase: incident.Applying, Proposal: offer.Proposal, DryRun: dry,
			Approvals: []string{said.By}, At: workflow.Now(ctx)}
		if holder.Incident == "" {
			if fresh { // what was live when it was offered may be a month old
				step := fmt.Sprintf("dry-run-merged-%s-%d", short(workflow.GetInfo(ctx).WorkflowExecution.RunID), n)
				if err := permitted(ctx, slow, "DryRun", DryRunInput{Key: in.Key, Proposal: offer.Proposal, Step: step}, &dry); err != nil {
					return "", err
				}
				ask.DryRun = dry
			}
			d = incident.Decision{}
			if err := run(ctx, quick, "Decide", ask, &d); err != nil {
				return "", err
			}
		}
		switch {
		case !d.Allow:
			return fmt.Sprintf("merged by %s, but policy refuses to apply it: %v", said.By, d.Reasons), nil
		case d.Wait == "":
			return "", nil
		case workflow.Now(ctx).Sub(since) >= heldBack:
			return fmt.Sprintf("merged by %s, but not applied within %s: %s", said.By, heldBack, d.Wait), nil
		}
		if claims && holder.Incident == "" { // others may plan meanwhile
			if err := run(ctx, quick, "ClaimRestore", ClaimInput{Lapse: in, Release: true}, nil); err != nil {
				return "", err
			}
		}
		if err := workflow.Sleep(ctx, heldBackEvery); err != nil {
			return "", err
		}
	}
}
