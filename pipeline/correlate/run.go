package correlate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	again    = 500 * time.Millisecond // after a bus that failed
	keeping  = 10 * time.Minute       // between two snapshots of the graph
	telling  = time.Second            // between two revisions of one state
	earliest = 1                      // position
	heldMost = 100_000                // signals that wait until the joiner is ready
)

// Partition is where the signals of one partition come from, and its folds go to. When the partition is lost, the context of
// Fold ends.
type Partition interface {
	Former(ctx context.Context, since time.Time, take func(incident.Fold)) error
	Fold(ctx context.Context, fold func([]incident.Signal) incident.Fold) error
}

// Records is what the joiner reads and writes. When another joins, the context of Join ends.
type Records interface {
	LastIncidents(ctx context.Context) ([]incident.Incident, error)
	Since(ctx context.Context, before time.Duration) (position uint64, err error)
	Follow(ctx context.Context, from uint64, handle func(context.Context, []incident.JoinRecord) error) error
	PublishIncidents(ctx context.Context, list []incident.Incident) error
}

// JoinOptions of Join.
type JoinOptions struct {
	Partitions int
	Position   uint64                              // of the records that are in the graph already; 0: it is empty
	Ready      func() bool                         // nothing is judged before, unless it is too much to be held; nil: at once
	Keep       func(position uint64, at time.Time) // keeps the graph, in which all records up to there are; nil: nobody does
	Worked     func(now time.Time, behind int)     // is told up to when all is worked off, and which partition that waits for; nil: nobody is
	Metrics    *Metrics
	Log        *slog.Logger
}

// Metrics of both stages.
type Metrics struct {
	latency   prometheus.Histogram
	incidents *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	m := &Metrics{
		latency: auto.NewHistogram(prometheus.HistogramOpts{Name: "cortexops_correlation_latency_seconds",
			Help:    "From the acceptance of the first signal of an outbreak to the storing of the sealed incident.",
			Buckets: []float64{.25, .5, 1, 1.5, 2, 3, 5, 8, 10, 10.5, 11, 12, 13, 15, 20, 30, 60, 300}}),
		incidents: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_incidents_total",
			Help: "Incidents that came into a state."}, []string{"state"}),
		outcomes: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_signals_correlated_total",
			Help: "Signals by what became of them: new or duplicate to their partition, and of the new ones those that came late to the joiner."}, []string{"outcome"}),
	}
	for _, o := range []string{"new", "duplicate", "late"} { // a rate needs a zero before the first one
		m.outcomes.WithLabelValues(o)
	}
	return m
}

// Fold runs the first stage of one partition until ctx ends. What former owners have let through within the horizon is not
// let through again.
func Fold(ctx context.Context, p Partition, m *Metrics) error {
	d := NewDedupe()
	if err := p.Former(ctx, time.Now().Add(-horizon), func(f incident.Fold) { d.Fold(f.Signals) }); err != nil {
		return fmt.Errorf("take up the former folds: %w", err)
	}
	return p.Fold(ctx, func(list []incident.Signal) incident.Fold {
		f := d.Fold(list)
		m.outcomes.WithLabelValues("new").Add(float64(len(f.Signals)))
		m.outcomes.WithLabelValues("duplicate").Add(float64(len(list) - len(f.Signals)))
		return f
	})
}

// Join takes an empty joiner up from the incidents that were told, has it read again all records since a horizon ago, and feeds
// it until ctx ends. Revisions are stored behind its back, those of one incident in order, so that those of a large incident do
// not hold up the first word about another; what a joiner has read and not stored, the next one makes again of that horizon.
func Join(ctx context.Context, j *Joiner, r Records, o JoinOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &driver{joiner: j, records: r, JoinOptions: o, seen: make([]time.Time, o.Partitions), clean: o.Position, kept: time.Now()}
	known, from, err := d.begin(ctx)
	if err != nil {
		return err
	}
	j.Restore(known)
	o.Log.InfoContext(ctx, "joining", "incidents", len(known), "from", from)
	d.telling = d.tell(ctx)
	err = r.Follow(ctx, from, d.handle)
	if failed := d.telling.end(); err == nil && ctx.Err() == nil {
		err = failed
	}
	d.keep()
	return err
}

// begin says where. A bus that hangs is waited for: webhooks are answered meanwhile.
func (d *driver) begin(ctx context.Context) (known []incident.Incident, from uint64, err error) {
	for {
		if known, err = d.records.LastIncidents(ctx); err == nil {
			from, err = d.records.Since(ctx, horizon)
		}
		if err == nil {
			return known, max(min(from, d.Position+1), earliest), nil
		}
		d.Log.WarnContext(ctx, "the incidents cannot be taken up, trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("take up the incidents: %w", err)
		case <-time.After(again):
		}
	}
}

// driver joins the joiner and the bus.
type driver struct {
	JoinOptions
	joiner  *Joiner
	records Records
	seen    []time.Time // by partition
	late    int
	held    []incident.JoinRecord // until it is ready
	holds   int                   // signals, in these
	ready   bool
	telling *teller

	clean   uint64 // the position up to which all changes of the graph are worked off
	pending []waiting
	read    uint64
	kept    time.Time
}

// waiting is a position whose changes are worked off when the joiner is behind their time.
type waiting struct {
	position uint64
	until    time.Time
}

func (d *driver) handle(ctx context.Context, list []incident.JoinRecord) error {
	d.held = append(d.held, list...)
	if !d.ready {
		for _, r := range list {
			if r.Fold != nil {
				d.holds += len(r.Fold.Signals)
			}
		}
		if d.ready = d.Ready == nil || d.Ready() || d.holds > heldMost; !d.ready {
			return nil
		}
	}
	for _, r := range d.held {
		d.take(r)
	}
	clear(d.held)
	d.held = d.held[:0]
	if err := d.telling.announce(ctx, d.joiner.announced()); err != nil {
		return err
	}
	behind, last := d.seen[0], 0
	for partition, at := range d.seen {
		if at.Before(behind) {
			behind, last = at, partition
		}
	}
	if err := d.telling.add(ctx, d.joiner.Advance(behind)); err != nil {
		return err
	}
	d.Metrics.outcomes.WithLabelValues("late").Add(float64(d.joiner.Late - d.late))
	d.late = d.joiner.Late
	if d.Worked != nil {
		d.Worked(d.joiner.Now(), last)
	}
	d.settle()
	if time.Since(d.kept) > keeping {
		d.keep()
	}
	return nil
}

func (d *driver) take(r incident.JoinRecord) {
	d.read = max(d.read, r.Position)
	if f := r.Fold; f != nil {
		for i := range f.Signals {
			d.joiner.add(&f.Signals[i])
		}
		if f.Partition < len(d.seen) {
			d.seen[f.Partition] = later(d.seen[f.Partition], f.Seen)
		}
	}
	if len(r.Changes) == 0 {
		return
	}
	w := waiting{position: r.Position}
	for _, c := range r.Changes {
		d.joiner.Change(c)
		w.until = later(w.until, c.At)
	}
	d.pending = append(d.pending, w)
}

// settle finds out up to where the graph is whole.
func (d *driver) settle() {
	for len(d.pending) > 0 && d.pending[0].until.Before(d.joiner.Now()) {
		d.clean, d.pending = d.pending[0].position, d.pending[1:]
	}
	if len(d.pending) == 0 {
		d.clean = max(d.clean, d.read)
	}
}

func (d *driver) keep() {
	d.kept = time.Now()
	if d.Keep != nil && !d.joiner.Now().IsZero() && d.read >= d.Position { // else the one that was taken up is better
		d.Keep(d.clean, d.joiner.Now())
	}
}
