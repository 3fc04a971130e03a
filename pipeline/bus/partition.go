package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Partition is one share of the signals, and the incidents that they become, in the hands of one owner. Who claims it
// next takes it away: from then on nothing of the owner before is stored.
type Partition struct {
	bus    *Bus
	number int
	lose   context.CancelFunc

	mu   sync.Mutex
	last uint64 // the sequence in INCIDENTS of the partition's last message, the claim among them
}

// ErrLost means that another process owns the partition now.
var ErrLost = errors.New("another process has taken the partition over")

// claim puts a mark after all that the owner before has stored. Every publish names the mark or the revision that it
// follows, so the server refuses the former owner's, however late they come.
func (b *Bus) claim(ctx context.Context, number int, owner string, lose context.CancelFunc) (*Partition, error) {
	p := &Partition{bus: b, number: number, lose: lose}
	ack, err := b.publish(ctx, incidents, p.subject("owner.claim"), incident.Digest(owner, time.Now().String()), map[string]string{"owner": owner})
	if err != nil {
		return nil, fmt.Errorf("claim partition %d: %w", number, err)
	}
	p.last = ack.Sequence
	return p, nil
}

func (p *Partition) subject(rest string) string {
	return fmt.Sprintf("%s.incidents.%d.%s", p.bus.prefix, p.number, rest)
}

// PublishIncident stores one revision, or refuses with ErrLost.
func (p *Partition) PublishIncident(ctx context.Context, i incident.Incident) error {
	body, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("encode incident %s: %w", i.ID, err)
	}
	id := i.ID + "/" + incident.Digest(string(body))[:32]
	p.mu.Lock()
	defer p.mu.Unlock()
	ack, err := p.bus.publish(ctx, incidents, p.subject(i.ID), id, json.RawMessage(body), jetstream.WithExpectLastSequenceForSubject(p.last, p.subject(">")))
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil && (api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		p.lose()
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	if err != nil {
		return fmt.Errorf("publish incident %s revision %d: %w", i.ID, i.Revision, err)
	}
	p.last = max(p.last, ack.Sequence) // of a duplicate it is that of the first
	return nil
}

// ConsumeSignals hands over batches of up to 500, in the order of the stream, until ctx ends. A batch whose handler fails
// comes again, as does one that a former owner took for nothing new: what its owner knows since may be touched by it.
func (p *Partition) ConsumeSignals(ctx context.Context, handle func(context.Context, []incident.Signal) error) error {
	return consume(ctx, p.bus, readSignals(p.number), func(ctx context.Context, batch []incident.Signal) error {
		before := p.stored()
		if err := handle(ctx, batch); err != nil || p.stored() != before { // what was stored was ours to store
			return err
		}
		return p.ours(ctx)
	})
}

// stored is the sequence of the partition's last message, as far as this owner knows.
func (p *Partition) stored() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// ours asks the stream whether the last message of the partition is the one that we know, and fails with ErrLost if not.
func (p *Partition) ours(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	s, err := p.bus.js.Stream(ctx, p.bus.prefix+"-"+incidents)
	if err != nil {
		return fmt.Errorf("ask who owns partition %d: %w", p.number, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, p.subject(">"))
	if err != nil {
		return fmt.Errorf("ask who owns partition %d: %w", p.number, err)
	}
	if m.Sequence != p.last {
		p.lose()
		return ErrLost
	}
	return nil
}

// LastIncidents reads the last revision of every incident of the partition.
func (p *Partition) LastIncidents(ctx context.Context) ([]incident.Incident, error) {
	b := p.bus
	// Not an ordered consumer: between two fetches that goes on with every revision, not with the last ones.
	c, err := b.js.CreateConsumer(ctx, b.prefix+"-"+incidents, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		FilterSubject: p.subject("*"), InactiveThreshold: time.Minute,
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
