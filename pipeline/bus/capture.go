package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Graph is the newest snapshot of the graph that was kept, nil where none was.
func (b *Bus) Graph(ctx context.Context) (*GraphSnapshot, error) {
	store, err := b.js.ObjectStore(ctx, b.prefix+"-"+graphBucket)
	if err != nil {
		return nil, fmt.Errorf("read the graph: %w", err)
	}
	list, err := (&Join{}).graphs(ctx, store)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	newest := list[len(list)-1]
	g := &GraphSnapshot{}
	if g.Body, err = store.GetBytes(ctx, newest.Name); err != nil {
		return nil, fmt.Errorf("read the graph: %w", err)
	}
	if g.Position, err = strconv.ParseUint(newest.Headers.Get(positionKey), 10, 64); err != nil {
		return nil, fmt.Errorf("read the graph: its head cannot be read: %w", err)
	}
	return g, nil
}

// Capture hands over what the joiner reads, in the same order, from a position on until ctx ends: the records of the topology,
// and of the signals those that came since a time. Where the position is gone, it begins with the first that is there. It takes
// nothing away from the joiner.
func (b *Bus) Capture(ctx context.Context, from uint64, since time.Time, take func(at time.Time, r incident.JoinRecord) error) error {
	s, err := b.js.Stream(ctx, b.prefix+"-"+folds)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	if from > 1 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	}
	c, err := s.OrderedConsumer(ctx, cfg)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(ahead))
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		if err := b.captured(m, since, take); err != nil {
			return err
		}
	}
}

func (b *Bus) captured(m jetstream.Msg, since time.Time, take func(at time.Time, r incident.JoinRecord) error) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	r := incident.JoinRecord{Position: meta.Sequence.Stream}
	switch rest := strings.TrimPrefix(m.Subject(), b.prefix+".folds."); {
	case rest == "topology":
		if r.Changes, err = readTopology(m.Data()); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
	case strings.HasSuffix(rest, ".claim"), meta.Timestamp.Before(since):
		return nil
	default:
		r.Fold = new(incident.Fold)
		body, err := new(scratch).loosen(m)
		if err == nil {
			err = json.Unmarshal(body, r.Fold)
		}
		if err != nil {
			return fmt.Errorf("capture: read a fold: %w", err)
		}
	}
	return take(meta.Timestamp, r)
}
