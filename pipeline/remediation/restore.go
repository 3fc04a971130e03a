package remediation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Later has people asked after a while what becomes of a fix. Started again, it is the same one.
func Later(t client.Client, queues Queues) func(context.Context, Lapse, time.Duration) error {
	return func(ctx context.Context, in Lapse, after time.Duration) error {
		_, err := t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: in.Key.Expiry(), TaskQueue: queues.about(in.Target), StartDelay: after,
			WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			StaticSummary:            fmt.Sprintf("the fix of %s is for %s", in.Target, after)}, ExpiryName, in)
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return nil
		}
		return err
	}
}

// stepLapsed is the step of the row that says what became of a fix that was made for a time.
const stepLapsed = "ttl-over"

// Restorer are the activities of a fix whose time is over.
type Restorer struct {
	Book Book
	Repo interface {
		Mirror
		Pusher
		History
	}
	Forge interface {
		Pulls
		Labels
		Statuses
		Comments
		Get(ctx context.Context, number int) (forge.Pull, error)
		Close(ctx context.Context, number int) error
	}
	Chat       Chat
	Claims     Claims
	Entries    func(ctx context.Context, id string) ([]incident.Entry, error) // of an incident, in order
	Writer     Restoring
	Repository Repository
	Render     Rendering
	// Usage is how the checks' queries stood since then, at their peaks. It never fails.
	Usage func(ctx context.Context, checks []incident.Check, since, until time.Time) []incident.Course
	Every time.Duration // that the forge is asked
}

// Restoring are the words of Restorer.
type Restoring interface {
	Restore(p incident.Proposal, c incident.Change, usage []incident.Course) (commit, title, body string)
	Lapsed(word, why string) string
	SlackLapsed(key incident.Key, target string, c incident.Change, why string) (text string, blocks []byte)
}

// OfferInput is what OfferRestore is asked.
type OfferInput struct {
	Lapse
	Date time.Time `json:"date"` // of the commit
}

// Offer is a pull request that restores what was there before.
type Offer struct {
	Change   incident.Change `json:"change"`
	Proposal string          `json:"proposal"`      // digest of what merging it would apply
	Why      string          `json:"why,omitempty"` // there is nothing to offer
}

// OfferRestore opens the pull request, where every file is still as the fix has left it.
func (r *Restorer) OfferRestore(ctx context.Context, in OfferInput) (Offer, error) {
	defer beat(ctx)()
	if in.Again {
		return r.offered(ctx, in.Key)
	}
	proposal, err := get[incident.Proposal](ctx, r.Book, in.Proposal)
	if err != nil {
		return Offer{}, err
	}
	if err := r.Repo.Fetch(ctx); err != nil {
		return Offer{}, classify(err)
	}
	head, err := r.Repo.Head(r.Repository.Base)
	if err != nil {
		return Offer{}, classify(err)
	}
	if there, err := r.Repo.Head(in.Key.RestoreBranch()); err == nil { // of an earlier try
		if parents, err := r.Repo.Parents(there); err == nil && len(parents) == 1 {
			head = parents[0]
		}
	}
	files, err := reverted(ctx, r.Repo, in.Change, in.Merge, head)
	var changed *repo.NotClean
	if errors.As(err, &changed) {
		return Offer{Why: fmt.Sprintf("what it had changed was changed since: %v", err)}, nil
	}
	if err != nil {
		return Offer{}, classify(err)
	}
	back, err := r.back(ctx, proposal, head, files)
	if err != nil {
		return Offer{}, err
	}
	digest, err := put(ctx, r.Book, back)
	if err != nil {
		return Offer{}, err
	}
	commit, title, body := r.Writer.Restore(proposal, in.Change, r.Usage(ctx, proposal.Playbook.Checks, in.Change.OpenedAt, time.Now()))
	sha, err := r.Repo.Commit(ctx, repo.CommitSpec{Parent: head, Files: files, Message: commit, Author: r.Repository.Author, When: in.Date})
	if err != nil {
		return Offer{}, classify(err)
	}
	branch := in.Key.RestoreBranch()
	err = write(ctx, r.Book, in.Key, incident.Succeeded, "push-restore", func() (any, error) {
		return map[string]string{"branch": branch, "sha": sha, "proposal": digest}, r.Repo.Push(ctx, branch, "", sha)
	})
	if err != nil {
		return Offer{}, err
	}
	pull, err := open(ctx, r.Book, r.Forge, in.Key, incident.Succeeded, "open-restore", forge.NewPull{Head: branch, Base: r.Repository.Base, Title: title, Body: body})
	if err != nil {
		return Offer{}, err
	}
	return Offer{Proposal: digest, Change: incident.Change{Repository: r.Repository.Name, Branch: branch, Base: r.Repository.Base, HeadSHA: sha, Number: pull.Number, URL: pull.URL,
		OpenedAt: pull.CreatedAt}}, classify(r.Forge.Label(ctx, pull.Number, "cortexops", "cortexops/expired"))
}

// MarkInput is what MarkRestore is told.
type MarkInput struct {
	Offer    Offer             `json:"offer"`
	Decision incident.Decision `json:"decision"` // of policy, on the restore
}

// MarkRestore sets the checks, which a forge may require before it lets anybody merge.
func (r *Restorer) MarkRestore(ctx context.Context, in MarkInput) error {
	c, policy := in.Offer.Change, [3]string{checkPolicy, "success", "allowed at revision " + short(in.Decision.Revision)}
	if !in.Decision.Allow {
		policy = [3]string{checkPolicy, "failure", strings.Join(in.Decision.Reasons, " ")}
	}
	for _, s := range [][3]string{{checkDryRun, "success", "the API server would store it"}, policy, {checkApproval, "success", "who merges this approves it"}} {
		if err := r.Forge.Status(ctx, c.HeadSHA, s[0], s[1], s[2], c.URL); err != nil {
			return classify(err)
		}
	}
	return nil
}

// back is the proposal of the way back, as the base renders it now.
func (r *Restorer) back(ctx context.Context, p incident.Proposal, head string, files map[string][]byte) (incident.Proposal, error) {
	now, err := r.Repo.Snapshot(head)
	if err != nil {
		return p, err
	}
	out := p
	out.BaseSHA, out.Edits, out.Files, out.Before, out.Objects = head, nil, nil, nil, nil
	for _, e := range p.Edits {
		e.From, e.To = e.To, e.From
		out.Edits = append(out.Edits, e)
	}
	for _, f := range p.Files {
		out.Files = append(out.Files, incident.File{Path: f.Path, Before: f.After, After: files[f.Path]})
	}
	if out.Before, err = r.rendered(ctx, now, p); err != nil {
		return p, err
	}
	out.Objects, err = r.rendered(ctx, locate.With(now, files), p)
	return out, err
}

// rendered are the proposal's objects as the files render them.
func (r *Restorer) rendered(ctx context.Context, files locate.Files, p incident.Proposal) (out []incident.RenderedObject, err error) {
	for _, o := range p.Objects {
		overlay, want := cmp.Or(o.Overlay, p.Overlay), o.Resource
		list, err := r.Render(ctx, files, overlay)
		if err != nil {
			return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("render %s: %v", overlay, err), "Invalid", nil)
		}
		found := false
		for _, l := range list {
			if l.Group != want.Group || l.Kind != want.Kind || l.Namespace != want.Namespace || l.Name != want.Name {
				continue
			}
			now := incident.Rendered(want, l.JSON)
			now.Overlay, found = o.Overlay, true
			out = append(out, now)
		}
		if !found {
			return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is not rendered by %s any more", want, overlay), "Invalid", nil)
		}
	}
	return out, nil
}

// AwaitInput is what AwaitRestore is asked.
type AwaitInput struct {
	Lapse
	Offer Offer     `json:"offer"`
	Until time.Time `json:"until"`
}

// Restore is what people made of the offer.
type Restore struct {
	Merge string `json:"merge,omitempty"` // SHA; empty: the fix is kept
	By    string `json:"by,omitempty"`
	Why   string `json:"why,omitempty"` // it is kept
}

// AwaitRestore asks the forge until somebody has closed or merged the pull request. After a restart it asks anew.
func (r *Restorer) AwaitRestore(ctx context.Context, in AwaitInput) (Restore, error) {
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for {
		p, err := r.Forge.Get(ctx, in.Offer.Change.Number)
		last := time.Now().After(in.Until)
		over := err == nil && last && p.State != "closed"
		if over {
			if err = r.Forge.Close(ctx, in.Offer.Change.Number); err == nil {
				p, err = r.Forge.Get(ctx, in.Offer.Change.Number) // somebody may have merged it meanwhile
			}
		}
		switch {
		case err != nil && last:
			return Restore{}, classify(err)
		case err != nil: // a month is long, in which tokens are renewed
			slog.WarnContext(ctx, "the forge does not say what becomes of a restore, asking again", "workflow", in.Key.Expiry(), "number", in.Offer.Change.Number, "error", err)
		case p.Merged && p.HeadSHA != in.Offer.Change.HeadSHA:
			return Restore{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s merged another commit than we had offered: %s", p.MergedBy, short(p.HeadSHA)), typeMoved, nil)
		case p.Merged:
			return settle(ctx, r.Book, in.Key, incident.Succeeded, "restore-merged", p.MergedBy, Restore{Merge: p.MergeSHA, By: p.MergedBy}, nil)
		case over:
			return Restore{Why: "nobody said anything until " + in.Until.UTC().Format(time.DateOnly)}, nil
		case p.State == "closed":
			return Restore{Why: "closed by " + cmp.Or(p.ClosedBy, "somebody")}, nil
		}
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return Restore{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// ClaimInput is what ClaimRestore is told.
type ClaimInput struct {
	Lapse
	Release bool `json:"release,omitempty"`
}

// ClaimRestore takes the target, or gives it back. It returns who else is at work on it; nobody: the zero key.
func (r *Restorer) ClaimRestore(ctx context.Context, in ClaimInput) (holder incident.Key, err error) {
	us := in.Key.Restoring()
	if in.Release {
		return incident.Key{}, r.Claims.Release(ctx, in.Target, us)
	}
	if holder, err = r.Claims.Take(ctx, in.Target, us, time.Now()); holder == us {
		return incident.Key{}, err
	}
	return holder, err
}

// EndRestoreInput is what EndRestore is told.
type EndRestoreInput struct {
	Lapse
	Offer Offer  `json:"offer"`
	End   Lapsed `json:"end"`
}

// EndRestore writes down what became of the fix, on the pull request where there is one. What has failed is told in the chat.
func (r *Restorer) EndRestore(ctx context.Context, in EndRestoreInput) error {
	defer beat(ctx)()
	step := stepLapsed
	if in.Again { // each time is another row
		step += "-" + short(activity.GetInfo(ctx).WorkflowExecution.RunID)
	}
	if err := r.Claims.Release(ctx, in.Target, in.Key.Restoring()); err != nil { // nobody's, another's, or the keeper gives it back
		slog.InfoContext(ctx, "the claim on the target was not released", "workflow", in.Key.Expiry(), "error", err)
	}
	if err := note(ctx, r.Book, in.Key, incident.Succeeded, step, incident.Event, actor, in.End); err != nil {
		return err
	}
	if r.Chat != nil && in.End.Word == "failed" {
		text, blocks := r.Writer.SlackLapsed(in.Key, in.Target, in.Offer.Change, in.End.Why)
		tell(ctx, r.Chat, in.Key, step, text, blocks)
	}
	if in.Offer.Change.Number == 0 {
		return nil
	}
	return classify(r.Forge.Comment(ctx, in.Offer.Change.Number, "ending", r.Writer.Lapsed(in.End.Word, in.End.Why)))
}
