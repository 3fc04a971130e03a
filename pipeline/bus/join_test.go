package bus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func node(name string) incident.GraphChange {
	return incident.GraphChange{At: t0, Upsert: &incident.GraphItem{Node: &incident.Node{Resource: incident.Resource{Cluster: "prod", Kind: "Pod", Name: name}}}}
}

// Records of the topology and folds come in one order, whole.
func TestTopologyIsReadInOrderWithTheFolds(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	var many []incident.GraphChange
	for n := range 5000 { // more than one message
		many = append(many, node(fmt.Sprintf("pod-%d", n)))
	}
	if err := b.PublishTopology(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	p := owned(t, b, home)
	foldOf(t, p, some(0, 3))
	if err := b.PublishTopology(t.Context(), []incident.GraphChange{{At: t0, Delete: many[0].Upsert}}); err != nil {
		t.Fatal(err)
	}
	j := joining(t, b)
	got := make(chan incident.JoinRecord, 100)
	joined(t, j, 1, got)
	seen := 0
	for seen < len(many) {
		r := next(t, got)
		if r.Fold != nil {
			t.Fatalf("a fold after %d records", seen)
		}
		for _, c := range r.Changes {
			if c.Upsert == nil || c.Upsert.Node.Key() != many[seen].Upsert.Node.Key() {
				t.Fatalf("%+v as number %d", c, seen)
			}
			seen++
		}
	}
	if r := next(t, got); r.Fold == nil || len(r.Fold.Signals) != 3 || r.Fold.Partition != home {
		t.Errorf("got %+v, want the fold", r)
	}
	if r := next(t, got); len(r.Changes) != 1 || r.Changes[0].Delete == nil {
		t.Errorf("got %+v, want the deletion", r)
	}
	if told, lacking := j.Topology(); time.Since(told[""]) > time.Minute || lacking {
		t.Errorf("told at %v, lacking %v", told, lacking)
	}
	if j.Whole() {
		t.Error("nobody has said that it is whole")
	}
	if err := b.PublishTopology(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for !j.Whole() && t.Context().Err() == nil {
		foldOf(t, p, nil) // so that something is read
		next(t, got)
	}
}

// The topology is told to be whole after its records are stored: they may come behind what is read just now.
func TestWholeIsWhatWasLeftAfterItWasTold(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	j.turn(false)
	j.hear(&nats.Msg{Subject: b.beatSubject("topology")})
	for n, step := range []struct{ left, whole bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		if j.turn(step.left); j.Whole() != step.whole {
			t.Errorf("step %d: whole %v", n, j.Whole())
		}
	}
}

// readings are what is read from the beginning by who joins, and by who captures.
func readings(t *testing.T, b *Bus) map[string]chan incident.JoinRecord {
	t.Helper()
	joins, captures := make(chan incident.JoinRecord, 10), make(chan incident.JoinRecord, 10)
	joined(t, joining(t, b), 1, joins)
	background(t, func(ctx context.Context) error {
		return b.Capture(ctx, 1, time.Time{}, func(_ time.Time, r incident.JoinRecord) error { captures <- r; return nil })
	})
	return map[string]chan incident.JoinRecord{"join": joins, "capture": captures}
}

// Changes of a process whose clock is ahead are of when they were stored, in their order, for who joins and who captures.
func TestAClockThatIsAheadDoesNotHoldTheGraphBack(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	list := []incident.GraphChange{node("a"), node("b"), node("c")}
	for i := range list[1:] {
		list[i+1].At = time.Now().Add(time.Hour + time.Duration(i))
	}
	if err := b.PublishTopology(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for name, c := range readings(t, b) {
		got := next(t, c).Changes
		if len(got) != 3 || !got[0].At.Equal(t0) || got[1].At.After(time.Now().Add(time.Minute)) || !got[2].At.After(got[1].At) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What who follows a cluster next has to say counts for newer than what was said before, though their clock is behind.
func TestAClockThatIsBehindDoesNotUndoTheGraph(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	began := time.Now()
	for n, at := range []time.Time{began, began.Add(-time.Hour), began.Add(-time.Hour)} {
		f, err := b.claimCluster(t.Context(), "eu", fmt.Sprint(n), func() {})
		if err != nil {
			t.Fatal(err)
		}
		change := node(fmt.Sprint(n))
		change.At = at
		if err := f.PublishTopology(t.Context(), []incident.GraphChange{change}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range readings(t, b) {
		var last time.Time
		for n := range 3 {
			got := next(t, c).Changes
			if len(got) != 1 || got[0].Upsert.Node.Name != fmt.Sprint(n) || !got[0].At.After(last) || got[0].At.After(time.Now()) {
				t.Fatalf("%s: as number %d, after %s: %+v", name, n, last, got)
			}
			last = got[0].At
		}
	}
}

// A partition without signals says how far it is, and its word counts when what it had folded before has been read, and only
// where it still owns the partition.
func TestAnIdlePartitionSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	records := make(chan incident.JoinRecord, 100)
	joined(t, j, 1, records)
	former := owned(t, b, home)
	folded(t, owned(t, b, home), make(chan []incident.Signal, 1))
	began := time.Now()
	for seen := (time.Time{}); !seen.After(began); {
		if r := next(t, records); r.Fold != nil && r.Fold.Partition == home {
			seen = r.Fold.Seen
		}
	}
	future := began.Add(time.Hour)
	if err := former.beat(future); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if r := next(t, records); r.Fold != nil && r.Fold.Seen.Equal(future) {
			t.Error("the word of a former owner counts")
		}
	}
	j.hear(&nats.Msg{Data: []byte(fmt.Sprintf(`{"partition":%d,"epoch":1000000,"after":1000000,"seen":%q}`, home, future.Format(time.RFC3339)))})
	if list := j.heard(10); len(list) != 0 {
		t.Errorf("%+v, although it is said of what has not been read", list)
	}
}

// What FOLDS lets go of before it was joined is counted exactly, and the graph counts as lacking.
func TestFoldsThatWereDroppedAreCounted(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Folds = 64 << 10
	b, reg := open(t, limits)
	p := owned(t, b, home)
	records := make(chan incident.JoinRecord, 1000)
	j := joining(t, b)
	stop := joined(t, j, 1, records)
	fold := func(from, to int) { foldOf(t, p, some(from, to)) }
	fold(0, 1)
	for r := next(t, records); r.Fold == nil || len(r.Fold.Signals) == 0; r = next(t, records) {
	}
	stop()
	const sent = 1000
	for n := 1; n < sent; n++ {
		fold(n, n+1)
	}
	joined(t, j, j.position+1, records)
	received := 1
	for newest := ""; newest != signal(sent-1).ID; {
		if r := next(t, records); r.Fold != nil && len(r.Fold.Signals) > 0 {
			received += len(r.Fold.Signals)
			newest = r.Fold.Signals[len(r.Fold.Signals)-1].ID
		}
	}
	if dropped := metric(t, reg, "cortexops_events_dropped_total"); received == sent || received+int(dropped) != sent {
		t.Errorf("%d came and %v were counted as dropped of %d", received, dropped, sent)
	}
	if _, lacking := j.Topology(); !lacking {
		t.Error("the graph counts as whole")
	}
}

func TestProvisionalRevisionsGoByThemselves(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	if err := j.PublishIncidents(t.Context(), []incident.Incident{{ID: "a", State: incident.Provisional}, {ID: "b", State: incident.Sealed}}); err != nil {
		t.Fatal(err)
	}
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+incidents)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": provisionalKept.String(), "b": ""} {
		m, err := s.GetLastMsgForSubject(t.Context(), j.under+"."+id)
		if err != nil || m.Header.Get(jetstream.MsgTTLHeader) != want {
			t.Errorf("%s is kept for %q, %v", id, m.Header.Get(jetstream.MsgTTLHeader), err)
		}
	}
}

// A retry of what was stored although its answer was lost stores nothing twice, and goes on.
func TestARetryStoresNothingTwice(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	var list []incident.Incident
	for n := range 600 {
		list = append(list, incident.Incident{ID: fmt.Sprintf("i%d", n), State: incident.Sealed, Revision: 1})
	}
	before := j.last
	if err := j.PublishIncidents(t.Context(), list[:300]); err != nil {
		t.Fatal(err)
	}
	j.last = before // as if nothing had been answered
	if err := j.PublishIncidents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	s, err := b.js.Stream(t.Context(), b.prefix+"-"+incidents)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 601 {
		t.Errorf("%d messages are stored, want 600 and the claim", n)
	}
}

// However large the incidents are, the join is taken over: the server cuts off who is sent more than it reads.
func TestTheJoinIsTakenOverWithLargeIncidents(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Incidents = 128 * mib
	b, _ := open(t, limits)
	const many = 120
	var list []incident.Incident
	for n := range many {
		list = append(list, incident.Incident{ID: fmt.Sprintf("i%03d", n), State: incident.Sealed, Revision: 1, Signals: []incident.Signal{{Name: strings.Repeat("x", 850_000)}}})
	}
	if err := joining(t, b).PublishIncidents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	got, err := joining(t, b).LastIncidents(t.Context())
	if err != nil || len(got) != many {
		t.Errorf("took up %d incidents of %d, %v", len(got), many, err)
	}
}
