package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	ackWait   = 5 * time.Second // a killed reader's messages come again after this
	alive     = ackWait / 3     // a slow handler says so this often
	naksTo    = 30 * time.Second
	reconnect = 250 * time.Millisecond
)

// reader is how one stream is read: by one durable consumer, in order.
type reader struct {
	stream, durable string
	batch           int
	wait            time.Duration
	pending         int    // delivered and not acknowledged, at most: what is postponed among it
	label           string // of the metrics
	only            string // after the prefix: the subjects that are read; empty: all
	follows         bool   // by a follower
}

var (
	readActions   = reader{actions, "approval", 1, 500 * time.Millisecond, 1000, actions, "", false}
	readFolds     = reader{folds, "join", 16, 100 * time.Millisecond, 1000, folds, "", true} // these are large: the client drops what it cannot hold
	readIncidents = reader{incidents, "remediation", 1, 500 * time.Millisecond, 100_000, incidents, ".incidents.*.*", false}
)

// readSignals of one partition.
func readSignals(p int) reader {
	return reader{part(p), "fold", 24, 200 * time.Millisecond, 20_000, signals, "", true}
}

func readers() []reader {
	list := []reader{readActions, readIncidents, readFolds}
	for p := range Partitions {
		list = append(list, readSignals(p))
	}
	return list
}

// ConsumeActions hands over one at a time until ctx ends. One whose handler fails comes again after a delay, and others
// overtake it.
func (b *Bus) ConsumeActions(ctx context.Context, handle func(context.Context, incident.Action) error) error {
	return consume(ctx, b, readActions, func(ctx context.Context, a []incident.Action) error { return handle(ctx, a[0]) })
}

// ConsumeIncidents hands over revisions, one at a time, until ctx ends. After a failure an older revision may come after a
// newer one: Incident is the newest. A revision that eight newer ones have replaced is skipped.
func (b *Bus) ConsumeIncidents(ctx context.Context, handle func(context.Context, incident.Incident) error) error {
	return consume(ctx, b, readIncidents, func(ctx context.Context, i []incident.Incident) error { return handle(ctx, i[0]) })
}

// Incident is the last revision that was told of an incident, by any owner; the zero one where none is kept.
func (b *Bus) Incident(ctx context.Context, id string) (incident.Incident, error) {
	var i incident.Incident
	s, err := b.js.Stream(ctx, b.prefix+"-"+incidents)
	if err != nil {
		return i, fmt.Errorf("read from %s: %w", incidents, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, b.prefix+".incidents.*."+id)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return i, nil
	}
	if err == nil {
		err = json.Unmarshal(m.Data, &i)
	}
	if err != nil {
		return i, fmt.Errorf("read incident %s: %w", id, err)
	}
	return i, nil
}

func (b *Bus) consumer(ctx context.Context, r reader) (jetstream.Consumer, error) {
	only := ""
	if r.only != "" {
		only = b.prefix + r.only
	}
	cfg := jetstream.ConsumerConfig{
		Durable: r.durable, FilterSubject: only, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: ackWait, MaxDeliver: -1, MaxAckPending: r.pending,
	}
	if r.follows {
		cfg.AckPolicy, cfg.AckWait = jetstream.AckAllPolicy, followAck
	}
	return b.js.CreateOrUpdateConsumer(ctx, b.prefix+"-"+r.stream, cfg)
}

// consume returns nil when ctx ends; a server that is away is waited for.
func consume[T any](ctx context.Context, b *Bus, r reader, handle func(context.Context, []T) error) error {
	for said := false; ctx.Err() == nil; {
		c, err := b.consumer(ctx, r)
		for err == nil && ctx.Err() == nil {
			said = false
			err = round(ctx, b, r, c, handle)
		}
		if err != nil && ctx.Err() == nil && !said {
			b.log.WarnContext(ctx, "reading from the bus fails, trying again", "stream", r.stream, "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnect):
		}
	}
	return nil
}

// round fetches one batch, has it handled and answers for it.
func round[T any](ctx context.Context, b *Bus, r reader, c jetstream.Consumer, handle func(context.Context, []T) error) error {
	fetched, err := c.Fetch(r.batch, jetstream.FetchMaxWait(r.wait))
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", r.stream, err)
	}
	var values []T
	var msgs []jetstream.Msg
	for m := range fetched.Messages() {
		var v T
		if err := json.Unmarshal(m.Data(), &v); err != nil {
			b.metrics.terminated.WithLabelValues(r.label).Inc()
			b.log.ErrorContext(ctx, "gave up a message that cannot be decoded", "stream", r.stream, "subject", m.Subject(), "error", err)
			_ = m.TermWithReason("cannot be decoded") // if it is lost, the message comes again and is given up again
			continue
		}
		values, msgs = append(values, v), append(msgs, m)
	}
	if len(msgs) > 0 {
		answer(ctx, b, r, msgs, keepAlive(msgs, func() error { return handle(ctx, values) }))
	}
	if err := fetched.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("fetch from %s: %w", r.stream, err)
	}
	return nil
}

// keepAlive tells the server, while handle runs, that the messages are being worked on.
func keepAlive(msgs []jetstream.Msg, handle func() error) error {
	done := make(chan error, 1)
	go func() { done <- handle() }()
	tick := time.NewTicker(alive)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			for _, m := range msgs {
				_ = m.InProgress() // if it is lost, the message comes twice, which handlers stand
			}
		}
	}
}

// later is when what was postponed comes again, by label.
type later struct {
	mu sync.Mutex
	at map[string][]time.Time
}

func (l *later) add(label string, at time.Time, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[string][]time.Time{}
	}
	for range n {
		l.at[label] = append(l.at[label], at)
	}
}

// count is how many wait still.
func (l *later) count(label string, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.at[label]) == 0 {
		return 0
	}
	l.at[label] = slices.DeleteFunc(l.at[label], func(at time.Time) bool { return !at.After(now) })
	return len(l.at[label])
}

// answer acknowledges, or hands back with the delay that an incident.Postponed asks for, or one that doubles up to 30 s. An answer that
// is lost only makes the message come again.
func answer(ctx context.Context, b *Bus, r reader, msgs []jetstream.Msg, err error) {
	var postponed *incident.Postponed
	if errors.As(err, &postponed) && ctx.Err() == nil {
		for _, m := range msgs {
			_ = m.NakWithDelay(postponed.For)
		}
		b.later.add(r.label, time.Now().Add(postponed.For), len(msgs))
		return
	}
	if err != nil && ctx.Err() == nil {
		b.metrics.retried.WithLabelValues(r.label).Add(float64(len(msgs)))
		b.log.WarnContext(ctx, "handling failed, will be tried again", "stream", r.stream, "messages", len(msgs), "error", err)
	}
	for _, m := range msgs {
		switch {
		case err == nil:
			_ = m.Ack()
		case ctx.Err() != nil:
			_ = m.Nak() // we are stopping: whoever reads next may have it now
		default:
			_ = m.NakWithDelay(delay(m))
		}
	}
}

func delay(m jetstream.Msg) time.Duration {
	meta, err := m.Metadata()
	if err != nil || meta.NumDelivered > 8 {
		return naksTo
	}
	return min(reconnect<<(meta.NumDelivered-1), naksTo)
}
