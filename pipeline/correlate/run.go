package correlate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	tick = 200 * time.Millisecond
	idle = 500 * time.Millisecond // without a batch for this long, there is no backlog
)

// Bus is where the signals of one partition come from and its incidents go to. When the partition is lost, the context of
// Run ends.
type Bus interface {
	LastIncidents(ctx context.Context) ([]incident.Incident, error)
	ConsumeSignals(ctx context.Context, handle func(context.Context, []incident.Signal) error) error
	PublishIncident(ctx context.Context, i incident.Incident) error
}

// RunOptions of Run.
type RunOptions struct {
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// Run takes the engine up from the incidents on the bus and feeds it until ctx ends. A batch of signals is acknowledged
// after every revision that they led to is stored; after a crash they come again and change nothing.
func Run(ctx context.Context, e *Engine, bus Bus, o RunOptions) error {
	d := newDriver(e, bus, o)
	known, err := bus.LastIncidents(ctx)
	for ; err != nil; known, err = bus.LastIncidents(ctx) { // a bus that hangs is waited for: webhooks are answered meanwhile
		d.log.WarnContext(ctx, "the incidents cannot be taken up, trying again", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("take up the incidents: %w", err)
		case <-time.After(idle):
		}
	}
	e.Restore(known)
	d.batch = d.now() // the backlog is still to come: taking up may have lasted longer than idle
	d.log.InfoContext(ctx, "correlating", "incidents", len(known))
	ctx, cancel := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	ticking.Go(func() { d.ticks(ctx) })
	err = bus.ConsumeSignals(ctx, d.handle)
	cancel()
	ticking.Wait()
	return err
}

// driver joins the engine and the bus. The lock makes one thing of a batch or a tick and its publishing, so that
// revisions are stored in the order in which they were made.
type driver struct {
	mu       sync.Mutex
	engine   *Engine
	bus      Bus
	pending  []Revision // made and not yet stored, in order
	accepted time.Time  // the latest acceptance seen
	batch    time.Time  // when the last batch came
	failing  bool

	log *slog.Logger
	now func() time.Time
	*Metrics
}

// Metrics of all engines of a process together.
type Metrics struct {
	latency   prometheus.Histogram
	incidents *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
}

func newDriver(e *Engine, bus Bus, o RunOptions) *driver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	return &driver{engine: e, bus: bus, log: o.Log, now: o.Now, batch: o.Now(), Metrics: o.Metrics}
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		latency: auto.NewHistogram(prometheus.HistogramOpts{Name: "cortexops_correlation_latency_seconds",
			Help:    "From the acceptance of an incident's first signal to the storing of the sealed incident.",
			Buckets: []float64{.25, .5, 1, 1.5, 2, 3, 5, 8, 10, 10.5, 11, 12, 15, 20, 30, 60, 300}}),
		incidents: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_incidents_total",
			Help: "Incidents that came into a state."}, []string{"state"}),
		outcomes: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_signals_correlated_total",
			Help: "Signals by what became of them."}, []string{"outcome"}),
	}
}

// handle one batch. In the order of acceptance, and sealing on the way what would have been sealed by then.
func (d *driver) handle(ctx context.Context, batch []incident.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batch = d.now()
	if err := d.flush(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(batch, func(a, b incident.Signal) int { return a.AcceptedAt.Compare(b.AcceptedAt) })
	for _, s := range batch {
		if d.engine.Overdue(s.AcceptedAt) {
			d.pending = append(d.pending, d.engine.Due(s.AcceptedAt)...)
		}
		d.outcomes.WithLabelValues(string(d.engine.Add(s))).Inc()
		d.accepted = later(d.accepted, s.AcceptedAt)
	}
	d.pending = append(d.pending, d.engine.Due(d.accepted)...)
	return d.flush(ctx)
}

func (d *driver) ticks(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.tick(ctx)
		}
	}
}

// tick moves the time on when no signal does. While batches come, time is that of their acceptance: a backlog must not be
// sealed by a clock that is ahead of it.
func (d *driver) tick(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.flush(ctx)
	if now := d.now(); err == nil && now.Sub(d.batch) >= idle {
		d.pending = append(d.pending, d.engine.Due(now)...)
		err = d.flush(ctx)
	}
	if err != nil && !d.failing && ctx.Err() == nil {
		d.log.ErrorContext(ctx, "incidents cannot be stored, trying again", "error", err)
	}
	d.failing = err != nil
}

// flush stores what is pending, in order.
func (d *driver) flush(ctx context.Context) error {
	for len(d.pending) > 0 {
		r := d.pending[0]
		if err := d.bus.PublishIncident(ctx, r.Incident); err != nil {
			return err
		}
		d.pending = d.pending[1:]
		if r.State == r.From {
			continue
		}
		d.incidents.WithLabelValues(string(r.State)).Inc()
		if r.From == incident.Provisional || r.From == "" && r.State != incident.Provisional {
			first := r.Signals[0].AcceptedAt
			for _, s := range r.Signals {
				if s.AcceptedAt.Before(first) {
					first = s.AcceptedAt
				}
			}
			d.latency.Observe(d.now().Sub(first).Seconds())
		}
		d.log.InfoContext(ctx, "incident", "incident", r.ID, "state", r.State, "root", r.Root.String(), "alerts", r.Alerts(), "signals", len(r.Signals))
	}
	d.pending = nil
	return nil
}
