package policies

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// LiveOptions of Open.
type LiveOptions struct {
	Source  Source
	Every   time.Duration // between two looks at the source; 0: it never changes
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Live decides by the policies that its source has, and follows it. A version replaces the one before it as a whole, and only
// if it compiles; else the one before it goes on deciding, and Current says so.
type Live struct {
	LiveOptions
	engine  atomic.Pointer[Engine]
	loads   *prometheus.CounterVec
	current prometheus.Gauge

	mu     sync.Mutex
	seen   string // revision that the source had at the last look
	broken error  // why what it has is not what decides
}

// Open loads the policies. Without any that compile there is no Live, and nothing may act.
func Open(ctx context.Context, o LiveOptions) (*Live, error) {
	l := &Live{LiveOptions: o}
	engine, err := Compile(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	metrics := promauto.With(o.Metrics)
	l.loads = metrics.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_policy_loads_total",
		Help: "New versions of the policies, by result: taken, or broken and not taken."}, []string{"result"})
	l.current = metrics.NewGauge(prometheus.GaugeOpts{Name: "cortexops_policy_current",
		Help: "Whether the policies that decide are those that their source has: 1 or 0."})
	for _, result := range []string{"taken", "broken"} { // a rate needs a zero before the first one
		l.loads.WithLabelValues(result)
	}
	l.current.Set(1)
	l.seen = engine.revision
	l.engine.Store(engine)
	return l, nil
}

// Run follows the source until ctx ends.
func (l *Live) Run(ctx context.Context) {
	if l.Every == 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look(ctx)
		}
	}
}

// look takes a new version that two looks have found the same: of several files, the first may show a moment before the others.
func (l *Live) look(ctx context.Context) {
	set, err := l.Source.Load(ctx)
	if ctx.Err() != nil || err == nil && set == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.stay(ctx, err, l.broken == nil || l.broken.Error() != err.Error())
		return
	}
	again := set.revision == l.seen
	l.seen = set.revision
	if set.revision == l.engine.Load().revision {
		l.broken = nil
		l.current.Set(1)
		return
	}
	if !set.whole && !again {
		return
	}
	engine, err := set.compile(ctx)
	if err != nil {
		err = fmt.Errorf("revision %s: %w", set.revision, err)
		l.stay(ctx, err, l.broken == nil || l.broken.Error() != err.Error())
		return
	}
	was := l.engine.Swap(engine)
	l.broken = nil
	l.current.Set(1)
	l.loads.WithLabelValues("taken").Inc()
	l.Log.InfoContext(ctx, "the policies changed", "revision", engine.revision, "before", was.revision)
}

// stay with the version that decides, and say once why.
func (l *Live) stay(ctx context.Context, err error, news bool) {
	l.broken = err
	l.current.Set(0)
	if news {
		l.loads.WithLabelValues("broken").Inc()
		l.Log.ErrorContext(ctx, "the new policies are not taken, those before them go on deciding", "error", err, "revision", l.Revision())
	}
}

// Evaluate asks the gate of the policies as they are now.
func (l *Live) Evaluate(ctx context.Context, gate string, in Input) (Decision, error) {
	return l.engine.Load().Evaluate(ctx, gate, in)
}

// Revision of the policies that decide.
func (l *Live) Revision() string { return l.engine.Load().revision }

// Ping asks every gate about nothing.
func (l *Live) Ping(ctx context.Context) error { return l.engine.Load().Ping(ctx) }

// Current fails while what the source has is not what decides, or the source cannot be read.
func (l *Live) Current(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		return nil
	}
	return fmt.Errorf("revision %.12s goes on deciding: %w", l.Revision(), l.broken)
}
