package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// provisionalKept is how long a provisional revision is kept: sealed ones say all that it said.
const provisionalKept = time.Hour

// Join is the reading of all folds and of the topology, in one order, and the writing of incidents, in the hands of one owner.
type Join struct {
	*claim
	floor uint64    // what the owner before us had joined
	of    time.Time // when FOLDS was made, which this is the position in
	tally tally

	position uint64
	decoder  *decoder
	space    scratch
	order    order

	mu       sync.Mutex
	epochs   [Partitions]uint64
	pulses   map[int]pulse        // what waits until we have read as far
	topology map[string]time.Time // when that of each cluster was told, or told to be whole
	whole    bool                 // one was told to be whole
	before   bool                 // it was when something was handed over last
	complete bool                 // and all that was stored by then has been handed over
	lacking  bool
}

func (b *Bus) claimJoin(ctx context.Context, owner string, lose context.CancelFunc) (*Join, error) {
	c, err := b.claim(ctx, incidents, "incidents.join", "owner.claim", owner, lose)
	if err != nil {
		return nil, err
	}
	c.alone = true
	s, err := b.js.Stream(ctx, b.prefix+"-"+folds)
	if err != nil {
		return nil, fmt.Errorf("take up the join: %w", err)
	}
	j := &Join{claim: c, of: s.CachedInfo().Created, decoder: newDecoder(), order: order{}, pulses: map[int]pulse{}, topology: map[string]time.Time{}}
	if j.floor, err = b.acknowledged(ctx, readFolds); err != nil {
		return nil, err
	}
	return j, j.takeUp(ctx)
}

// LastIncidents reads the last revision of every incident.
func (j *Join) LastIncidents(ctx context.Context) ([]incident.Incident, error) {
	last := map[string]incident.Incident{}
	// By any owner: before there was one joiner each partition wrote its own.
	err := j.bus.messages(ctx, incidents, jetstream.ConsumerConfig{FilterSubject: j.bus.prefix + readIncidents.only, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy},
		func(m jetstream.Msg) {
			if i := decoded[incident.Incident](ctx, j.bus, m.Subject(), m.Data()); i != nil && i.Revision >= last[i.ID].Revision {
				last[i.ID] = *i
			}
		})
	if err != nil {
		return nil, err
	}
	var list []incident.Incident
	for _, i := range last {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b incident.Incident) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// PublishIncidents stores revisions, in this order. It tries until they are stored, and fails with ErrLost, or when ctx ends.
func (j *Join) PublishIncidents(ctx context.Context, list []incident.Incident) error {
	msgs := make([]*nats.Msg, len(list))
	for n, i := range list {
		body, err := json.Marshal(i)
		if err != nil {
			return fmt.Errorf("encode incident %s: %w", i.ID, err)
		}
		msgs[n] = &nats.Msg{Subject: j.under + "." + i.ID, Data: body, Header: nats.Header{
			jetstream.MsgIDHeader: {fmt.Sprintf("%s/%d/%d", i.ID, j.epoch, i.Revision)}}} // each revision is made once by a joiner
		if i.State == incident.Provisional {
			msgs[n].Header.Set(jetstream.MsgTTLHeader, provisionalKept.String())
		}
	}
	return j.lasting(ctx, msgs...)
}

// Since is the position of the first record that came a time before what was joined last.
func (j *Join) Since(ctx context.Context, before time.Duration) (uint64, error) {
	s, err := j.bus.js.Stream(ctx, j.bus.prefix+"-"+folds)
	if err != nil {
		return 0, fmt.Errorf("find where to begin: %w", err)
	}
	m, err := s.GetMsg(ctx, j.floor)
	if err != nil {
		return 1, nil //nolint:nilerr // it is gone, or there is none: from the first that there is
	}
	return first(ctx, s, m.Time.Add(-before))
}

// Follow hands over what comes from a position on, in order, until ctx ends or handle fails. What handle has returned from is
// acknowledged; what came of it and is not stored by then, the next who joins makes again of the last hour.
func (j *Join) Follow(ctx context.Context, from uint64, handle func(context.Context, []incident.JoinRecord) error) error {
	sub, err := j.bus.nc.Subscribe(j.bus.beatSubject("*"), j.hear)
	if err != nil {
		return fmt.Errorf("listen to the partitions: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed
	j.position = from - 1
	f := &follower{bus: j.bus, reader: readFolds, position: j.position, of: j.of} // another stream is for who claims the join anew
	return f.follow(ctx, func(ctx context.Context, batch []jetstream.Msg, _ time.Time) error {
		j.turn(len(batch) > 0)
		var list []incident.JoinRecord
		for _, m := range batch {
			r, err := j.read(ctx, m)
			if err != nil {
				return err
			}
			if r != nil {
				list = append(list, *r)
			}
		}
		if list = append(list, j.heard(f.position)...); len(list) > 0 {
			if err := handle(ctx, list); err != nil {
				return err
			}
		}
		j.reach()
		return nil
	})
}

// turn of who reads. Where nothing is left, all has been handed over that was stored before it was asked what is; what was told to be
// whole since may be stored since.
func (j *Join) turn(left bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !left {
		j.complete = j.complete || j.before
	}
	j.before = j.whole
}

// read is nil where the message says nothing to the joiner.
func (j *Join) read(ctx context.Context, m jetstream.Msg) (*incident.JoinRecord, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	if meta.Sequence.Stream > j.position+1 {
		j.mu.Lock()
		j.lacking = true
		j.mu.Unlock()
	}
	j.position = meta.Sequence.Stream
	r := &incident.JoinRecord{Position: j.position}
	rest := strings.TrimPrefix(m.Subject(), j.bus.prefix+".folds.")
	if cluster := m.Headers().Get(clusterHeader); cluster != "" || rest == "topology" {
		j.told(cluster, meta.Timestamp)
	}
	if rest == "topology" {
		if r.Changes, err = readTopology(m.Data()); err != nil {
			j.bus.metrics.terminated.WithLabelValues(folds).Inc()
			j.bus.log.ErrorContext(ctx, "skipped records of the topology that cannot be decoded", "error", err)
		}
		j.order.told(m, meta.Timestamp, r.Changes)
		return r, nil
	}
	if strings.HasSuffix(rest, ".claim") {
		var number int
		if _, err := fmt.Sscanf(rest, "%d.claim", &number); err == nil && number < Partitions {
			j.mu.Lock()
			j.epochs[number] = meta.Sequence.Stream
			j.mu.Unlock()
		}
		return nil, nil
	}
	j.space.clear()
	body, err := j.space.loosen(m)
	var fold incident.Fold
	if err == nil {
		fold, err = j.decoder.fold(body)
	}
	if r.Fold = &fold; err != nil {
		j.bus.metrics.terminated.WithLabelValues(folds).Inc()
		j.bus.log.ErrorContext(ctx, "gave up a fold that cannot be decoded", "subject", m.Subject(), "error", err)
		return nil, nil
	}
	if _, total, err := progress(m.Headers()); err == nil {
		j.bus.metrics.dropped.Add(float64(j.tally.count(j.position, fold.Partition, uint64(len(fold.Signals)), total)))
	}
	return r, nil
}

// hear what is said aloud.
func (j *Join) hear(m *nats.Msg) {
	if strings.HasSuffix(m.Subject, ".topology") {
		j.told(m.Header.Get(clusterHeader), time.Now())
		j.mu.Lock()
		j.whole = true
		j.mu.Unlock()
		return
	}
	var p pulse
	if err := json.Unmarshal(m.Data, &p); err != nil || p.Partition < 0 || p.Partition >= Partitions || !p.Of.IsZero() && !p.Of.Equal(j.of) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if old, ok := j.pulses[p.Partition]; !ok || p.Epoch >= old.Epoch {
		j.pulses[p.Partition] = p
	}
}

func (j *Join) told(cluster string, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at.After(j.topology[cluster]) {
		j.topology[cluster] = at
	}
}

// Topology is when that of each cluster was told last, or told to be whole, as far as it was since we read; "" is that of a former
// version, which does not say of which. Lacking says that the stream had let
// go of records before we read them, some of which may have been of the topology.
func (j *Join) Topology() (told map[string]time.Time, lacking bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.topology), j.lacking
}

// Whole reports whether the topology was told to be whole, and all that had been told of it has been handed over.
func (j *Join) Whole() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.complete
}

// heard is what partitions without signals have said about what we have read by now.
func (j *Join) heard(position uint64) (list []incident.JoinRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for number, p := range j.pulses {
		if p.After > position {
			continue
		}
		delete(j.pulses, number)
		if p.Epoch >= j.epochs[number] {
			list = append(list, incident.JoinRecord{Fold: &incident.Fold{Partition: number, Seen: p.Seen}})
		}
	}
	return list
}
