package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	followAck = 30 * time.Second // by then what got lost on the way comes again, and is read anew in order
	gathering = time.Millisecond
	bulk      = 256 << 10 // bytes of a batch, after which no more are waited for: a fold of it must fit a message
)

// follower reads a stream in order from a position that its owner knows. The server is not asked for it: so nothing is read
// twice, and nothing is missing that another process had got and not finished. What it acknowledges only shows others how far
// it is.
type follower struct {
	bus      *Bus
	reader   reader
	position uint64          // the last sequence that was handled
	of       time.Time       // when the stream was made that this is the position in
	anew     func(time.Time) // is told when another was made in its place, which is read from its beginning; nil: following ends
	durable  time.Time       // when the durable was made
}

// follow hands over batches until ctx ends, and an empty one where nothing has come for a while: all that was stored before
// since has been handed over. It returns handle's first error.
func (f *follower) follow(ctx context.Context, handle func(ctx context.Context, batch []jetstream.Msg, since time.Time) error) error {
	for said := false; ctx.Err() == nil; {
		c, err := f.rewind(ctx)
		if errors.Is(err, errAnew) {
			return err
		}
		for expected := uint64(1); err == nil && ctx.Err() == nil; {
			said = false
			var failed error
			if expected, failed, err = f.round(ctx, c, expected, handle); failed != nil {
				if ctx.Err() != nil && !errors.Is(failed, ErrLost) {
					return nil
				}
				return failed
			}
		}
		if err != nil && ctx.Err() == nil && !said {
			f.bus.log.WarnContext(ctx, "reading from the bus fails, trying again", "stream", f.reader.stream, "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnect):
		}
	}
	return nil
}

// errAnew means that a stream was lost, and another is there in its place.
var errAnew = errors.New("the stream is not the one any more that was read")

// otherThan reports whether a stream is not the one that was made at a time and read up to a position. One that was put back from a
// copy may be as old, and shorter.
func otherThan(s *jetstream.StreamInfo, of time.Time, position uint64) bool {
	return !of.IsZero() && !s.Created.Equal(of) || s.State.LastSeq < position
}

// rewind the durable to the position.
func (f *follower) rewind(ctx context.Context) (jetstream.Consumer, error) {
	first, err := f.bus.consumer(ctx, f.reader)
	if err != nil {
		return nil, err
	}
	s, err := f.bus.js.Stream(ctx, f.bus.prefix+"-"+f.reader.stream)
	if err != nil {
		return nil, err
	}
	if now := s.CachedInfo(); otherThan(now, f.of, f.position) {
		if f.anew == nil {
			return nil, fmt.Errorf("read from %s: %w", f.reader.stream, errAnew)
		}
		f.position, f.of = 0, now.Created
		f.anew(f.of)
	}
	if _, err := s.ResetConsumerToSequence(ctx, f.reader.durable, f.position+1); err != nil {
		return nil, fmt.Errorf("go back to %d in %s: %w", f.position+1, f.reader.stream, err)
	}
	c, err := s.Consumer(ctx, f.reader.durable)
	if err != nil {
		return nil, err
	}
	if f.durable = c.CachedInfo().Created; !f.durable.Equal(first.CachedInfo().Created) {
		return nil, fmt.Errorf("read from %s: %w", f.reader.stream, errOrder) // it may be of another stream than we have looked at
	}
	return c, nil
}

var errOrder = errors.New("something was lost on the way")

// round reads for as long as one request lasts. expected is the number of the next delivery.
func (f *follower) round(ctx context.Context, c jetstream.Consumer, expected uint64, handle func(context.Context, []jetstream.Msg, time.Time) error) (_ uint64, failed, err error) {
	fetched, err := c.Fetch(f.reader.batch, jetstream.FetchMaxWait(f.reader.wait))
	if err != nil {
		return expected, nil, fmt.Errorf("fetch from %s: %w", f.reader.stream, err)
	}
	came := false
	for batch := gather(fetched.Messages(), f.reader.batch); len(batch) > 0; batch = gather(fetched.Messages(), f.reader.batch) {
		came = true
		var fresh []jetstream.Msg
		fresh, expected, err = f.inOrder(ctx, batch, expected)
		if len(fresh) > 0 { // also before what was lost: we go on behind these
			if err := handle(ctx, fresh, time.Time{}); err != nil {
				return expected, err, nil
			}
			_ = fresh[len(fresh)-1].Ack() // and all before; for the eyes only
		}
		if err != nil {
			return expected, nil, fmt.Errorf("read from %s: %w", f.reader.stream, err)
		}
	}
	if err := fetched.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return expected, nil, fmt.Errorf("fetch from %s: %w", f.reader.stream, err)
	}
	if came {
		return expected, nil, nil
	}
	info, err := c.Info(ctx)
	switch {
	case err != nil:
		return expected, nil, fmt.Errorf("ask what is left of %s: %w", f.reader.stream, err)
	case info.Delivered.Stream > f.position, // to us, or to another process that does not know yet that it was replaced
		!info.Created.Equal(f.durable): // with a stream that was made anew
		return expected, nil, fmt.Errorf("read from %s: %w", f.reader.stream, errOrder)
	case info.NumPending > 0:
		return expected, nil, nil
	}
	return expected, handle(ctx, nil, info.TimeStamp), nil // by the server's clock
}

// inOrder are the messages that were not handled yet, in the place of the batch, up to the first that does not follow the one before.
func (f *follower) inOrder(ctx context.Context, batch []jetstream.Msg, expected uint64) (fresh []jetstream.Msg, next uint64, err error) {
	fresh = batch[:0]
	for _, m := range batch {
		meta, err := m.Metadata()
		if err != nil {
			return fresh, expected, err
		}
		again := meta.Sequence.Stream <= f.position
		if meta.Sequence.Consumer != expected || again && meta.NumDelivered <= 1 { // the latter is of another stream
			return fresh, expected, errOrder
		}
		if again { // since an acknowledgement was lost
			expected++
			continue
		}
		if err := f.passedOver(ctx, meta.Sequence.Stream); err != nil {
			return fresh, expected, err
		}
		expected++
		f.position = meta.Sequence.Stream
		fresh = append(fresh, m)
	}
	return fresh, expected, nil
}

// passedOver fails where the stream still has what should have come next: another process, which does not know yet that it was
// replaced, has set the durable to where that was.
func (f *follower) passedOver(ctx context.Context, came uint64) error {
	if came == f.position+1 {
		return nil
	}
	s, err := f.bus.js.Stream(ctx, f.bus.prefix+"-"+f.reader.stream)
	if err == nil {
		_, err = s.GetMsg(ctx, f.position+1)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return cmp.Or(err, errOrder)
}

// gather waits for one message, and a moment for more.
func gather(from <-chan jetstream.Msg, most int) (batch []jetstream.Msg) {
	for m := range from {
		batch = append(batch, m)
		break
	}
	if len(batch) == 0 {
		return nil
	}
	size := length(batch[0])
	moment := time.NewTimer(gathering)
	defer moment.Stop()
	for len(batch) < most && size < bulk {
		select {
		case m, more := <-from:
			if !more {
				return batch
			}
			batch, size = append(batch, m), size+length(m)
		case <-moment.C:
			return batch
		}
	}
	return batch
}

// acknowledged is the last sequence that a durable has acknowledged, with all before.
func (b *Bus) acknowledged(ctx context.Context, r reader) (uint64, error) {
	c, err := b.consumer(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("ask how far %s is read: %w", r.stream, err)
	}
	return c.CachedInfo().AckFloor.Stream, nil
}
