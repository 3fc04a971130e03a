package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Partition is one share of the signals, in the hands of one owner. What it has folded goes to FOLDS together with how far it had
// read, so that the next owner goes on exactly there.
type Partition struct {
	*claim
	number int
	read   uint64    // of the partition's stream, as its last fold says
	of     time.Time // when that stream was made
	onto   time.Time // when FOLDS was
	ledger ledger    // of what was read, for counting what was dropped
	total  uint64    // signals that its folds hold, those of former owners included
	stored time.Time
	sent   uint64 // the sequence of its last fold
	count  int
	seen   time.Time // all accepted before is told, but for what is late

	body, tight []byte // of its last fold, whose room is used again
}

const (
	readHeader  = "Cortexops-Read"    // the last sequence that the fold covers
	ofHeader    = "Cortexops-Read-Of" // when the stream was made that this is the sequence of
	totalHeader = "Cortexops-Total"   // signals in the folds of the partition so far: a gap says how many are missing
	late        = time.Second         // what is told is waited for so long by who joins
	durably     = 30 * time.Second    // a partition without signals says this often, for those who read later, how far it is
)

func foldsOf(number int) string { return "folds." + strconv.Itoa(number) }

func (b *Bus) claimPartition(ctx context.Context, number int, owner string, lose context.CancelFunc) (*Partition, error) {
	c, err := b.claim(ctx, folds, foldsOf(number), "claim", owner, lose)
	if err != nil {
		return nil, err
	}
	p := &Partition{claim: c, number: number, sent: c.epoch}
	if err := p.takeUp(ctx); err != nil {
		return nil, fmt.Errorf("take up partition %d: %w", number, err)
	}
	return p, nil
}

// takeUp what the owner before has left.
func (p *Partition) takeUp(ctx context.Context) error {
	from, err := p.bus.js.Stream(ctx, p.bus.prefix+"-"+part(p.number))
	if err != nil {
		return err
	}
	p.of = from.CachedInfo().Created
	onto, err := p.bus.js.Stream(ctx, p.bus.prefix+"-"+folds)
	if err != nil {
		return err
	}
	p.onto = onto.CachedInfo().Created
	m, err := onto.GetLastMsgForSubject(ctx, p.under+".fold")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		p.read, err = p.bus.acknowledged(ctx, readSignals(p.number)) // the first owner
		p.ledger = ledger{of: map[string]*read{}, blind: p.read > 0}
		return err
	}
	if err != nil {
		return err
	}
	if p.read, p.total, err = progress(m.Header); err != nil {
		return err
	}
	p.ledger = ledgerOf(m.Header)
	of, _ := time.Parse(time.RFC3339Nano, m.Header.Get(ofHeader)) // zero: of a version that did not say it
	if otherThan(from.CachedInfo(), of, p.read) {
		p.anew(ctx, p.of)
	}
	return nil
}

// anew begins with a stream that is there in the place of one that was lost. What that held and nobody had read is counted by what
// its senders say from now on.
func (p *Partition) anew(ctx context.Context, of time.Time) {
	p.bus.log.ErrorContext(ctx, "the stream is not the one any more that was read: signals that it held may be lost, those that still fire are told again",
		"stream", part(p.number), "read", p.read)
	p.read, p.of = 0, of
	p.ledger.lost()
}

func progress(h nats.Header) (read, total uint64, err error) {
	if read, err = strconv.ParseUint(h.Get(readHeader), 10, 64); err == nil {
		total, err = strconv.ParseUint(h.Get(totalHeader), 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("a fold does not say how far it goes: %w", err)
	}
	return read, total, nil
}

// Number of the partition, from 0.
func (p *Partition) Number() int { return p.number }

// Former hands over the folds of the owners before since a time.
func (p *Partition) Former(ctx context.Context, since time.Time, take func(incident.Fold)) error {
	d := newDecoder()
	d.lean = true
	var space scratch
	return p.bus.messages(ctx, folds, jetstream.ConsumerConfig{FilterSubject: p.under + ".fold", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since},
		func(m jetstream.Msg) {
			space.clear()
			meta, err := m.Metadata()
			var body []byte
			if err == nil {
				body, err = space.loosen(m)
			}
			var f incident.Fold
			if err == nil {
				f, err = d.fold(body)
			}
			if err != nil {
				p.bus.log.ErrorContext(ctx, "skipped a message that cannot be decoded", "subject", m.Subject(), "error", err)
				return
			}
			if f.Seen.After(p.seen) && !f.Seen.After(meta.Timestamp.Add(late)) {
				p.seen = f.Seen
			}
			take(f)
		})
}

// Fold reads the partition's signals in order, has each batch folded, and stores what comes of it, until ctx ends or another
// process has taken over. A signal is acknowledged only after the fold that contains it is stored. What fold is given, the maps of
// labels among it, is used again for the next batch.
func (p *Partition) Fold(ctx context.Context, fold func([]incident.Signal) incident.Fold) error {
	r := readSignals(p.number)
	f := &follower{bus: p.bus, reader: r, position: p.read, of: p.of, anew: func(of time.Time) { p.anew(ctx, of) }}
	d := newDecoder()
	d.lean = true
	var list []incident.Signal
	var raw [][]byte
	var space scratch
	return f.follow(ctx, func(ctx context.Context, batch []jetstream.Msg, since time.Time) error {
		list, raw = list[:0], raw[:0]
		space.clear()
		for _, m := range batch {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			before := len(list)
			var body []byte
			if body, err = space.loosen(m); err == nil {
				list, raw, err = d.signals(body, list, raw)
			}
			p.timely(list[before:], raw[before:], meta.Timestamp)
			p.bus.metrics.dropped.Add(float64(p.ledger.message(m.Headers(), meta.Sequence.Stream, meta.Sequence.Stream-p.read-1, len(list)-before)))
			p.read = meta.Sequence.Stream
			if err != nil {
				p.bus.metrics.terminated.WithLabelValues(signals).Inc()
				p.bus.log.ErrorContext(ctx, "gave up a message that cannot be decoded", "stream", r.stream, "subject", m.Subject(), "error", err)
			}
		}
		return p.tell(ctx, list, raw, since, fold)
	})
}

// timely bounds when signals count as accepted, by the server's clock: not before what was told already, by which others have been
// judged, nor after they were stored. A process whose clock is wrong would hold up everybody else's, or leave them behind.
func (p *Partition) timely(list []incident.Signal, raw [][]byte, stored time.Time) {
	for i := range list {
		s := &list[i]
		at := s.AcceptedAt
		if at.After(stored.Add(late)) {
			at = stored.UTC()
		}
		if least := p.seen.Add(-late); at.Before(least) {
			at = least
		}
		if !at.Equal(s.AcceptedAt) {
			s.AcceptedAt = at
			raw[i] = accepted(raw[i], at)
		}
	}
}

// tell what has been read. What says nothing new is not stored at once: how far we are is said aloud, and the next fold holds it.
func (p *Partition) tell(ctx context.Context, list []incident.Signal, raw [][]byte, since time.Time, fold func([]incident.Signal) incident.Fold) error {
	told := fold(list)
	told.Partition = p.number
	if len(list) == 0 {
		told.Seen = since
	}
	if told.Seen.After(p.seen) {
		p.seen = told.Seen
	}
	if len(told.Signals) == 0 && time.Since(p.stored) < durably {
		return p.beat(told.Seen)
	}
	var err error
	if p.body, err = encoded(p.body[:0], told, list, raw); err != nil {
		return err
	}
	p.count++
	p.total += uint64(len(told.Signals))
	p.stored = time.Now()
	m := &nats.Msg{Subject: p.under + ".fold", Data: p.body, Header: nats.Header{
		jetstream.MsgIDHeader: {fmt.Sprintf("%d/%d/%d", p.number, p.epoch, p.count)},
		readHeader:            {strconv.FormatUint(p.read, 10)}, ofHeader: {p.of.UTC().Format(time.RFC3339Nano)},
		totalHeader: {strconv.FormatUint(p.total, 10)}, sendersHeader: {p.ledger.String()},
	}}
	p.tight = squeeze(m, p.tight)
	if err := p.lasting(ctx, m); err != nil {
		return err
	}
	p.sent = p.last
	return nil
}

// pulse is what is said aloud: all that the partition accepted before Seen is in its folds up to the sequence After.
type pulse struct {
	Partition int       `json:"partition"`
	Epoch     uint64    `json:"epoch"`       // of the claim: the word of an owner that was replaced counts for nothing
	Of        time.Time `json:"of,omitzero"` // when the stream was made that these are sequences of
	After     uint64    `json:"after"`
	Seen      time.Time `json:"seen"`
}

func (p *Partition) beat(seen time.Time) error {
	body, err := json.Marshal(pulse{Partition: p.number, Epoch: p.epoch, Of: p.onto, After: p.sent, Seen: seen})
	if err != nil {
		return err
	}
	_ = p.bus.nc.Publish(p.bus.beatSubject("folds"), body) // one that is lost is followed by another
	return nil
}
