package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestWhoIsRewoundByAnotherReadsAgain: the owner before, who does not know yet that it was replaced, sets the durable to where it was.
// What lies in between is not passed over.
func TestWhoIsRewoundByAnotherReadsAgain(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	for n := range 4 {
		if err := b.PublishTopology(t.Context(), []incident.GraphChange{node(string(rune('a' + n)))}); err != nil {
			t.Fatal(err)
		}
	}
	now, before := &follower{bus: b, reader: readFolds}, &follower{bus: b, reader: readFolds, position: 2}
	c, err := now.rewind(t.Context())
	if err == nil {
		_, err = before.rewind(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	_, failed, err := now.round(t.Context(), c, 1, func(_ context.Context, batch []jetstream.Msg, _ time.Time) error {
		t.Errorf("%d messages are handed over, and two before them were not", len(batch))
		return nil
	})
	if !errors.Is(err, errOrder) || failed != nil {
		t.Errorf("%v, %v, want %v", err, failed, errOrder)
	}
	// What is not there any more is passed over.
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+folds)
	if err == nil {
		err = s.DeleteMsg(t.Context(), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return now.follow(ctx, func(_ context.Context, batch []jetstream.Msg, _ time.Time) error {
			for _, m := range batch {
				meta, err := m.Metadata()
				if err != nil {
					return err
				}
				got <- meta.Sequence.Stream
			}
			return nil
		})
	})
	for want := uint64(2); want <= 4; want++ {
		if n := next(t, got); n != want {
			t.Errorf("%d came, want %d", n, want)
		}
	}
}
