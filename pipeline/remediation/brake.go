package remediation

import (
	"context"
	"log/slog"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Claims see to it that one remediation at a time works on a target, across incidents.
type Claims interface {
	// Take returns who holds the target: key itself, now or since an earlier try, or whoever came first.
	Take(ctx context.Context, target string, key incident.Key, at time.Time) (holder incident.Key, err error)
	Release(ctx context.Context, target string, key incident.Key) error
}

// Brakes hold back what policy allows.
type Brakes interface {
	// Act lets key act on root until its claim is released, or says why it must wait.
	Act(ctx context.Context, root incident.Resource, key incident.Key, at time.Time) (wait string, err error)
}

const (
	// tries of a playbook on a target within cooldown that may fail.
	tries    = 2
	cooldown = 24 * time.Hour
)

// BrakeInput is what Brake is told.
type BrakeInput struct {
	Key    incident.Key    `json:"key"`
	Phase  incident.Phase  `json:"phase"`
	Change incident.Change `json:"change"`
	Why    string          `json:"why,omitempty"` // empty: it goes on
}

// Brake says on the pull request why an approved change waits, and when it goes on. That the forge cannot be told is logged only.
func (a *Asker) Brake(ctx context.Context, in BrakeInput) error {
	slog.InfoContext(ctx, "a brake", "workflow", in.Key.Workflow(), "phase", in.Phase, "why", in.Why)
	if err := a.Forge.Comment(ctx, in.Change.Number, "brake", a.Writer.Braked(in.Phase, in.Why)); err != nil {
		slog.WarnContext(ctx, "the pull request was not told of a brake", "number", in.Change.Number, "error", err)
	}
	return nil
}

// AmendInput is what Amend is told.
type AmendInput struct {
	Key       incident.Key    `json:"key"`
	Change    incident.Change `json:"change"`
	Incidents []string        `json:"incidents"` // digests, the remediation's own among them where it changed
}

// Amend writes what became known since the pull request was opened into one comment on it.
func (a *Asker) Amend(ctx context.Context, in AmendInput) error {
	var list []incident.Incident
	for _, digest := range in.Incidents {
		inc, err := get[incident.Incident](ctx, a.Book, digest)
		if err != nil {
			return err
		}
		list = append(list, inc)
	}
	return classify(a.Forge.Comment(ctx, in.Change.Number, "evidence", a.Writer.Evidence(in.Key, list)))
}
