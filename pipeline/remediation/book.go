package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Book is the ledger as the activities write it.
type Book interface {
	Append(ctx context.Context, e incident.Entry) (fresh bool, err error)
	Entries(ctx context.Context, incident string) ([]incident.Entry, error) // in order
	PutBlob(ctx context.Context, data []byte) (digest string, err error)
	Blob(ctx context.Context, digest string) ([]byte, error)
}

// actor is who the ledger says did what no person did.
const actor = "cortexops"

func entry(key incident.Key, phase incident.Phase, step string, kind incident.EntryKind, who string, detail any) (incident.Entry, error) {
	data, err := json.Marshal(detail)
	if err != nil {
		return incident.Entry{}, fmt.Errorf("describe %s: %w", step, err)
	}
	return incident.Entry{Incident: key.Incident, Attempt: key.Attempt, Phase: phase, Step: step, Kind: kind,
		Actor: who, Detail: data, At: time.Now()}, nil
}

// once appends one row, and counts it where it is new.
func once(ctx context.Context, b Book, key incident.Key, phase incident.Phase, step, who string, detail any, count prometheus.Counter) error {
	e, err := entry(key, phase, step, incident.Event, who, detail)
	if err != nil {
		return err
	}
	fresh, err := b.Append(ctx, e)
	if fresh {
		count.Inc()
	}
	return err
}

// note appends one row.
func note(ctx context.Context, b Book, key incident.Key, phase incident.Phase, step string, kind incident.EntryKind, who string, detail any) error {
	e, err := entry(key, phase, step, kind, who, detail)
	if err != nil {
		return err
	}
	_, err = b.Append(ctx, e)
	return err
}

// settle appends a row of what was seen, and counts it where it is new. An earlier try may have seen something else and written that
// down: what the ledger says is what counts, and is returned.
func settle[T any](ctx context.Context, b Book, key incident.Key, phase incident.Phase, step, who string, seen T, count prometheus.Counter) (T, error) {
	e, err := entry(key, phase, step, incident.Event, who, seen)
	if err != nil {
		return seen, err
	}
	fresh, err := b.Append(ctx, e)
	if err != nil || fresh {
		if fresh && count != nil {
			count.Inc()
		}
		return seen, err
	}
	rows, err := b.Entries(ctx, key.Incident)
	if err != nil {
		return seen, err
	}
	for _, row := range rows {
		if row.Attempt == key.Attempt && row.Step == step && row.Kind == incident.Event {
			var was T
			err := json.Unmarshal(row.Detail, &was)
			return was, err
		}
	}
	return seen, fmt.Errorf("the ledger has a row %s of %s and does not show it", step, key.Workflow())
}

// write is the one way to the outside: an intent row, the act, a done row. act looks before it writes, so that a retry
// after a crash at any line finds what was done; what it returns is the done row's detail.
func write(ctx context.Context, b Book, key incident.Key, phase incident.Phase, step string, act func() (any, error)) error {
	if err := note(ctx, b, key, phase, step, incident.Intent, actor, struct{}{}); err != nil {
		return err
	}
	detail, err := act()
	if err != nil {
		return classify(fmt.Errorf("%s: %w", step, err))
	}
	return note(ctx, b, key, phase, step, incident.Done, actor, detail)
}

// put keeps v as JSON and returns its digest.
func put(ctx context.Context, b Book, v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return b.PutBlob(ctx, data)
}

// get is the inverse of put.
func get[T any](ctx context.Context, b Book, digest string) (v T, err error) {
	data, err := b.Blob(ctx, digest)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("blob %s: %w", digest, err)
	}
	return v, nil
}

// denied are the details of an Unauthorized.
type denied struct {
	Unknown bool   `json:"unknown"`        // we are not known at all (401); else we are, and may not (403)
	Rule    string `json:"rule,omitempty"` // that our Role lacks, in YAML
}

// classify makes an error that no retry mends non-retryable, with a type that people can search for in Temporal.
// Everything else is transient.
func classify(err error) error {
	var (
		forbidden    *delivery.Forbidden
		unauthorized *delivery.Unauthorized
		forgeDenied  *forge.Unauthorized
		gitDenied    *repo.Unauthorized
		conflict     *delivery.Conflict
		invalid      *delivery.Invalid
		mismanaged   *delivery.Mismanaged
		undelivered  *delivery.NotDelivered
		refused      *forge.Refused
		limited      *forge.Limited
		notClean     *repo.NotClean
		clash        *repo.Conflict
		moved        *repo.Moved
		notOurs      *repo.NotOurs
	)
	if err == nil {
		return nil
	}
	kind := ""
	switch {
	case errors.As(err, &unauthorized), errors.As(err, &forgeDenied) && forgeDenied.Status == http.StatusUnauthorized,
		errors.As(err, &gitDenied) && gitDenied.Unknown:
		return temporal.NewNonRetryableApplicationError(err.Error(), typeUnauthorized, nil, denied{Unknown: true})
	case errors.As(err, &forbidden):
		return temporal.NewNonRetryableApplicationError(err.Error(), typeUnauthorized, nil, denied{Rule: forbidden.Rule})
	case errors.As(err, &forgeDenied), errors.As(err, &gitDenied):
		return temporal.NewNonRetryableApplicationError(err.Error(), typeUnauthorized, nil, denied{})
	case errors.As(err, &conflict):
		kind = "Conflict"
	case errors.As(err, &invalid):
		kind = "Invalid"
	case errors.As(err, &mismanaged):
		kind = "Mismanaged"
	case errors.As(err, &undelivered):
		kind = "NotDelivered"
	case errors.As(err, &refused):
		kind = typeRefused
	case errors.As(err, &limited): // transient, and for longer than a retry knows
		return temporal.NewApplicationErrorWithOptions(err.Error(), typeLimited, temporal.ApplicationErrorOptions{NextRetryDelay: max(time.Until(limited.Until), time.Second)})
	case errors.As(err, &notClean), errors.As(err, &clash):
		kind = "NotClean"
	case errors.As(err, &moved):
		kind = typeMoved
	case errors.As(err, &notOurs):
		kind = "NotOurs"
	default:
		return err
	}
	return temporal.NewNonRetryableApplicationError(err.Error(), kind, nil)
}

// beat heartbeats until the returned function is called, so that a worker that died is noticed soon.
func beat(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return func() { close(done) }
}
