package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Graph is the newest snapshot of the graph that was kept, nil where none was.
func (b *Bus) Graph(ctx context.Context) (*GraphSnapshot, error) {
	g, _, err := b.GraphBefore(ctx, time.Now())
	return g, err
}

// GraphBefore is the newest snapshot that holds nothing of what came since a time, else the oldest of those that FOLDS has all records
// behind: it is later then. It is nil where none was kept, or where none is needed, since FOLDS has all records that ever were.
func (b *Bus) GraphBefore(ctx context.Context, since time.Time) (g *GraphSnapshot, later bool, err error) {
	store, list, err := b.graphs(ctx)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	s, err := b.js.Stream(ctx, b.prefix+"-"+folds)
	if err != nil {
		return nil, false, fmt.Errorf("read the graph: %w", err)
	}
	from, err := first(ctx, s, since)
	if err != nil {
		return nil, false, err
	}
	now := s.CachedInfo()
	var best *keptGraph
	for i, k := range list {
		if p := k.position(now); p+1 < now.State.FirstSeq && i < len(list)-1 {
			continue // what came between it and the first record that is left is lost
		} else if best == nil || p < from {
			best = &list[i]
		}
	}
	later = best.position(now) >= from
	if later && now.State.FirstSeq <= 1 {
		return nil, false, nil
	}
	g, err = best.open(ctx, store, now)
	return g, later, err
}

// first is the position of the first message since a time, or of the next that comes.
func first(ctx context.Context, s jetstream.Stream, since time.Time) (uint64, error) {
	c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, InactiveThreshold: time.Second})
	if err != nil {
		return 0, fmt.Errorf("find where to begin: %w", err)
	}
	return c.CachedInfo().Delivered.Stream + 1, nil
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
	for o := (order{}); ; {
		m, err := messages.Next()
		if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		if err := b.captured(ctx, o, m, since, take); err != nil {
			return err
		}
	}
}

func (b *Bus) captured(ctx context.Context, o order, m jetstream.Msg, since time.Time, take func(at time.Time, r incident.JoinRecord) error) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	r := incident.JoinRecord{Position: meta.Sequence.Stream}
	switch rest := strings.TrimPrefix(m.Subject(), b.prefix+".folds."); {
	case rest == "topology":
		r.Changes, err = readTopology(m.Data())
		o.told(m, meta.Timestamp, r.Changes)
	case strings.HasSuffix(rest, ".claim"), meta.Timestamp.Before(since):
		return nil
	default:
		r.Fold = new(incident.Fold)
		var body []byte
		if body, err = new(scratch).loosen(m); err == nil {
			err = json.Unmarshal(body, r.Fold)
		}
	}
	if err != nil { // nor does the joiner have it
		b.log.WarnContext(ctx, "skipped a message that cannot be decoded", "subject", m.Subject(), "error", err)
		return nil
	}
	return take(meta.Timestamp, r)
}
