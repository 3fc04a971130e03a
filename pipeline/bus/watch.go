package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const watching = 2 * time.Second // between two looks at the streams

// watch sees to it that the streams are there, and follows how full they are and what waits, until ctx ends. What is kept in the
// memory of a server is gone when that restarts, and somebody may take away what is kept on disk: then it is declared again, since
// without it every publish fails. Every process does so, as it may be the only one.
func (b *Bus) watch(ctx context.Context, back <-chan struct{}) {
	tick := time.NewTicker(watching)
	defer tick.Stop()
	for said := false; ; {
		err := b.mend(ctx)
		if err != nil && ctx.Err() == nil && !said {
			b.log.WarnContext(ctx, "the streams cannot be looked after, trying again", "error", err)
		}
		said = err != nil
		select {
		case <-ctx.Done():
			return
		case <-back:
		case <-tick.C:
		}
	}
}

// mend declares what is gone.
func (b *Bus) mend(ctx context.Context) error {
	there, err := b.stored(ctx)
	if err != nil {
		return err
	}
	b.look(there)
	lost := strings.Join(b.gone(there), ", ")
	if lost == "" {
		err := b.backlog(ctx)
		if !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		lost = "a reader"
	}
	if err := b.declare(ctx); err != nil {
		return fmt.Errorf("NATS has lost %s, which cannot be declared again: %w", lost, err)
	}
	b.log.ErrorContext(ctx, "NATS had lost what is declared again now: what was in it is gone, and alerts that still fire are told again", "lost", lost)
	return nil
}

// stored are the streams of ours that the server has, by name.
func (b *Bus) stored(ctx context.Context) (map[string]*jetstream.StreamInfo, error) {
	there := map[string]*jetstream.StreamInfo{}
	list := b.js.ListStreams(ctx, jetstream.WithStreamListSubject(b.prefix+".>"))
	for s := range list.Info() {
		there[s.Config.Name] = s
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("ask for the streams: %w", err)
	}
	name := graphStream(b.prefix, 0).Name // whose subjects are those of every object store
	s, err := b.js.Stream(ctx, name)
	if err == nil {
		there[name] = s.CachedInfo()
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("ask for stream %s: %w", name, err)
	}
	return there, nil
}

func (b *Bus) gone(there map[string]*jetstream.StreamInfo) (names []string) {
	for _, s := range streams(b.prefix, b.limits) {
		if there[s.Name] == nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// backlog of each reader, also of those that another process has.
func (b *Bus) backlog(ctx context.Context) error {
	waiting := map[string]float64{}
	for _, r := range readers() {
		c, err := b.js.Consumer(ctx, b.prefix+"-"+r.stream, r.durable)
		if err != nil {
			return fmt.Errorf("ask what waits in %s: %w", r.stream, err) // the last figures stand
		}
		info := c.CachedInfo()
		waiting[r.label] += float64(info.NumPending) + float64(info.NumAckPending)
	}
	for stream, n := range waiting {
		b.metrics.pending.WithLabelValues(stream).Set(n)
		b.metrics.postponed.WithLabelValues(stream).Set(float64(b.later.count(stream, time.Now())))
	}
	return nil
}

// Check reports whether JetStream answers, and has the streams.
func (b *Bus) Check(ctx context.Context) error {
	if s := b.nc.Status(); s != nats.CONNECTED {
		return fmt.Errorf("NATS is %s", strings.ToLower(s.String()))
	}
	there, err := b.stored(ctx)
	if err != nil {
		return fmt.Errorf("JetStream does not answer: %w", err)
	}
	if gone := b.gone(there); len(gone) > 0 {
		return fmt.Errorf("NATS has lost the streams %s: they are declared again within seconds, else the log says why not", strings.Join(gone, ", "))
	}
	return nil
}
