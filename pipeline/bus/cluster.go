package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// clusterHeader says whose topology is told.
const clusterHeader = "Cortexops-Cluster"

// Following is the right to tell the topology of one cluster, in the hands of one owner. What another process tells of that cluster
// after it was replaced, the stream refuses.
type Following struct {
	*claim
	cluster string
	known   *Join     // which it only reads
	marks   int       // that were stored since the claim
	marked  time.Time // when the last one was
}

// token is a cluster's name as a part of subjects.
func token(cluster string) string { return incident.Digest(cluster)[:12] }

func (b *Bus) claimCluster(ctx context.Context, cluster, owner string, lose context.CancelFunc) (*Following, error) {
	c, err := b.claim(ctx, folds, "folds.cluster."+token(cluster), "claim", owner, lose)
	if err != nil {
		return nil, err
	}
	floor, err := b.acknowledged(ctx, readFolds)
	return &Following{claim: c, cluster: cluster, known: &Join{claim: c, floor: floor}, marked: time.Now()}, err
}

// LoadGraph, TopologySince and LastIncidents are as whoever joins reads them: with the claim made, nobody else adds to what they
// say of our cluster.
func (f *Following) LoadGraph(ctx context.Context) (*GraphSnapshot, error) {
	return f.known.LoadGraph(ctx)
}

// TopologySince a position.
func (f *Following) TopologySince(ctx context.Context, position uint64) ([]incident.GraphChange, error) {
	return f.known.TopologySince(ctx, position)
}

// LastIncidents of all clusters.
func (f *Following) LastIncidents(ctx context.Context) ([]incident.Incident, error) {
	return f.known.LastIncidents(ctx)
}

// PublishTopology is as that of Bus, and fails with ErrLost once another process follows the cluster. Now and again it stores a
// mark: the claim would leave the stream with its age, and a joiner that begins later reads from the mark who tells of what.
func (f *Following) PublishTopology(ctx context.Context, list []incident.GraphChange) error {
	if time.Since(f.marked) >= durably {
		if err := f.mark(ctx); err != nil {
			return err
		}
	}
	bodies, err := topologyBodies(list)
	if err != nil {
		return err
	}
	if len(bodies) == 0 {
		return f.bus.whole(f.cluster)
	}
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	defer f.bus.timed(folds)()
	for _, body := range bodies { // a replicated stream takes one at a time that follows the same
		_, err := f.bus.js.PublishMsg(ctx, f.bus.topology(f.cluster, body), jetstream.WithExpectLastSequenceForSubject(f.last, f.under+".>"))
		if err != nil && wrongSequence(err) {
			f.lose()
			return fmt.Errorf("publish topology: %w: %w", ErrLost, err)
		}
		if err != nil {
			return fmt.Errorf("publish topology: %w", err)
		}
	}
	return nil
}

func (f *Following) mark(ctx context.Context) error {
	err := f.publish(ctx, &nats.Msg{Subject: f.under + ".claim", Header: nats.Header{
		jetstream.MsgIDHeader: {fmt.Sprintf("%s/%d/%d", f.under, f.epoch, f.marks+1)}, clusterHeader: {f.cluster}}})
	if err == nil {
		f.marks, f.marked = f.marks+1, time.Now()
	}
	return err
}
