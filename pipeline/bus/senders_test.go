package bus

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// What was in the messages that a stream has let go of is counted by what their senders say afterwards.
func TestSignalsInAGapAreCounted(t *testing.T) {
	t.Parallel()
	type message struct {
		sender  string
		sent    string
		gap     uint64 // messages
		signals int
		dropped uint64
	}
	for name, test := range map[string]struct {
		ledger string
		list   []message
	}{
		"none":                {list: []message{{"a", "0", 0, 5, 0}, {"b", "0", 0, 2, 0}, {"a", "5", 0, 5, 0}}},
		"of one":              {list: []message{{"a", "0", 0, 5, 0}, {"a", "25", 3, 5, 20}, {"a", "30", 0, 5, 0}}},
		"of two, interleaved": {list: []message{{"a", "0", 0, 5, 0}, {"b", "0", 0, 1, 0}, {"a", "15", 3, 5, 10}, {"b", "3", 0, 1, 2}}},
		"before the first":    {list: []message{{"a", "40", 4, 5, 40}, {"b", "7", 0, 1, 7}, {"a", "45", 0, 1, 0}}},
		"a duplicate is none": {list: []message{{"a", "0", 0, 5, 0}, {"a", "10", 0, 5, 0}, {"a", "10", 0, 5, 0}, {"a", "20", 1, 1, 5}}},
		"nobody knows":        {ledger: "-", list: []message{{"a", "4000", 3, 5, 3}, {"a", "4015", 1, 1, 10}}},
		"taken over":          {ledger: "a=4000", list: []message{{"a", "4010", 2, 5, 10}, {"b", "2", 0, 1, 2}}},
		"taken over, no gap":  {ledger: "a=4000", list: []message{{"b", "2", 0, 1, 0}, {"a", "4000", 0, 1, 0}}},
		"a former version":    {list: []message{{"", "", 0, 1, 0}, {"", "", 7, 1, 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := nats.Header{}
			if test.ledger != "-" {
				h.Set(sendersHeader, test.ledger)
			}
			l := ledgerOf(h)
			for n, m := range test.list {
				h := nats.Header{}
				if m.sender != "" {
					h.Set(senderHeader, m.sender)
					h.Set(sentHeader, m.sent)
				}
				if got := l.message(h, uint64(n), m.gap, m.signals); got != m.dropped {
					t.Errorf("message %d: %d dropped, want %d", n, got, m.dropped)
				}
				h.Set(sendersHeader, l.String()) // and so for the next owner
				again := ledgerOf(h)
				if again.String() != l.String() {
					t.Errorf("message %d: %q becomes %q", n, l.String(), again.String())
				}
				if !l.blind {
					l = again // whose count is the same
				}
			}
		})
	}
}
