package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// Teller tells a story step by step, with the time since it began.
type Teller struct {
	Out   io.Writer
	Auto  bool // approve as sam through the API; else a person does
	began time.Time
}

func (t *Teller) title(format string, args ...any) {
	t.began = time.Now()
	fmt.Fprintf(t.Out, "\n── %s\n", fmt.Sprintf(format, args...))
}

func (t *Teller) say(format string, args ...any) {
	if t.began.IsZero() { // before any title
		t.began = time.Now()
	}
	fmt.Fprintf(t.Out, "%6.1fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// Remediation is what a story left behind.
type Remediation struct {
	Pull     Pull
	Workflow string
	Outcome  Outcome
}

// OutOfMemory is the first story: a limit below the working set is merged by a person; CortexOps raises it.
func OutOfMemory(ctx context.Context, w *World, t *Teller) (Remediation, error) {
	t.title("Story 1: a memory limit below the working set")
	before, err := w.Pulls(ctx)
	if err != nil {
		return Remediation{}, err
	}
	sha, err := seed.LowerMemory(ctx, w.Stack)
	if err != nil {
		return Remediation{}, err
	}
	t.say("dana merges %.7s: checkout's limit goes down to 256Mi, its working set is 300Mi", sha)
	if err := wait(ctx, "the team's deployer to apply it", 30*time.Second, func(ctx context.Context) (bool, error) {
		m, err := w.Memory(ctx, "checkout")
		return m == "256Mi", err
	}); err != nil {
		return Remediation{}, err
	}
	t.say("the team's deployer applied it")
	if err := w.fires(ctx, t, "ContainerOOMKilled"); err != nil {
		return Remediation{}, err
	}
	r, err := w.remedied(ctx, t, len(before), w.approved)
	if err != nil {
		return r, err
	}
	m, err := w.Memory(ctx, "checkout")
	if err != nil {
		return r, err
	}
	t.say("live memory limit of checkout: %s", m)
	if r.Outcome, err = w.ended(ctx, t, r.Workflow); err != nil {
		return r, err
	}
	if r.Outcome.Phase != "SUCCEEDED" || m != "512Mi" {
		return r, fmt.Errorf("the story should have ended SUCCEEDED with 512Mi; it ended %s with %s: %s", r.Outcome.Phase, m, r.Outcome.Reason)
	}
	if err := wait(ctx, "the alert to resolve", 30*time.Second, func(ctx context.Context) (bool, error) {
		firing, err := w.Firing(ctx, "ContainerOOMKilled")
		return !firing, err
	}); err != nil {
		return r, err
	}
	t.say("ContainerOOMKilled no longer fires: stable")
	return r, nil
}

// NoHelp is the second story: the playbook is wrong on purpose, so its change is reverted and a person is called.
func NoHelp(ctx context.Context, w *World, t *Teller) (Remediation, error) {
	t.title("Story 2: a fix that does not help (the playbook is wrong on purpose)")
	before, err := w.Pulls(ctx)
	if err != nil {
		return Remediation{}, err
	}
	replicas, err := w.Replicas(ctx, "cart")
	if err != nil {
		return Remediation{}, err
	}
	sha, err := seed.ShipFaultyCart(ctx, w.Stack)
	if err != nil {
		return Remediation{}, err
	}
	t.say("dana merges %.7s: cart 1.9.0, which answers one request in three with an error", sha)
	if err := w.fires(ctx, t, "HttpErrorRatioHigh"); err != nil {
		return Remediation{}, err
	}
	r, err := w.remedied(ctx, t, len(before), w.approved)
	if err != nil {
		return r, err
	}
	n, err := w.Replicas(ctx, "cart")
	if err != nil {
		return r, err
	}
	t.say("live replicas of cart: %d; watching the error ratio", n)
	if r.Outcome, err = w.ended(ctx, t, r.Workflow); err != nil {
		return r, err
	}
	after, err := w.Pulls(ctx)
	if err != nil {
		return r, err
	}
	n, err = w.Replicas(ctx, "cart")
	if err != nil {
		return r, err
	}
	if r.Outcome.Phase != "ROLLED_BACK" || n != replicas || len(after) != len(before)+2 {
		return r, fmt.Errorf("the story should have ended ROLLED_BACK with %d replicas and a revert; it ended %s with %d and %d new pull requests: %s",
			replicas, r.Outcome.Phase, n, len(after)-len(before), r.Outcome.Reason)
	}
	revert := after[len(after)-1]
	if revert.MergedAt == nil {
		return r, fmt.Errorf("the revert, pull request %d, is not merged", revert.Number)
	}
	t.say("revert merged: #%d %s", revert.Number, revert.URL)
	t.say("live replicas of cart: %d again; the incident stays open and is escalated to a person", n)
	return r, nil
}

// fires waits for the alert.
func (w *World) fires(ctx context.Context, t *Teller, alert string) error {
	if err := wait(ctx, "Prometheus to fire "+alert, time.Minute, func(ctx context.Context) (bool, error) { return w.Firing(ctx, alert) }); err != nil {
		return err
	}
	t.say("Prometheus fires %s", alert)
	return nil
}

// approval returns when people have approved the pull request.
type approval = func(context.Context, *Teller, Pull) error

// remedied follows a new pull request to its merge and its apply; known is how many there were before.
func (w *World) remedied(ctx context.Context, t *Teller, known int, approved approval) (Remediation, error) {
	var r Remediation
	if err := wait(ctx, "CortexOps to open a pull request", 90*time.Second, func(ctx context.Context) (bool, error) {
		pulls, err := w.Pulls(ctx)
		if err != nil || len(pulls) <= known {
			return false, err
		}
		r.Pull = pulls[known]
		return true, nil
	}); err != nil {
		return r, err
	}
	r.Workflow = workflowOf(r.Pull.Head.Ref)
	t.say("pull request #%d: %s", r.Pull.Number, r.Pull.Title)
	t.say("  read it: %s", r.Pull.URL)
	t.say("  watch it: %s/namespaces/%s/workflows", w.Stack.Temporal.UI, w.Stack.Temporal.Namespace)
	if err := approved(ctx, t, r.Pull); err != nil {
		return r, err
	}
	if err := wait(ctx, "the merge", time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := w.Pulls(ctx)
		if err != nil {
			return false, err
		}
		r.Pull = pulls[known]
		if r.Pull.State == "closed" && r.Pull.MergedAt == nil {
			return false, over{fmt.Errorf("pull request %d was closed without a merge, which rejects it: that is the end of this story; run it again", r.Pull.Number)}
		}
		return r.Pull.MergedAt != nil, nil
	}); err != nil {
		return r, err
	}
	t.say("merged as %.7s", r.Pull.MergeSHA)
	return r, wait(ctx, "the apply and its rollout", 2*time.Minute, func(ctx context.Context) (bool, error) {
		phase, err := w.Phase(ctx, r.Workflow)
		return phase != "MERGING" && phase != "APPLYING" && phase != "APPROVAL_PENDING", err
	})
}

func (w *World) approved(ctx context.Context, t *Teller, p Pull) error {
	if t.Auto {
		if err := wait(ctx, "the product to wait for approval", 30*time.Second, func(ctx context.Context) (bool, error) {
			phase, err := w.Phase(ctx, workflowOf(p.Head.Ref))
			return phase == "APPROVAL_PENDING", err
		}); err != nil {
			return err
		}
		if err := w.Approve(ctx, "sam", p.Number); err != nil {
			return err
		}
		t.say("sam approves")
		return nil
	}
	t.say("» your turn: open the pull request and press Approve (15 minutes, then it closes itself)")
	return wait(ctx, "your approval", 15*time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := w.Pulls(ctx)
		if err != nil {
			return false, err
		}
		for _, now := range pulls {
			if now.Number == p.Number && now.State == "closed" {
				return true, nil
			}
		}
		reviews, err := w.Reviews(ctx, p.Number)
		for _, r := range reviews {
			if r.State == "APPROVED" {
				t.say("%s approves", r.User.Login)
				return true, err
			}
		}
		return false, err
	})
}

func (w *World) ended(ctx context.Context, t *Teller, workflowID string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	out, err := w.Outcome(ctx, workflowID)
	if err != nil {
		return out, fmt.Errorf("wait for %s: %w", workflowID, err)
	}
	t.say("%s  %s", out.Phase, out.Reason)
	return out, nil
}

// workflowOf follows the documented naming: branch cortexops/INCIDENT-ATTEMPT, workflow remediation/INCIDENT/ATTEMPT.
func workflowOf(branch string) string {
	name := strings.TrimPrefix(branch, "cortexops/")
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "remediation/" + name
	}
	return "remediation/" + name[:i] + "/" + name[i+1:]
}
