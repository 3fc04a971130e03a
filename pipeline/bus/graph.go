package bus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	graphsKept  = 3               // snapshots: the newest may be younger than an incident that is not sealed yet
	unsealed    = 1 * time.Minute // longer than an incident waits for its sealing
	graphBucket = "GRAPH"
	positionKey = "Cortexops-Position"
	ofKey       = "Cortexops-Of" // when FOLDS was made that this is the position in
	asOfKey     = "Cortexops-As-Of"
)

// ErrGraph is the error of a snapshot that is there, and that no second try reads.
var ErrGraph = errors.New("the snapshot of the graph cannot be read")

// graphStream is what an object store keeps.
func graphStream(prefix string, bytes int64) jetstream.StreamConfig {
	bucket := prefix + "-" + graphBucket
	return jetstream.StreamConfig{Name: "OBJ_" + bucket, Subjects: []string{"$O." + bucket + ".C.>", "$O." + bucket + ".M.>"},
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, MaxBytes: bytes, AllowRollup: true, AllowDirect: true}
}

// GraphSnapshot is the graph at a time, with all records up to a position in it.
type GraphSnapshot struct {
	Position uint64
	At       time.Time
	Body     []byte
}

// keptGraph is a snapshot without its body.
type keptGraph struct {
	GraphSnapshot
	name string
	of   time.Time // when FOLDS was made that this is the position in; zero: of a version that did not say it
}

// SaveGraph keeps a snapshot, and lets the oldest go. One of an owner that was replaced meanwhile is refused; should it slip through, it is
// a true one all the same, and its position says which are newer.
func (j *Join) SaveGraph(ctx context.Context, g GraphSnapshot) error {
	if err := j.stillOurs(ctx); err != nil {
		return fmt.Errorf("keep the graph: %w", err)
	}
	store, list, err := j.bus.graphs(ctx)
	if err != nil {
		return err
	}
	// With the owner in it: another that has read as far does not write over ours.
	name := fmt.Sprintf("%d-%d-%d", j.of.UnixNano(), g.Position, j.epoch)
	list = slices.DeleteFunc(list, func(k keptGraph) bool { return k.name == name })
	for len(list) >= graphsKept {
		if err := store.Delete(ctx, list[0].name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
			return fmt.Errorf("let an old graph go: %w", err)
		}
		list = list[1:]
	}
	_, err = store.Put(ctx, jetstream.ObjectMeta{Name: name, Headers: nats.Header{positionKey: {strconv.FormatUint(g.Position, 10)},
		ofKey: {j.of.UTC().Format(time.RFC3339Nano)}, asOfKey: {g.At.UTC().Format(time.RFC3339Nano)}}}, bytes.NewReader(g.Body))
	if err != nil {
		return fmt.Errorf("keep the graph: %w", err)
	}
	return nil
}

// stillOurs fails with ErrLost where another process has claimed the join. An object store cannot be told to refuse what comes too late.
func (j *Join) stillOurs(ctx context.Context) error {
	s, err := j.bus.js.Stream(ctx, j.bus.prefix+"-"+incidents)
	if err != nil {
		return err
	}
	m, err := s.GetLastMsgForSubject(ctx, j.under+".owner.claim")
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // ours is older than the stream keeps anything
		return nil
	case err != nil:
		return err
	case m.Sequence != j.epoch:
		return ErrLost
	}
	return nil
}

// LoadGraph takes up the newest snapshot that is older than what was not sealed when the owner before us ended, else the oldest.
// It is nil where there is none.
func (j *Join) LoadGraph(ctx context.Context) (*GraphSnapshot, error) {
	store, list, err := j.bus.graphs(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ended := time.Now()
	s, err := j.bus.js.Stream(ctx, j.bus.prefix+"-"+folds)
	if err != nil {
		return nil, fmt.Errorf("take up the graph: %w", err)
	}
	if m, err := s.GetMsg(ctx, j.floor); err == nil {
		ended = m.Time
	}
	best := list[0]
	for _, k := range list {
		if k.At.Before(ended.Add(-unsealed)) {
			best = k
		}
	}
	return best.open(ctx, store, s.CachedInfo())
}

// open reads a snapshot. Of records of another stream than FOLDS is now, none is in it.
func (k keptGraph) open(ctx context.Context, store jetstream.ObjectStore, folds *jetstream.StreamInfo) (*GraphSnapshot, error) {
	g := k.GraphSnapshot
	g.Position = k.position(folds)
	var err error
	if g.Body, err = store.GetBytes(ctx, k.name); errors.Is(err, jetstream.ErrDigestMismatch) {
		err = fmt.Errorf("%w: %w", ErrGraph, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the graph: %w", err)
	}
	return &g, nil
}

func (k keptGraph) position(folds *jetstream.StreamInfo) uint64 {
	if otherThan(folds, k.of, k.Position) {
		return 0
	}
	return k.Position
}

// graphs are the snapshots, in the order of what is in them.
func (b *Bus) graphs(ctx context.Context) (jetstream.ObjectStore, []keptGraph, error) {
	store, err := b.js.ObjectStore(ctx, b.prefix+"-"+graphBucket)
	if err != nil {
		return nil, nil, fmt.Errorf("look for the graphs: %w", err)
	}
	objects, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil, fmt.Errorf("list the graphs: %w", err)
	}
	var list []keptGraph
	for _, o := range objects {
		k := keptGraph{name: o.Name}
		if k.Position, err = strconv.ParseUint(o.Headers.Get(positionKey), 10, 64); err == nil {
			k.At, err = time.Parse(time.RFC3339Nano, o.Headers.Get(asOfKey))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: the head of %s: %w", ErrGraph, o.Name, err)
		}
		k.of, _ = time.Parse(time.RFC3339Nano, o.Headers.Get(ofKey))
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b keptGraph) int {
		return cmp.Or(a.of.Compare(b.of), cmp.Compare(a.Position, b.Position), a.At.Compare(b.At))
	})
	return store, list, nil
}
