package bus

import (
	"bytes"
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
	asOfKey     = "Cortexops-As-Of"
)

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

// SaveGraph keeps a snapshot, and lets the oldest go.
func (j *Join) SaveGraph(ctx context.Context, g GraphSnapshot) error {
	store, err := j.bus.js.ObjectStore(ctx, j.bus.prefix+"-"+graphBucket)
	if err != nil {
		return fmt.Errorf("keep the graph: %w", err)
	}
	list, err := j.graphs(ctx, store)
	if err != nil {
		return err
	}
	for len(list) >= graphsKept {
		if err := store.Delete(ctx, list[0].Name); err != nil {
			return fmt.Errorf("let an old graph go: %w", err)
		}
		list = list[1:]
	}
	_, err = store.Put(ctx, jetstream.ObjectMeta{Name: strconv.FormatInt(g.At.UnixNano(), 10),
		Headers: nats.Header{positionKey: {strconv.FormatUint(g.Position, 10)}, asOfKey: {g.At.UTC().Format(time.RFC3339Nano)}}}, bytes.NewReader(g.Body))
	if err != nil {
		return fmt.Errorf("keep the graph: %w", err)
	}
	return nil
}

// LoadGraph takes up the newest snapshot that is older than what was not sealed when the owner before us ended, else the oldest.
// It is nil where there is none.
func (j *Join) LoadGraph(ctx context.Context) (*GraphSnapshot, error) {
	store, err := j.bus.js.ObjectStore(ctx, j.bus.prefix+"-"+graphBucket)
	if err != nil {
		return nil, fmt.Errorf("take up the graph: %w", err)
	}
	list, err := j.graphs(ctx, store)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ended := time.Now()
	if s, err := j.bus.js.Stream(ctx, j.bus.prefix+"-"+folds); err == nil {
		if m, err := s.GetMsg(ctx, j.floor); err == nil {
			ended = m.Time
		}
	}
	best := list[0]
	for _, o := range list {
		if at, err := time.Parse(time.RFC3339Nano, o.Headers.Get(asOfKey)); err == nil && at.Before(ended.Add(-unsealed)) {
			best = o
		}
	}
	body, err := store.GetBytes(ctx, best.Name)
	if err != nil {
		return nil, fmt.Errorf("take up the graph: %w", err)
	}
	g := &GraphSnapshot{Body: body}
	if g.Position, err = strconv.ParseUint(best.Headers.Get(positionKey), 10, 64); err == nil {
		g.At, err = time.Parse(time.RFC3339Nano, best.Headers.Get(asOfKey))
	}
	if err != nil {
		return nil, fmt.Errorf("take up the graph: its head cannot be read: %w", err)
	}
	return g, nil
}

// graphs are the snapshots, the oldest first.
func (j *Join) graphs(ctx context.Context, store jetstream.ObjectStore) ([]*jetstream.ObjectInfo, error) {
	list, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, fmt.Errorf("list the graphs: %w", err)
	}
	slices.SortFunc(list, func(a, b *jetstream.ObjectInfo) int { return a.ModTime.Compare(b.ModTime) })
	return list, nil
}
