package remediation

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

var approvals = promauto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_approvals_total",
	Help: "How changes were judged: approved, merged, rejected, voided, expired."}, []string{"state"})

func init() { // a rate needs a zero before the first one
	for _, state := range []string{"approved", "merged", "rejected", "voided", "expired"} {
		approvals.WithLabelValues(state)
	}
	for _, result := range []string{incident.Pass, incident.Fail, incident.NoData} {
		verdicts.WithLabelValues(result)
	}
}

// Judging is the pure rule of who has approved what.
type Judging func(in JudgeInput, pull forge.Pull, reviews []forge.Review) Judgement

// Approver is the activity of APPROVAL_PENDING.
type Approver struct {
	Book  Book
	Forge interface {
		Reviewed
		Close(ctx context.Context, number int) error
	}
	Rule    Judging
	Refused *Refused // nil: whose click does not count is not told
}

// Reviewed is a pull request as people left it.
type Reviewed interface {
	Get(ctx context.Context, number int) (forge.Pull, error)
	Reviews(ctx context.Context, number int) ([]forge.Review, error)
	MayWrite(ctx context.Context, user string) (bool, error)
	Comments(ctx context.Context, number int, since time.Time, wanted func(body string) bool) ([]forge.Said, error)
}

// JudgeInput is what Judge is asked.
type JudgeInput struct {
	Key      incident.Key    `json:"key"`
	Change   incident.Change `json:"change"`
	People   int             `json:"people"`
	Among    []string        `json:"among,omitempty"` // who alone can approve; none: everybody who may push
	Deadline time.Time       `json:"deadline"`
	Now      time.Time       `json:"now"`

	Clicks []incident.Action `json:"clicks,omitempty"` // in the chat, in the order in which they came
	Heard  int64             `json:"heard,omitempty"`  // the comment up to which what is asked was answered
}

// Judgement is how the change stands.
type Judgement struct {
	State string   `json:"state"` // pending | approved | merged | rejected | voided | expired
	By    []string `json:"by,omitempty"`
	Merge string   `json:"merge,omitempty"` // SHA, where a person merged it
	Why   string   `json:"why"`
	Shut  bool     `json:"shut,omitempty"` // rejected by a word: the pull request is ours to close
	Asks  *Word    `json:"asks,omitempty"` // the next that is asked of us

	Refused []Refusal `json:"-"` // what people are told is in no history
}

// read reads the forge and applies the rule.
func (rule Judging) read(ctx context.Context, f Reviewed, in JudgeInput) (Judgement, error) {
	pull, err := f.Get(ctx, in.Change.Number)
	if err != nil {
		return Judgement{}, classify(err)
	}
	reviews, err := f.Reviews(ctx, in.Change.Number)
	if err != nil {
		return Judgement{}, classify(err)
	}
	may := map[string]bool{}
	in.Clicks = slices.Clone(in.Clicks)
	for _, c := range in.Clicks {
		if _, asked := may[c.Actor]; !asked {
			if may[c.Actor], err = f.MayWrite(ctx, c.Actor); err != nil {
				return Judgement{}, classify(err)
			}
		}
	}
	var strangers []Refusal
	in.Clicks = slices.DeleteFunc(in.Clicks, func(c incident.Action) bool {
		if !may[c.Actor] {
			strangers = append(strangers, Refusal{c, c.Actor + ", your login on the forge, may not push to " + in.Change.Repository + "."})
		}
		return !may[c.Actor]
	})
	said, err := f.Comments(ctx, in.Change.Number, in.Change.OpenedAt, commanding)
	if err != nil {
		return Judgement{}, classify(err)
	}
	verdicts, asks := commands(in.Change, said)
	in.Clicks = append(in.Clicks, verdicts...)
	seen := rule(in, pull, reviews)
	seen.Asks, seen.Refused = next(asks, in.Heard), append(seen.Refused, strangers...)
	return seen, nil
}

// Judge tells how the change stands; what is more than waiting goes into the ledger. Whose click does not count is told why.
func (a *Approver) Judge(ctx context.Context, in JudgeInput) (Judgement, error) {
	seen, err := a.Rule.read(ctx, a.Forge, in)
	if err == nil {
		a.Refused.Tell(ctx, in.Key, seen.Refused...)
	}
	if err != nil || seen.State == "pending" {
		return seen, err
	}
	who := actor
	if len(seen.By) > 0 {
		who = seen.By[0]
	}
	step := "approval-" + seen.State
	if !in.Change.RevisedAt.IsZero() { // what was approved before was another commit
		step += "-" + short(in.Change.HeadSHA)
	}
	return seen, once(ctx, a.Book, in.Key, incident.ApprovalPending, step, who, seen, approvals.WithLabelValues(seen.State))
}

// WithdrawInput is what Withdraw is told.
type WithdrawInput struct {
	Key    incident.Key    `json:"key"`
	Change incident.Change `json:"change"`
	Why    string          `json:"why"`
}

// Withdraw closes a pull request that nobody needs any more.
func (a *Approver) Withdraw(ctx context.Context, in WithdrawInput) error {
	return write(ctx, a.Book, in.Key, incident.ApprovalPending, "withdraw", func() (any, error) {
		return map[string]any{"number": in.Change.Number, "why": in.Why}, a.Forge.Close(ctx, in.Change.Number)
	})
}

// Expire closes the pull request.
func (a *Approver) Expire(ctx context.Context, in JudgeInput) error {
	return write(ctx, a.Book, in.Key, incident.ApprovalPending, "expire", func() (any, error) {
		return map[string]int{"number": in.Change.Number}, a.Forge.Close(ctx, in.Change.Number)
	})
}
