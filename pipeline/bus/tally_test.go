package bus

import (
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// What FOLDS let go of while nobody joined is counted by the next who does, though nothing is left of what had been joined before: of a
// partition that had told before, and of one that had not.
func TestFoldsThatWereDroppedBeforeTheFirstReadAreCounted(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Folds = 64 << 10
	b, reg := open(t, limits)
	read := func(want string) (received int) {
		t.Helper()
		records := make(chan incident.JoinRecord, 1000)
		j := joining(t, b)
		from, err := j.Since(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		stop := joined(t, j, from, records)
		defer stop()
		for newest := ""; newest != want; {
			if r := next(t, records); r.Fold != nil && len(r.Fold.Signals) > 0 {
				received += len(r.Fold.Signals)
				newest = r.Fold.Signals[len(r.Fold.Signals)-1].ID
			}
		}
		return received
	}
	p := owned(t, b, home)
	foldOf(t, p, some(0, 7))
	received := read(signal(6).ID)
	if n := metric(t, reg, "cortexops_events_dropped_total"); n != 0 {
		t.Fatalf("%v were dropped of a fresh installation", n)
	}
	late := owned(t, b, home+1)
	sent := 7
	for ; sent < 1000; sent++ {
		foldOf(t, []*Partition{p, late}[sent%2], some(sent, sent+1))
	}
	received += read(signal(sent - 1).ID)
	if dropped := metric(t, reg, "cortexops_events_dropped_total"); received == sent || received+int(dropped) != sent {
		t.Errorf("%d came and %v were counted as dropped of %d", received, dropped, sent)
	}
	before := metric(t, reg, "cortexops_events_dropped_total")
	foldOf(t, p, some(sent, sent+1))
	read(signal(sent).ID) // and again what is left
	if n := metric(t, reg, "cortexops_events_dropped_total"); n != before {
		t.Errorf("%v were counted twice", n-before)
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tally
		position uint64
		held     uint64
		total    uint64
		dropped  uint64
	}{
		"the first there is":               {tally{Totals: map[int]uint64{}, whole: true}, 1, 5, 5, 0},
		"the first that is left":           {tally{Totals: map[int]uint64{}, whole: true}, 9, 5, 25, 20},
		"of a version that kept no tally":  {tally{Position: 7, Totals: map[int]uint64{}}, 9, 5, 25, 0},
		"the next":                         {tally{Position: 7, Totals: map[int]uint64{0: 20}}, 8, 5, 25, 0},
		"after a gap":                      {tally{Position: 7, Totals: map[int]uint64{0: 20}}, 9, 5, 30, 5},
		"read again":                       {tally{Position: 9, Totals: map[int]uint64{0: 20}, whole: true}, 9, 5, 15, 0},
		"of a partition that began anew":   {tally{Position: 7, Totals: map[int]uint64{0: 20}}, 9, 5, 5, 0},
		"whose first is not the first now": {tally{Position: 7, Totals: map[int]uint64{1: 20}, whole: true}, 9, 5, 8, 3},
	} {
		if got := test.count(test.position, 0, test.held, test.total); got != test.dropped {
			t.Errorf("%s: %d dropped, want %d", name, got, test.dropped)
		}
		again := test.Totals[0] > test.total
		if n := test.count(test.position+1, 0, 1, test.Totals[0]+1); n != 0 && !again {
			t.Errorf("%s: %d dropped of the next", name, n)
		}
	}
}
