package topology

import (
	"context"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	mostPending = 50_000 // records; then whoever brings more waits
	atOnce      = 500
	again       = time.Second
	stillWhole  = 10 * time.Second
)

func (f *Feed) wait() {
	for len(f.pending) > mostPending && !f.closed {
		f.room.Wait()
	}
}

// Run hands the records to publish, in order, up to 500 at once, until ctx ends. What fails is handed over again, so that a
// record may be stored twice, which changes nothing. After Sweep, and every ten seconds without a record, it hands over none, while
// whole says that what was published is all that there is to say.
func (f *Feed) Run(ctx context.Context, whole func() bool, publish func(context.Context, []incident.GraphChange) error) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed = true
		f.room.Broadcast()
	})
	defer stop()
	for failing := false; ; {
		batch := f.next()
		if ctx.Err() != nil {
			return nil
		}
		if len(batch) == 0 && !whole() {
			continue
		}
		err := publish(ctx, batch)
		if err == nil {
			failing = false
			f.published(len(batch))
			continue
		}
		if !failing && ctx.Err() == nil {
			f.Log.WarnContext(ctx, "the topology cannot be published, trying again", "error", err)
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// next waits for records; none when there were none for a while.
func (f *Feed) next() []incident.GraphChange {
	f.mu.Lock()
	defer f.mu.Unlock()
	waited := false
	alarm := time.AfterFunc(stillWhole, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		waited = true
		f.room.Broadcast()
	})
	defer alarm.Stop()
	for len(f.pending) == 0 && !f.closed && !waited && !f.swept {
		f.room.Wait()
	}
	if len(f.pending) == 0 {
		f.swept = false
	}
	return slices.Clone(f.pending[:min(len(f.pending), atOnce)])
}

func (f *Feed) published(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending = f.pending[n:]; len(f.pending) == 0 {
		f.pending = nil
	}
	f.room.Broadcast()
}
