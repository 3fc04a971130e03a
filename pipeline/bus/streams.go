package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Limits in bytes of each stream's file storage; 0 takes the default.
type Limits struct{ Signals, Actions, Incidents int64 }

const (
	mib           = 1 << 20
	dedupeWindow  = 2 * time.Minute
	clickWindow   = 15 * time.Minute    // longer than a signed click can be sent again
	signalsKept   = time.Hour           // at least the correlation horizon
	humansKept    = 30 * 24 * time.Hour // actions and incidents: far longer than any remediation lasts
	revisionsKept = 8                   // of one incident: each holds all that the one before held
)

// Names of the streams, without the prefix; also the value of the metrics' label `stream`.
const (
	signals   = "SIGNALS"
	actions   = "ACTIONS"
	incidents = "INCIDENTS"
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// streams are all that this program keeps in JetStream. SIGNALS drops its oldest when full, and the reader counts what
// it never saw. ACTIONS and INCIDENTS refuse a publish instead, so that a storm cannot evict an approval.
func streams(prefix string, l Limits) []jetstream.StreamConfig {
	one := func(name, subjects string, bytes int64) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: prefix + "-" + name, Subjects: []string{prefix + "." + subjects},
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, MaxBytes: bytes, Duplicates: dedupeWindow,
		}
	}
	s := one(signals, "signals.*", orDefault(l.Signals, 256*mib))
	s.Discard, s.MaxAge = jetstream.DiscardOld, signalsKept
	a := one(actions, "actions", orDefault(l.Actions, 64*mib))
	a.Duplicates = clickWindow
	a.Discard, a.MaxAge = jetstream.DiscardNew, humansKept
	i := one(incidents, "incidents.*", orDefault(l.Incidents, 256*mib))
	i.Discard, i.MaxAge, i.MaxMsgsPerSubject = jetstream.DiscardNew, humansKept, revisionsKept
	return []jetstream.StreamConfig{s, a, i}
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

// StorageError says that the server cannot hold the streams at their limits.
type StorageError struct {
	Need  int64 // bytes, all three streams together
	Limit int64 // bytes that the server allows, 0 where it does not say
	Err   error
}

func (e *StorageError) Error() string {
	limit := "has less left"
	if e.Limit > 0 {
		limit = fmt.Sprintf("allows %d MiB", e.Limit/mib)
	}
	return fmt.Sprintf("the streams together may take %d MiB of JetStream's file storage, but the server %s: "+
		"raise its jetstream max_file_store (or the account's limit), or lower the limits of the streams", e.Need/mib, limit)
}

func (e *StorageError) Unwrap() error { return e.Err }

// storageExceeded is the server's error code for reservations beyond its own limit.
const storageExceeded jetstream.ErrorCode = 10047

// declare creates or updates the streams and their readers: a reader that is there before the first message misses none
// uncounted. It refuses limits whose sum the server could not keep: past the server's own limit even a stream that drops
// its oldest would refuse a publish.
func (b *Bus) declare(ctx context.Context, l Limits) error {
	all := streams(b.prefix, l)
	var need int64
	for _, s := range all {
		need += s.MaxBytes
	}
	account, err := b.js.AccountInfo(ctx)
	if err != nil {
		return fmt.Errorf("ask for JetStream's limits (is it enabled on the server, with -js?): %w", err)
	}
	if limit := account.Limits.MaxStore; limit > 0 && need >= limit {
		return &StorageError{Need: need, Limit: limit}
	}
	for _, s := range all {
		if _, err := b.js.CreateOrUpdateStream(ctx, s); err != nil {
			var api jetstream.JetStreamError
			if errors.As(err, &api) && api.APIError() != nil && api.APIError().ErrorCode == storageExceeded {
				return &StorageError{Need: need, Err: err}
			}
			return fmt.Errorf("declare stream %s: %w", s.Name, err)
		}
	}
	for _, r := range readers {
		if _, err := b.consumer(ctx, r); err != nil {
			return fmt.Errorf("declare the reader of stream %s: %w", r.stream, err)
		}
	}
	return nil
}
