package bus

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const beat = time.Second // a worker says this often that it is there

// Shares are what the processes share. Each is run until its context ends, which is when the share is another's.
type Shares struct {
	Fold func(context.Context, *Partition) error // for each partition
	Join func(context.Context, *Join) error      // once

	Cluster string                                  // ours
	Follow  func(context.Context, *Following) error // once for each cluster, by one of its own processes; nil: not by this one
}

// The numbers of the shares that are no partitions.
const (
	joinShare = Partitions + iota
	followShare
	shares
)

// Own shares the work among all the processes that call it, and runs what is this one's until ctx ends. A process that is
// gone is replaced in workersKept and a beat.
//
// A pinned consumer would not do: the server pins who gets a message, so a partition whose owner died with an incident
// that only needs to be sealed would stay without one until its next signal.
func (b *Bus) Own(ctx context.Context, s Shares) error {
	id := strings.ToLower(rand.Text())[:16]
	if s.Follow != nil {
		id += "-" + token(s.Cluster)
	}
	held := map[int]context.CancelFunc{}
	ended := make(chan int, shares) // its number, when a run is over
	end := func(number int) { held[number](); delete(held, number) }
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		if members, err := b.present(ctx, id); err == nil { // else what is held is kept: if it is another's, the stream refuses us
			for number := range shares {
				mine := whose(number, members, id) == id
				switch _, holds := held[number]; {
				case mine && !holds:
					own, lose := context.WithCancel(ctx)
					held[number] = lose
					go func() { b.hold(own, lose, number, id, s); ended <- number }()
				case !mine && holds:
					held[number]()
				}
			}
		} else if ctx.Err() == nil {
			b.log.WarnContext(ctx, "who works cannot be told, the shares stay as they are", "error", err)
		}
		for next := false; !next; {
			select {
			case number := <-ended:
				end(number) // if it is still ours, it is claimed anew at the next beat
			case <-tick.C:
				next = true
			case <-ctx.Done():
				next = true
			}
		}
	}
	for len(held) > 0 {
		end(<-ended)
	}
	b.leave(id)
	return nil
}

// whose a share is. Those behind the partitions move seldom, since who takes the join over reads an hour, and who takes a cluster
// over lists it. id asks: its cluster is the one to be followed.
func whose(number int, members []string, id string) string {
	switch number {
	case joinShare:
		return members[0]
	case followShare:
		_, of, follows := strings.Cut(id, "-")
		for _, m := range members {
			if follows && strings.HasSuffix(m, "-"+of) {
				return m
			}
		}
		return ""
	}
	return members[number%len(members)]
}

// hold claims a share and runs it until it is lost or ctx ends.
func (b *Bus) hold(ctx context.Context, lose context.CancelFunc, number int, id string, s Shares) {
	var run func() error
	var err error
	owned := b.metrics.owned
	switch number {
	case joinShare:
		owned = b.metrics.joins
		var j *Join
		j, err = b.claimJoin(ctx, id, lose)
		run = func() error { return s.Join(ctx, j) }
	case followShare:
		owned = b.metrics.follows
		var f *Following
		f, err = b.claimCluster(ctx, s.Cluster, id, lose)
		run = func() error { return s.Follow(ctx, f) }
	default:
		var p *Partition
		p, err = b.claimPartition(ctx, number, id, lose)
		run = func() error { return s.Fold(ctx, p) }
	}
	if err != nil {
		if ctx.Err() == nil {
			b.log.WarnContext(ctx, "a share of the work cannot be taken over, trying again", "share", number, "error", err)
		}
		return
	}
	owned.Inc()
	defer owned.Dec()
	b.log.InfoContext(ctx, "took over a share of the work", "share", number)
	if err := run(); err != nil && ctx.Err() == nil {
		b.log.ErrorContext(ctx, "a share of the work ended", "share", number, "error", err)
	}
	b.log.InfoContext(ctx, "let go of a share of the work", "share", number)
}

// present says that we are there, and returns who is, in order.
func (b *Bus) present(ctx context.Context, id string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	prefix := b.prefix + ".workers."
	if _, err := b.js.Publish(ctx, prefix+id, nil); err != nil {
		return nil, fmt.Errorf("say that we work: %w", err)
	}
	s, err := b.js.Stream(ctx, b.prefix+"-"+workers)
	if err != nil {
		return nil, fmt.Errorf("ask who works: %w", err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("ask who works: %w", err)
	}
	members := map[string]bool{id: true}
	for subject := range info.State.Subjects {
		members[strings.TrimPrefix(subject, prefix)] = true
	}
	return slices.Sorted(maps.Keys(members)), nil
}

// leave lets the others know at once. If it fails, they find out by our silence.
func (b *Bus) leave(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), beat)
	defer cancel()
	if s, err := b.js.Stream(ctx, b.prefix+"-"+workers); err == nil {
		_ = s.Purge(ctx, jetstream.WithPurgeSubject(b.prefix+".workers."+id))
	}
}
