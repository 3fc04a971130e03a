package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Limits in bytes of what each stream keeps; 0 takes the default.
type Limits struct {
	Signals, Actions, Incidents, Folds, Graph int64

	Memory bool // SIGNALS is kept in the server's memory: faster, and gone when the server restarts
}

// Partitions of SIGNALS, each a stream of its own with an equal share of the limit: the one reader of a partition reads a
// whole stream, so that a gap is what was dropped, and a storm in one namespace drops nobody else's signals. All
// installations of one prefix must agree on it.
const Partitions = 8

// partition of a signal. What a workload owns is in the workload's namespace, so signals of one owner meet in one partition.
func partition(r incident.Resource) int {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	for _, s := range [...]string{r.Cluster, "/", r.Namespace} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * prime
		}
	}
	return int(h % Partitions)
}

func part(p int) string { return signals + "-" + strconv.Itoa(p) }

const (
	mib           = 1 << 20
	smallBytes    = 64 << 10 // of WORKERS and JOINED each
	dedupeWindow  = 2 * time.Minute
	clickWindow   = 15 * time.Minute    // longer than a signed click can be sent again
	signalsKept   = time.Hour           // at least the correlation horizon
	foldsKept     = 2 * signalsKept     // a new joiner reads those of a horizon before what the one before it had joined
	humansKept    = 30 * 24 * time.Hour // actions and incidents: far longer than any remediation lasts
	revisionsKept = 8                   // of one incident: each holds all that the one before held
	workersKept   = 4 * time.Second     // a worker that has said nothing for so long is gone
)

// Names of the streams, without the prefix; also the value of the metrics' label `stream`.
const (
	signals   = "SIGNALS"
	actions   = "ACTIONS"
	incidents = "INCIDENTS"
	workers   = "WORKERS"
	folds     = "FOLDS"
	reached   = "JOINED" // how far FOLDS has been joined
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
	var all []jetstream.StreamConfig
	for p := range Partitions {
		s := one(part(p), "signals."+strconv.Itoa(p)+".*", orDefault(l.Signals, 256*mib)/Partitions)
		s.Discard, s.MaxAge = jetstream.DiscardOld, signalsKept
		if l.Memory {
			s.Storage = jetstream.MemoryStorage
		}
		all = append(all, s)
	}
	a := one(actions, "actions", orDefault(l.Actions, 64*mib))
	a.Duplicates = clickWindow
	a.Discard, a.MaxAge = jetstream.DiscardNew, humansKept
	i := one(incidents, "incidents.>", orDefault(l.Incidents, 256*mib))
	i.Discard, i.MaxAge, i.MaxMsgsPerSubject, i.AllowMsgTTL = jetstream.DiscardNew, humansKept, revisionsKept, true
	f := one(folds, "folds.>", orDefault(l.Folds, 256*mib))
	f.Discard, f.MaxAge = jetstream.DiscardOld, foldsKept
	w := one(workers, "workers.*", smallBytes)
	w.Discard, w.MaxAge, w.Duplicates, w.MaxMsgsPerSubject = jetstream.DiscardOld, workersKept, workersKept, 1
	j := one(reached, "joined.*", smallBytes)
	j.Discard, j.MaxMsgsPerSubject = jetstream.DiscardOld, 1
	return append(all, f, a, i, w, j, graphStream(prefix, orDefault(l.Graph, 64*mib)))
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

// StorageError says that the server cannot hold the streams at their limits.
type StorageError struct {
	In    string // "file storage" or "memory"
	Need  int64  // bytes, all streams together
	Limit int64  // bytes that the server allows, 0 where it does not say
	Err   error
}

func (e *StorageError) Error() string {
	limit := "has less left"
	if e.Limit > 0 {
		limit = fmt.Sprintf("allows %d MiB", e.Limit/mib)
	}
	return fmt.Sprintf("the streams together may take %d MiB of JetStream's %s, but the server %s: "+
		"raise its jetstream max_file_store or max_memory_store (or the account's limit), or lower the limits of the streams", e.Need/mib, e.In, limit)
}

func (e *StorageError) Unwrap() error { return e.Err }

// exceeded are the server's error codes for reservations beyond its own limits, of storage and of memory.
var exceeded = []jetstream.ErrorCode{10047, 10028}

func kept(s jetstream.StorageType) string {
	if s == jetstream.MemoryStorage {
		return "memory"
	}
	return "file storage"
}

// FormerError says that the server still has the streams from before there were partitions.
type FormerError struct{ Stream string }

func (e *FormerError) Error() string {
	return fmt.Sprintf("stream %s is of a version that had no partitions: stop every cortexops, then `nats stream rm -f %[1]s` and "+
		"`nats stream rm -f %s`; alerts that still fire are told again", e.Stream, strings.TrimSuffix(e.Stream, signals)+incidents)
}

func (b *Bus) refuseFormer(ctx context.Context) error {
	name := b.prefix + "-" + signals
	_, err := b.js.Stream(ctx, name)
	if err == nil {
		return &FormerError{Stream: name}
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("look for a former stream %s: %w", name, err)
	}
	return nil
}

// declare creates or updates the streams and their readers: a reader that is there before the first message misses none
// uncounted. It refuses limits whose sum the server could not keep: past the server's own limit even a stream that drops
// its oldest would refuse a publish.
func (b *Bus) declare(ctx context.Context) error {
	all := streams(b.prefix, b.limits)
	need := map[jetstream.StorageType]int64{}
	for _, s := range all {
		need[s.Storage] += s.MaxBytes
	}
	if err := b.refuseFormer(ctx); err != nil {
		return err
	}
	account, err := b.js.AccountInfo(ctx)
	if err != nil {
		return fmt.Errorf("ask for JetStream's limits (is it enabled on the server, with -js?): %w", err)
	}
	for in, limit := range map[jetstream.StorageType]int64{jetstream.FileStorage: account.Limits.MaxStore, jetstream.MemoryStorage: account.Limits.MaxMemory} {
		if limit > 0 && need[in] >= limit {
			return &StorageError{In: kept(in), Need: need[in], Limit: limit}
		}
	}
	for _, s := range all {
		if _, err := b.js.CreateOrUpdateStream(ctx, s); err != nil {
			var api jetstream.JetStreamError
			if errors.As(err, &api) && api.APIError() != nil && slices.Contains(exceeded, api.APIError().ErrorCode) {
				return &StorageError{In: kept(s.Storage), Need: need[s.Storage], Err: err}
			}
			return fmt.Errorf("declare stream %s: %w", s.Name, err)
		}
	}
	for _, r := range readers() {
		if _, err := b.consumer(ctx, r); err != nil {
			return fmt.Errorf("declare the reader of stream %s: %w", r.stream, err)
		}
	}
	return nil
}
