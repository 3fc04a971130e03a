package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	pending         int // delivered and not acknowledged, at most
}

var (
	readSignals   = reader{signals, "correlate", 500, 100 * time.Millisecond, 20_000}
	readActions   = reader{actions, "approval", 1, 500 * time.Millisecond, 1000}
	readIncidents = reader{incidents, "remediation", 1, 500 * time.Millisecond, 1000}
	readers       = []reader{readSignals, readActions, readIncidents}
)

// ConsumeSignals hands over batches of up to 500, in the order of the stream, until ctx ends. A batch whose handler fails
// comes again.
func (b *Bus) ConsumeSignals(ctx context.Context, handle func(context.Context, []incident.Signal) error) error {
	return consume(ctx, b, readSignals, handle)
}

// ConsumeActions hands over one at a time until ctx ends. One whose handler fails comes again after a delay, and others
// overtake it.
func (b *Bus) ConsumeActions(ctx context.Context, handle func(context.Context, incident.Action) error) error {
	return consume(ctx, b, readActions, func(ctx context.Context, a []incident.Action) error { return handle(ctx, a[0]) })
}

// ConsumeIncidents hands over revisions, one at a time, until ctx ends. After a failure an older revision may come after a
// newer one: compare Revision. A revision that eight newer ones have replaced is skipped.
func (b *Bus) ConsumeIncidents(ctx context.Context, handle func(context.Context, incident.Incident) error) error {
	return consume(ctx, b, readIncidents, func(ctx context.Context, i []incident.Incident) error { return handle(ctx, i[0]) })
}

func (b *Bus) consumer(ctx context.Context, r reader) (jetstream.Consumer, error) {
	return b.js.CreateOrUpdateConsumer(ctx, b.prefix+"-"+r.stream, jetstream.ConsumerConfig{
		Durable: r.durable, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: ackWait, MaxDeliver: -1, MaxAckPending: r.pending,
	})
}

// consume returns nil when ctx ends; a server that is away is waited for.
func consume[T any](ctx context.Context, b *Bus, r reader, handle func(context.Context, []T) error) error {
	for said := false; ctx.Err() == nil; {
		c, err := b.consumer(ctx, r)
		for last := uint64(0); err == nil && ctx.Err() == nil; {
			if last == 0 {
				last = c.CachedInfo().Delivered.Stream
			}
			said = false
			err = round(ctx, b, r, c, &last, handle)
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

// round fetches one batch, has it handled and answers for it. last is the highest sequence of the stream seen so far.
func round[T any](ctx context.Context, b *Bus, r reader, c jetstream.Consumer, last *uint64, handle func(context.Context, []T) error) error {
	fetched, err := c.Fetch(r.batch, jetstream.FetchMaxWait(r.wait))
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", r.stream, err)
	}
	var values []T
	var msgs []jetstream.Msg
	for m := range fetched.Messages() {
		b.countDropped(r, m, last)
		var v T
		if err := json.Unmarshal(m.Data(), &v); err != nil {
			b.metrics.terminated.WithLabelValues(r.stream).Inc()
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

// countDropped counts the gap before a message that is delivered for the first time: the consumer filters nothing, so
// what is missing was dropped by the stream.
func (b *Bus) countDropped(r reader, m jetstream.Msg, last *uint64) {
	meta, err := m.Metadata()
	if err != nil || meta.NumDelivered != 1 || meta.Sequence.Stream <= *last {
		return
	}
	if r.stream == signals {
		b.metrics.dropped.Add(float64(meta.Sequence.Stream - *last - 1))
	}
	*last = meta.Sequence.Stream
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

// answer acknowledges, or hands back with a delay that doubles up to 30 s. An answer that is lost only makes the message
// come again.
func answer(ctx context.Context, b *Bus, r reader, msgs []jetstream.Msg, err error) {
	if err != nil && ctx.Err() == nil {
		b.metrics.retried.WithLabelValues(r.stream).Add(float64(len(msgs)))
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

// LastIncidents reads the last revision of every incident that the stream holds.
func (b *Bus) LastIncidents(ctx context.Context) ([]incident.Incident, error) {
	// Not an ordered consumer: between two fetches that goes on with every revision, not with the last ones.
	c, err := b.js.CreateConsumer(ctx, b.prefix+"-"+incidents, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		FilterSubject: b.prefix + ".incidents.*", InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("read the last incidents: %w", err)
	}
	var list []incident.Incident
	for left := c.CachedInfo().NumPending; left > 0; {
		batch, err := c.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(publishWait)) // no more: it would wait for them
		if err != nil {
			return nil, fmt.Errorf("read the last incidents: %w", err)
		}
		before := left
		for m := range batch.Messages() {
			if meta, err := m.Metadata(); err == nil {
				left = meta.NumPending
			}
			var i incident.Incident
			if err := json.Unmarshal(m.Data(), &i); err != nil {
				b.log.ErrorContext(ctx, "skipped an incident that cannot be decoded", "subject", m.Subject(), "error", err)
				continue
			}
			list = append(list, i)
		}
		if err := batch.Error(); err != nil {
			return nil, fmt.Errorf("read the last incidents: %w", err)
		}
		if left == before && left > 0 {
			return nil, fmt.Errorf("read the last incidents: the server stopped sending with %d left", left)
		}
	}
	return list, nil
}
