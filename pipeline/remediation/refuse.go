package remediation

import (
	"context"
	"log/slog"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Refusal is a click in the chat that does not count.
type Refusal struct {
	Click incident.Action
	Why   string // in sentences
}

// Refused tells people in the chat why their clicks do not count, once for each click. Nothing waits for that, and nothing fails
// by it: what it cannot do is logged.
type Refused struct {
	book    Book
	say     func(number int, why string) string
	whisper func(ctx context.Context, login, text string) error
	list    chan refused
}

type refused struct {
	key incident.Key
	Refusal
}

// mostRefused wait to be told at once: as many people do not click in a minute.
const mostRefused = 100

// NewRefused needs its Run. say words a refusal for the chat, whisper shows it to one person alone.
func NewRefused(b Book, say func(number int, why string) string, whisper func(ctx context.Context, login, text string) error) *Refused {
	return &Refused{book: b, say: say, whisper: whisper, list: make(chan refused, mostRefused)}
}

// Tell returns at once. Nil tells nobody.
func (r *Refused) Tell(ctx context.Context, key incident.Key, list ...Refusal) {
	if r == nil {
		return
	}
	for _, one := range list {
		select {
		case r.list <- refused{key, one}:
		default: // the next judgement brings it again
			slog.WarnContext(ctx, "a person whose click does not count was not told: too many are", "workflow", key.Workflow(), "actor", one.Click.Actor, "why", one.Why)
		}
	}
}

// Run tells them, one after another, until ctx ends.
func (r *Refused) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-r.list:
			if err := r.tell(ctx, one); err != nil {
				slog.WarnContext(ctx, "a person whose click does not count was not told", "workflow", one.key.Workflow(), "actor", one.Click.Actor, "why", one.Why, "error", err)
			}
		}
	}
}

// tell keeps the refusal in the ledger, where it is told that a judgement repeats it: a person is not told twice, at the price that
// a crash in between leaves one untold.
func (r *Refused) tell(ctx context.Context, one refused) error {
	ctx, cancel := context.WithTimeout(ctx, chatPatience)
	defer cancel()
	e, err := entry(one.key, incident.ApprovalPending, "refused-"+one.Click.Delivery, incident.Event, one.Click.Actor,
		map[string]any{"kind": one.Click.Kind, "number": one.Click.Number, "head": one.Click.HeadSHA, "why": one.Why})
	if err != nil {
		return err
	}
	if fresh, err := r.book.Append(ctx, e); err != nil || !fresh {
		return err
	}
	return r.whisper(ctx, one.Click.Actor, r.say(one.Click.Number, one.Why))
}

// late is why a click can change nothing any more; "" where it may. What Temporal does not say, it does not know.
func (s *Starter) late(ctx context.Context, key incident.Key) string {
	d, err := s.Temporal.DescribeWorkflowExecution(ctx, key.Workflow(), "")
	if err != nil {
		return ""
	}
	switch phase := incident.Phase(keyword(d.GetWorkflowExecutionInfo(), phaseAttribute.GetName())); phase {
	case incident.Merging, incident.Applying, incident.Verifying, incident.RollingBack:
		return "It is decided already: the phase is " + string(phase) + "."
	case "", incident.Planning, incident.PolicyCheck, incident.DryRunning, incident.Proposed, incident.ApprovalPending:
		return ""
	default:
		return hasEnded(phase)
	}
}

// hasEnded says so of a remediation; "" is an ending that nobody remembers.
func hasEnded(phase incident.Phase) string {
	switch phase {
	case "":
		return "It has ended."
	case incident.Succeeded:
		return "It has ended: the phase is " + string(phase) + "."
	}
	return "It has ended: the phase is " + string(phase) + ". The comment /cortexops retry on the pull request proposes it anew."
}
