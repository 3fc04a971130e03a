package correlate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// records is a bus without a server.
type records struct {
	mu     sync.Mutex // of what is stored
	list   []incident.JoinRecord
	stored []incident.Incident
	from   uint64
	err    error // of the next publish
}

func (r *records) LastIncidents(context.Context) ([]incident.Incident, error) {
	last := map[string]incident.Incident{}
	for _, i := range r.stored {
		last[i.ID] = i
	}
	var list []incident.Incident
	for _, i := range last {
		list = append(list, i)
	}
	return list, nil
}

func (r *records) Since(context.Context, time.Duration) (uint64, error) { return 1, nil }

func (r *records) Follow(ctx context.Context, from uint64, handle func(context.Context, []incident.JoinRecord) error) error {
	r.from = from
	for n, rec := range r.list {
		rec.Position = uint64(n) + 1
		if rec.Position < from {
			continue
		}
		if err := handle(ctx, []incident.JoinRecord{rec}); err != nil {
			return err
		}
	}
	return nil
}

func (r *records) PublishIncidents(_ context.Context, list []incident.Incident) error {
	if r.err != nil {
		return r.err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored = append(r.stored, list...)
	return nil
}

func (r *records) states() (list []string) {
	for _, i := range r.stored {
		list = append(list, fmt.Sprintf("%s %s r%d", i.Root.Name, i.State, i.Revision))
	}
	return list
}

func (r *records) fold(partition int, seen float64, list ...incident.Signal) {
	r.list = append(r.list, incident.JoinRecord{Fold: &incident.Fold{Partition: partition, Signals: list, Seen: at(seen)}})
}

func joining(t *testing.T, r *records, o JoinOptions) error {
	t.Helper()
	o.Partitions, o.Metrics = 2, NewMetrics(prometheus.NewRegistry())
	return Join(t.Context(), NewJoiner(JoinerOptions{Graph: line("web", "db"), Settle: settle, Apply: func(incident.GraphChange) error { return nil }, Announce: true}), r, o)
}

func TestThePartitionFurthestBehindHoldsTheSealing(t *testing.T) {
	t.Parallel()
	r := &records{}
	r.fold(0, 1, on("Oom", "db", 0, 1))
	r.fold(0, 60)
	if err := joining(t, r, JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := r.states(); !slices.Equal(got, []string{"db provisional r1"}) {
		t.Errorf("nobody knows what the other partition holds, and stored is %v", got)
	}
	r.fold(1, 60, on("Slow", "web", 2, 8)) // before the sealing is due, and read after it
	if err := joining(t, r, JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := r.states(); !slices.Equal(got, []string{"db provisional r1", "web provisional r1", "db sealed r2"}) {
		t.Errorf("stored %v", got)
	}
	if last := r.stored[2]; len(last.Members) != 2 || last.Graph == "" {
		t.Errorf("sealed as %+v", last)
	}
	before := len(r.stored)
	if err := joining(t, r, JoinOptions{}); err != nil { // all is read again
		t.Fatal(err)
	}
	if len(r.stored) != before {
		t.Errorf("told again: %v", r.states()[before:])
	}
}

// slow does not store what is sealed before it has stored the first word about an incident on web.
type slow struct {
	*records
	heard chan struct{}
}

func (s *slow) PublishIncidents(ctx context.Context, list []incident.Incident) error {
	for _, i := range list {
		switch {
		case i.State == incident.Sealed:
			select {
			case <-s.heard:
			case <-time.After(20 * time.Second):
				return errors.New("the first word about web has to wait")
			}
		case i.Root.Name == "web":
			close(s.heard)
		}
	}
	return s.records.PublishIncidents(ctx, list)
}

func TestTheFirstWordWaitsForNoRevision(t *testing.T) {
	t.Parallel()
	r := &slow{records: &records{}, heard: make(chan struct{})}
	r.fold(0, 1, on("Oom", "db", 0, 1))
	r.fold(1, 60)
	r.fold(0, 60) // db is sealed
	r.fold(0, 61, on("Slow", "web", 50, 61))
	o := JoinOptions{Partitions: 2, Metrics: NewMetrics(prometheus.NewRegistry())}
	if err := Join(t.Context(), NewJoiner(JoinerOptions{Graph: line("web", "db"), Settle: settle, Announce: true}), r, o); err != nil {
		t.Fatal(err)
	}
	if got := r.states(); !slices.Equal(got, []string{"db provisional r1", "web provisional r1", "db sealed r2"}) {
		t.Errorf("stored %v", got)
	}
}

func TestWhatIsNotStoredIsNotLetGo(t *testing.T) {
	t.Parallel()
	away := errors.New("no servers")
	r := &records{err: away}
	r.fold(0, 1, on("Oom", "db", 0, 1))
	if err := joining(t, r, JoinOptions{}); !errors.Is(err, away) {
		t.Errorf("%v, although nothing was stored", err)
	}
}

// A snapshot of the graph is taken up with the records that were not in it.
func TestTheGraphIsKeptWithItsPosition(t *testing.T) {
	t.Parallel()
	r := &records{}
	change := func(seconds float64) {
		c := incident.GraphChange{At: at(seconds), Upsert: &incident.GraphItem{Node: &incident.Node{Resource: app("db")}}}
		r.list = append(r.list, incident.JoinRecord{Changes: []incident.GraphChange{c}})
	}
	change(1)
	r.fold(0, 10)
	r.fold(1, 10)
	change(20) // waits for its time
	r.fold(0, 15)
	kept := uint64(0)
	if err := joining(t, r, JoinOptions{Keep: func(position uint64, _ time.Time) { kept = position }}); err != nil {
		t.Fatal(err)
	}
	if kept != 3 {
		t.Errorf("kept with position %d, want 3: what is behind it is not in the graph", kept)
	}
	if err := joining(t, r, JoinOptions{Position: 3}); err != nil || r.from != 1 {
		t.Errorf("read from %d, %v: what was joined within the horizon is read again", r.from, err)
	}
}

// stage is a partition without a server.
type stage struct{ former []incident.Fold }

func (p stage) Former(_ context.Context, _ time.Time, take func(incident.Fold)) error {
	for _, f := range p.former {
		take(f)
	}
	return nil
}

func (p stage) Fold(_ context.Context, fold func([]incident.Signal) incident.Fold) error {
	f := fold([]incident.Signal{on("Oom", "db", 0, 1), on("Slow", "db", 0, 3), on("Slow", "db", 0, 3)})
	if len(f.Signals) != 1 || f.Signals[0].Name != "Slow" || !f.Seen.Equal(at(3)) {
		return fmt.Errorf("folded %+v", f)
	}
	return nil
}

func TestWhatFormerOwnersFoldedIsNotFoldedAgain(t *testing.T) {
	t.Parallel()
	former := incident.Fold{Signals: []incident.Signal{on("Oom", "db", 0, 1)}}
	if err := Fold(t.Context(), stage{[]incident.Fold{former}}, NewMetrics(prometheus.NewRegistry())); err != nil {
		t.Error(err)
	}
}

// Of an alert on many pods of a workload some go on with their text, and all with what correlation reads.
func TestTheTextOfMostIsFoldedAway(t *testing.T) {
	t.Parallel()
	d := NewDedupe()
	var list []incident.Signal
	for i := range 100 {
		for _, app := range []string{"checkout", "cart"} {
			s := fire("Oom", fmt.Sprintf("%s-6b7f9c8d5-%05d", app, i), 0, 1)
			s.Labels = map[string]string{"alertname": "Oom", "trace_id": "x"}
			if app == "cart" { // several objects, of which the graph chooses
				maps.Copy(s.Labels, map[string]string{"namespace": "shop", "pod": s.Subject.Name, "node": "n1"})
			}
			s.Annotations = map[string]string{"summary": "killed"}
			list = append(list, s)
		}
	}
	whole := 0
	for i, s := range d.Fold(list).Signals {
		if s.Annotations != nil {
			whole++
		}
		if !slices.Equal(incident.Named(s.Labels), incident.Named(list[i].Labels)) || s.Labels["trace_id"] != "x" || s.ID != list[i].ID || s.Subject != list[i].Subject {
			t.Errorf("%+v", s)
		}
	}
	if whole != 2*textual {
		t.Errorf("%d have their text, want %d", whole, 2*textual)
	}
}

// At the first start nothing is judged before the first look at the cluster, and nothing that came before is left out.
func TestNothingIsJudgedBeforeItIsReady(t *testing.T) {
	t.Parallel()
	r := &records{}
	r.fold(0, 60, on("Oom", "db", 0, 1))
	r.fold(1, 60)
	asked := 0
	if err := joining(t, r, JoinOptions{Ready: func() bool { asked++; return false }}); err != nil {
		t.Fatal(err)
	}
	if len(r.stored) > 0 || asked != 2 {
		t.Errorf("asked %d times, stored %v", asked, r.states())
	}
	asked = 0
	if err := joining(t, r, JoinOptions{Ready: func() bool { asked++; return asked == 2 }}); err != nil {
		t.Fatal(err)
	}
	if got := r.states(); !slices.Equal(got, []string{"db provisional r1", "db sealed r2"}) {
		t.Errorf("stored %v", got)
	}
	storm := &records{}
	for range heldMost/1000 + 1 {
		storm.fold(0, 1, slices.Repeat([]incident.Signal{on("Oom", "db", 0, 1)}, 1000)...)
	}
	if err := joining(t, storm, JoinOptions{Ready: func() bool { return false }}); err != nil {
		t.Fatal(err)
	}
	if len(storm.stored) == 0 {
		t.Error("a storm is held without end")
	}
}
