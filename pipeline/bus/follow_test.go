package bus

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// numbered is a message of which nothing but its numbers is asked.
type numbered struct {
	jetstream.Msg
	meta jetstream.MsgMetadata
}

func (n numbered) Metadata() (*jetstream.MsgMetadata, error) { return &n.meta, nil }
func (n numbered) Headers() nats.Header                      { return nil }
func (n numbered) Data() []byte                              { return nil }
func (n numbered) Ack() error                                { return nil }

// once answers one request.
type once struct {
	jetstream.Consumer
	answer answered
}

func (o once) Fetch(int, ...jetstream.FetchOpt) (jetstream.MessageBatch, error) { return o.answer, nil }

type answered chan jetstream.Msg

func (a answered) Messages() <-chan jetstream.Msg { return a }
func (a answered) Error() error                   { return nil }

// What came in order before a gap is handled, and reading goes on behind it: nothing is passed over, also where something comes
// again behind the gap.
func TestNothingIsPassedOverAtAGap(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small) // whose server has nothing of it any more
	type delivery struct{ number, stream, times uint64 }
	for name, tc := range map[string]struct {
		come []delivery
		want []uint64
		err  error
	}{
		"one is lost":                        {[]delivery{{1, 11, 1}, {2, 12, 1}, {4, 14, 1}}, []uint64{11, 12}, errOrder},
		"the first is lost":                  {[]delivery{{2, 12, 1}}, nil, errOrder},
		"one is lost before one comes again": {[]delivery{{1, 11, 1}, {3, 11, 2}, {4, 13, 1}}, []uint64{11}, errOrder},
		"one comes again":                    {[]delivery{{1, 11, 1}, {2, 11, 2}, {3, 12, 1}}, []uint64{11, 12}, nil},
		"the server has let go of some":      {[]delivery{{1, 11, 1}, {2, 15, 1}}, []uint64{11, 15}, nil},
		"of another stream":                  {[]delivery{{1, 11, 1}, {2, 1, 1}}, []uint64{11}, errOrder},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			come := make(answered, len(tc.come))
			for _, d := range tc.come {
				come <- numbered{meta: jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Consumer: d.number, Stream: d.stream}, NumDelivered: d.times}}
			}
			close(come)
			f := &follower{bus: b, reader: readFolds, position: 10}
			var handled []uint64
			_, failed, err := f.round(t.Context(), once{answer: come}, 1, func(_ context.Context, batch []jetstream.Msg, _ time.Time) error {
				for _, m := range batch {
					handled = append(handled, m.(numbered).meta.Sequence.Stream)
				}
				return nil
			})
			behind := uint64(10)
			if n := len(tc.want); n > 0 {
				behind = tc.want[n-1]
			}
			if !errors.Is(err, tc.err) || failed != nil || !slices.Equal(handled, tc.want) || f.position != behind {
				t.Errorf("handled %v and goes on behind %d: %v, %v", handled, f.position, failed, err)
			}
		})
	}
}
