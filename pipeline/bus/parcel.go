package bus

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// parcelBody bounds a message of several signals, in bytes: a message costs the server and both ends about as much as thirty
// signals do, and what DiscardOld lets go of are whole messages.
const parcelBody = 32 << 10

// parcel is one message: the signals of one payload that go to one partition, in their order.
type parcel struct {
	partition int
	source    string
	ids       []string
	body      []byte // a JSON array
}

// id of the message. A payload that is sent again is packed the same way, so that the server knows its parcels again; what comes
// again in other company is told by its own ID at the first stage of correlation.
func (p *parcel) id() string {
	if len(p.ids) == 1 {
		return p.ids[0]
	}
	return incident.Digest(p.ids...)[:32]
}

// pack the signals.
func pack(list []incident.Signal) ([]*parcel, error) {
	var all []*parcel
	var open [Partitions]*parcel
	var left [Partitions]int // signals
	where := make([]int, len(list))
	for i := range list {
		where[i] = partition(list[i].Subject)
		left[where[i]]++
	}
	size := 1 << 10
	for i := range list {
		s := &list[i]
		if s.ID == "" {
			return nil, fmt.Errorf("signal %s: %w", s.Name, errNoID)
		}
		n := where[i]
		p := open[n]
		if p == nil || p.source != s.Source || len(p.body)+size > parcelBody {
			p = &parcel{partition: n, source: s.Source, ids: make([]string, 0, min(left[n], parcelBody/size+1)),
				body: append(make([]byte, 0, min(left[n]*(size+size/8), parcelBody)+2), '[')}
			open[n], all = p, append(all, p)
		} else {
			p.body = append(p.body, ',')
		}
		before := len(p.body)
		var err error
		if p.body, err = s.AppendJSON(p.body); err != nil {
			return nil, fmt.Errorf("encode signal %s: %w", s.ID, err)
		}
		p.ids, size = append(p.ids, s.ID), len(p.body)-before // the next is about as long
		left[n]--
	}
	for _, p := range all {
		p.body = append(p.body, ']')
	}
	return all, nil
}

const (
	senderHeader = "Cortexops-Sender" // of a process that publishes
	sentHeader   = "Cortexops-Sent"   // signals that it has sent to the partition before this message
)

// sender counts what this process has sent to each partition, so that the reader can tell how many signals were in the messages
// that the stream let go of.
type sender struct {
	name string
	to   *[Partitions]account

	tight *sync.Pool // of *[]byte, for squeezing
}

type account struct {
	mu   sync.Mutex
	sent uint64
}

func newSender() sender {
	return sender{name: rand.Text()[:12], to: new([Partitions]account), tight: &sync.Pool{New: func() any { return new([]byte) }}}
}

func (b *Bus) send(p *parcel) (jetstream.PubAckFuture, error) {
	m := &nats.Msg{Subject: b.prefix + ".signals." + strconv.Itoa(p.partition) + "." + p.source, Data: p.body, Header: nats.Header{
		jetstream.MsgIDHeader: {p.id()}, senderHeader: {b.sender.name}}}
	into := b.sender.tight.Get().(*[]byte)
	if *into = squeeze(m, *into); len(p.body) >= worthwhile {
		m.Data = bytes.Clone(m.Data) // it may be sent once more
	}
	b.sender.tight.Put(into)
	a := &b.sender.to[p.partition]
	a.mu.Lock() // until it is sent: the figures are in the order of the stream
	defer a.mu.Unlock()
	m.Header.Set(sentHeader, strconv.FormatUint(a.sent, 10))
	f, err := b.js.PublishMsgAsync(m)
	if err == nil {
		a.sent += uint64(len(p.ids))
	}
	return f, err
}

// void is a parcel that was not stored, or had been before.
func (b *Bus) void(p *parcel) {
	a := &b.sender.to[p.partition]
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent -= uint64(len(p.ids))
}

// PublishSignals returns after all of them are stored, with the number of those that had been stored before by a publish of
// the same list that was answered so. On an error some may be: publish all of them again, their IDs make that harmless.
func (b *Bus) PublishSignals(ctx context.Context, list []incident.Signal) (duplicates int, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	defer b.timed(signals)()
	// Who joins waits while INCIDENTS is full, and what is behind it, FOLDS and SIGNALS, would drop its oldest: so nothing more is taken.
	// It is another process that joins, mostly; how full the stream is each can see, two seconds late at most.
	if err := b.lacks(incidents); err != nil {
		return 0, fmt.Errorf("publish signals: %w", err)
	}
	parcels, err := pack(list)
	if err != nil {
		return 0, err
	}
	futures := make([]jetstream.PubAckFuture, 0, len(parcels))
	for _, p := range parcels {
		f, sendErr := b.send(p)
		if sendErr != nil {
			err = fmt.Errorf("publish signals: %w", sendErr)
			break // what was sent is waited for
		}
		futures = append(futures, f)
	}
	before := make([]bool, len(futures)) // it was stored
	for i, f := range futures {
		select {
		case ack := <-f.Ok():
			before[i] = ack.Duplicate
		case failed := <-f.Err():
			err = fmt.Errorf("publish signals: %w", failed)
			b.void(parcels[i])
		case <-ctx.Done():
			err = fmt.Errorf("publish signals: no answer from NATS: %w", ctx.Err())
			b.void(parcels[i])
		}
		if before[i] {
			b.void(parcels[i])
		}
	}
	for i, p := range parcels[:len(futures)] {
		if err != nil {
			b.untold.add(p, before[i])
		} else if untold := b.untold.take(p); before[i] && !untold {
			duplicates += len(p.ids)
		}
	}
	return duplicates, err
}

// untold are the parcels that may be stored although whoever sent them was told that they are not: that they are there
// already when they come again does not make them duplicates. The zero value is empty.
type untold struct {
	mu          sync.Mutex
	new, former map[string]bool // by ID
}

const mostUntold = 10_000

// add notes one. What had been stored before is untold only if it was.
func (u *untold) add(p *parcel, before bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	id := p.id()
	if before && !u.new[id] && !u.former[id] {
		return
	}
	if u.new == nil || len(u.new) >= mostUntold {
		u.new, u.former = map[string]bool{}, u.new
	}
	u.new[id] = true
}

// take reports whether it was untold, which it is no more.
func (u *untold) take(p *parcel) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.new)+len(u.former) == 0 { // as nearly always: the ID takes a while
		return false
	}
	id := p.id()
	found := u.new[id] || u.former[id]
	delete(u.new, id)
	delete(u.former, id)
	return found
}
