package bus

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// tally of the joiner is how many signals of each partition have been joined. What FOLDS let go of before is missing in it, and in
// the next fold of the partition, which says how many there were.
type tally struct {
	Of       time.Time      `json:"of"`       // when FOLDS was made that this is the position in
	Position uint64         `json:"position"` // all up to there has been joined
	Totals   map[int]uint64 `json:"totals"`   // by partition

	whole bool // a partition that is not in it has had nothing joined; else nobody knows
}

// takeUp the tally of who joined before us. It is sent before what is joined is acknowledged, so that one which is behind that has been
// lost.
func (j *Join) takeUp(ctx context.Context) error {
	j.tally = tally{Of: j.of, Position: j.floor, Totals: map[int]uint64{}, whole: j.floor == 0}
	return j.bus.messages(ctx, reached, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}, func(m jetstream.Msg) {
		// Whoever wrote it: how much there was up to a position is so for everybody.
		if t := decoded[tally](ctx, j.bus, m.Subject(), m.Data()); t != nil && t.Of.Equal(j.of) && t.Position >= j.tally.Position && t.Totals != nil {
			j.tally, j.tally.whole = *t, true
		}
	})
}

// reach is said when all up to the position has been joined.
func (j *Join) reach() {
	if j.position <= j.tally.Position { // it was read again
		return
	}
	j.tally.Position = j.position
	if body, err := json.Marshal(j.tally); err == nil {
		_ = j.bus.nc.Publish(j.bus.prefix+".joined."+strconv.FormatUint(j.epoch, 10), body) // one that is lost is followed by another
	}
}

// count a fold that holds so many signals, of a partition whose folds have held so many in all. It returns how many were dropped.
func (t *tally) count(position uint64, partition int, held, total uint64) (dropped uint64) {
	before, known := t.Totals[partition]
	fresh := position > t.Position
	if fresh && (known || t.whole) && total > before+held {
		dropped = total - before - held
	}
	if fresh || total > before { // what is read again is behind
		t.Totals[partition] = total
	}
	return dropped
}
