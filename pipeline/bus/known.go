package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TopologySince are the records of the topology behind a position: with the graph of that position, what has been told of the
// clusters so far.
func (j *Join) TopologySince(ctx context.Context, position uint64) ([]incident.GraphChange, error) {
	var list []incident.GraphChange
	var failed error
	err := j.bus.messages(ctx, folds, jetstream.ConsumerConfig{FilterSubject: j.bus.prefix + ".folds.topology",
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: position + 1}, func(m jetstream.Msg) {
		changes, err := readTopology(m.Data())
		if err != nil && failed == nil {
			failed = err
		}
		list = append(list, changes...)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("read what was told of the topology: %w", err)
	}
	return list, nil
}
