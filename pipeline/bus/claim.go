package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// ErrLost means that another process does the work now.
var ErrLost = errors.New("another process has taken over")

// claim is the right to write under a subject, until another process claims it.
type claim struct {
	bus    *Bus
	stream string
	under  string // the subject, without what follows the last dot
	alone  bool   // nobody writes to the stream who has not claimed this: asking for the last of many subjects is slow
	lose   context.CancelFunc
	epoch  uint64 // the sequence of the claim

	mu     sync.Mutex
	last   uint64 // the sequence of the last message under the subject, the claim among them
	window int    // publishes under way at once: a replicated stream takes one
}

// claim puts a mark after all that the owner before has stored. Every publish names the mark or the message that it follows,
// so the server refuses the former owner's, however late they come.
func (b *Bus) claim(ctx context.Context, stream, under, mark, owner string, lose context.CancelFunc) (*claim, error) {
	c := &claim{bus: b, stream: stream, under: b.prefix + "." + under, lose: lose}
	ack, err := b.publish(ctx, stream, c.under+"."+mark, incident.Digest(owner, time.Now().String()), map[string]string{"owner": owner})
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.under, err)
	}
	c.epoch, c.last, c.window = ack.Sequence, ack.Sequence, pipelined
	return c, nil
}

// publish in this order, without waiting for one before the next is sent. It returns after all are stored, or with ErrLost. On
// another error the first few may be: publish all again.
func (c *claim) publish(ctx context.Context, msgs ...*nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	defer c.bus.timed(c.stream)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(msgs) > 0 {
		sent := min(len(msgs), c.window)
		n, err := c.inflight(ctx, msgs, sent)
		if err != nil {
			return err
		}
		if c.window = min(2*c.window, pipelined); n < sent {
			c.window = max(n, 1)
		}
		msgs = msgs[n:]
	}
	return nil
}

// pipelined publishes of one claim are under way at most.
const pipelined = 256

// inflight sends the first few, each of which must follow the one before, and says how many of them were stored.
func (c *claim) inflight(ctx context.Context, msgs []*nats.Msg, sent int) (stored int, err error) {
	futures := make([]jetstream.PubAckFuture, 0, sent)
	for i, m := range msgs[:sent] {
		follows := jetstream.WithExpectLastSequenceForSubject(c.last+uint64(i), c.under+".>")
		if c.alone {
			follows = jetstream.WithExpectLastSequence(c.last + uint64(i))
		}
		f, err := c.bus.js.PublishMsgAsync(m, follows)
		if err != nil {
			if i > 0 {
				break // what was sent is waited for
			}
			return 0, fmt.Errorf("publish to %s: %w", c.stream, err)
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		select {
		case ack := <-f.Ok():
			stored++
			c.last = max(c.last, ack.Sequence)
		case err := <-f.Err():
			switch {
			case !wrongSequence(err):
				return stored, fmt.Errorf("publish to %s: %w", c.stream, err)
			case stored > 0:
				return stored, nil
			}
			if stored, err := c.ours(ctx, msgs); stored > 0 || err != nil {
				return stored, err
			}
			c.lose()
			return 0, fmt.Errorf("publish to %s: %w: %w", c.stream, ErrLost, err)
		case <-ctx.Done():
			return stored, fmt.Errorf("publish to %s: no answer from NATS: %w", c.stream, ctx.Err())
		}
	}
	return stored, nil
}

// ours is how many of the messages had been stored by a try whose answer was lost. Their IDs name the claim: nobody else's are
// alike.
func (c *claim) ours(ctx context.Context, msgs []*nats.Msg) (stored int, err error) {
	s, err := c.bus.js.Stream(ctx, c.bus.prefix+"-"+c.stream)
	if err != nil {
		return 0, fmt.Errorf("ask what is stored in %s: %w", c.stream, err)
	}
	last, err := s.GetLastMsgForSubject(ctx, c.under+".>")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil // not even the claim: the stream is another
	}
	if err != nil {
		return 0, fmt.Errorf("ask what is stored in %s: %w", c.stream, err)
	}
	for i, m := range msgs {
		if m.Header.Get(jetstream.MsgIDHeader) == last.Header.Get(jetstream.MsgIDHeader) {
			stored, c.last = i+1, last.Sequence
		}
	}
	return stored, nil
}

func wrongSequence(err error) bool {
	var api jetstream.JetStreamError
	return errors.As(err, &api) && api.APIError() != nil && (api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// lasting tries until what is published is stored, or is refused because another process has taken over, or ctx ends.
func (c *claim) lasting(ctx context.Context, msgs ...*nats.Msg) error {
	for said := false; ; {
		err := c.publish(ctx, msgs...)
		if err == nil || errors.Is(err, ErrLost) || ctx.Err() != nil {
			return err
		}
		if !said {
			c.bus.log.WarnContext(ctx, "what was made of signals cannot be stored, trying again", "stream", c.stream, "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reconnect):
		}
	}
}

// ahead is how many messages are asked for at once. All of them fit into what the server holds for a connection, 64 MiB, beyond
// which it cuts off who reads slowly. It is no bound in bytes: what does not fit that, the server (2.15) takes off its list of the last
// of each subject, and never sends.
const ahead = 32

// messages reads what a stream holds under a filter, as the policy says, and hands each over.
func (b *Bus) messages(ctx context.Context, stream string, cfg jetstream.ConsumerConfig, take func(jetstream.Msg)) error {
	// Not an ordered consumer: between two fetches that goes on with every message, not with the last ones.
	cfg.AckPolicy, cfg.InactiveThreshold = jetstream.AckNonePolicy, time.Minute
	c, err := b.js.CreateConsumer(ctx, b.prefix+"-"+stream, cfg)
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	var got uint64
	for left := c.CachedInfo().NumPending; left > 0; {
		batch, err := c.Fetch(int(min(left, ahead)), jetstream.FetchMaxWait(publishWait)) // no more: it would wait for them
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		before := left
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("read %s: %w", stream, err)
			}
			if got++; meta.Sequence.Consumer != got { // what was on its way when the connection broke is not sent again
				return fmt.Errorf("read %s: %w", stream, errOrder)
			}
			left = meta.NumPending
			take(m)
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if left == before && left > 0 {
			return fmt.Errorf("read %s: the server stopped sending with %d left", stream, left)
		}
	}
	return nil
}

// decoded is nil and told where it cannot be read.
func decoded[T any](ctx context.Context, b *Bus, subject string, body []byte) *T {
	v := new(T)
	if err := json.Unmarshal(body, v); err != nil {
		b.log.ErrorContext(ctx, "skipped a message that cannot be decoded", "subject", subject, "error", err)
		return nil
	}
	return v
}
