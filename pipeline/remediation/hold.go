package remediation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Asker are the activities that ask people something outside an approval.
type Asker struct {
	Book  Book
	Forge interface {
		Statuses
		Comment(ctx context.Context, number int, marker, body string) error
		Comments(ctx context.Context, number int, since time.Time, wanted func(body string) bool) ([]forge.Said, error)
	}
	Chat   Chat
	Writer Questions
	Bot    string // our own login
}

// Questions are the words of Asker.
type Questions interface {
	Held(key incident.Key, phase incident.Phase, why string) string
	SlackHeld(key incident.Key, target string, phase incident.Phase, why string) (text string, blocks []byte)
	Silence(p incident.Proposal, v incident.Verdict, deadline time.Time) string
	Braked(phase incident.Phase, why string) string
	Evidence(key incident.Key, list []incident.Incident) string
	Refused(who, why string) string
	Explained(p incident.Proposal, c incident.Change) string
}

// HoldInput is what Hold is told.
type HoldInput struct {
	Key      incident.Key    `json:"key"`
	Target   string          `json:"target"`
	Phase    incident.Phase  `json:"phase"`
	Change   incident.Change `json:"change"`
	Activity string          `json:"activity"`
	Why      string          `json:"why"`
	Rule     string          `json:"rule,omitempty"` // that our Role lacks, in YAML
	N        int             `json:"n"`              // how often this remediation was held, from 1
}

// Hold says what is missing wherever people look: the log, the ledger, the chat, and the pull request where there is one. The
// forge or the chat may be what we may not use: that it cannot be told there is logged only.
func (a *Asker) Hold(ctx context.Context, in HoldInput) error {
	slog.ErrorContext(ctx, "Unauthorized: waiting for a permission, then say: "+in.Key.Retry(), "workflow", in.Key.Workflow(),
		"phase", in.Phase, "activity", in.Activity, "why", in.Why)
	err := note(ctx, a.Book, in.Key, in.Phase, fmt.Sprintf("held-%d", in.N), incident.Event, actor, map[string]string{"activity": in.Activity, "why": in.Why})
	if err != nil {
		return err
	}
	if a.Chat != nil {
		text, blocks := a.Writer.SlackHeld(in.Key, in.Target, in.Phase, in.Why)
		tell(ctx, a.Chat, in.Key, fmt.Sprintf("held-%d", in.N), text, blocks)
	}
	if in.Change.Number == 0 {
		return nil
	}
	err = a.Forge.Comment(ctx, in.Change.Number, "held", a.Writer.Held(in.Key, in.Phase, in.Why))
	if err == nil {
		missing := cmp.Or(in.Rule, in.Why) // a check has little room, which the rule fits into
		err = a.Forge.Status(ctx, in.Change.HeadSHA, checkVerify, "failure", "waits for a permission: "+strings.Join(strings.Fields(missing), " "), in.Change.URL)
	}
	if err != nil {
		slog.WarnContext(ctx, "the pull request was not told what is missing", "number", in.Change.Number, "error", err)
	}
	return nil
}

// tell shows something in the chat. That it could not is logged only, since people are told elsewhere too.
func tell(ctx context.Context, c Chat, key incident.Key, topic, text string, blocks []byte) (message string) {
	waiting, cancel := context.WithTimeout(ctx, chatPatience)
	defer cancel()
	message, err := c.Post(waiting, key, topic, text, blocks)
	if err != nil {
		slog.WarnContext(ctx, "nobody was told in the chat", "workflow", key.Workflow(), "topic", topic, "error", err)
	}
	return message
}

// AskInput is what Ask and Answer are told.
type AskInput struct {
	Key        incident.Key     `json:"key"`
	Change     incident.Change  `json:"change"`
	Proposal   string           `json:"proposal"`
	Verdict    incident.Verdict `json:"verdict"`
	Asked      time.Time        `json:"asked"`
	Deadline   time.Time        `json:"deadline"`
	Revertible bool             `json:"revertible"`
}

// Ask puts the question on the pull request.
func (a *Asker) Ask(ctx context.Context, in AskInput) error {
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return err
	}
	return write(ctx, a.Book, in.Key, incident.Verifying, "ask", func() (any, error) {
		return map[string]int{"number": in.Change.Number}, a.Forge.Comment(ctx, in.Change.Number, "silence", a.Writer.Silence(proposal, in.Verdict, in.Deadline))
	})
}

// Said is the word of a person.
type Said struct {
	Word string `json:"word,omitempty"` // keep | revert | wait; empty: nobody said anything yet
	By   string `json:"by,omitempty"`
}

// Answer reads the first answer that somebody gave in time who may push.
func (a *Asker) Answer(ctx context.Context, in AskInput) (Said, error) {
	list, err := a.Forge.Comments(ctx, in.Change.Number, in.Asked, commanding)
	if err != nil {
		return Said{}, classify(err)
	}
	for _, c := range list {
		word := strings.Join(command(c.Body), " ")
		if !c.MayWrite || c.Edited || strings.EqualFold(c.User, a.Bot) || c.At.After(in.Deadline) || !slices.Contains([]string{"keep", "revert", "wait"}, word) ||
			word == "revert" && !in.Revertible {
			continue
		}
		return settle(ctx, a.Book, in.Key, incident.Verifying, "answer", c.User, Said{Word: word, By: c.User}, nil)
	}
	return Said{}, nil
}
