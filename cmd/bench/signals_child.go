package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// correlated is what a child did.
type correlated struct{ Seconds float64 }

// counting passes on what the joiner reads, and counts its signals and the records of the topology when they have been handled.
type counting struct {
	*bus.Join
	handled func(signals, records int)
}

func (c counting) Follow(ctx context.Context, from uint64, handle func(context.Context, []incident.JoinRecord) error) error {
	return c.Join.Follow(ctx, from, func(ctx context.Context, list []incident.JoinRecord) error {
		err := handle(ctx, list)
		signals, records := 0, 0
		for _, r := range list {
			records += len(r.Changes)
			if r.Fold != nil {
				signals += len(r.Fold.Signals)
			}
		}
		c.handled(signals, records)
		return err
	})
}

// gogc is what manifests/base/work.yaml sets.
const gogc = 40

// gate holds the readers back until all of them have something in hand and the topology has been read.
type gate struct {
	mu      sync.Mutex
	missing int // the readers of the partitions, and that of the topology
	open    chan struct{}
	began   time.Time
}

func (g *gate) arrive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missing--; g.missing == 0 {
		g.began = time.Now()
		close(g.open)
	}
}

// gated is a partition whose signals wait at the gate.
type gated struct {
	*bus.Partition
	gate *gate
}

func (p gated) Fold(ctx context.Context, fold func([]incident.Signal) incident.Fold) error {
	first := sync.OnceFunc(func() {
		p.gate.arrive()
		select {
		case <-p.gate.open:
		case <-ctx.Done():
		}
	})
	return p.Partition.Fold(ctx, func(list []incident.Signal) incident.Fold {
		if len(list) > 0 {
			first()
		}
		return fold(list)
	})
}

// correlateChild owns everything on one core until so many signals are joined; 0: until it is killed, with the cores that there are,
// as it runs. The clock starts at the gate: connecting, taking over and reading the topology take the same time for few signals
// and for many. URL PREFIX SIGNALS.
func correlateChild(ctx context.Context, args []string) (any, error) {
	debug.SetGCPercent(gogc)
	wanted, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	if wanted > 0 {
		runtime.GOMAXPROCS(1)
	}
	b, err := floodBus(ctx, args[0], args[1])
	if err != nil {
		return nil, err
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := &gate{missing: bus.Partitions + 1, open: make(chan struct{})}
	var took float64
	joined, known, topologies := 0, 0, len(flood{cmp.Or(wanted, paced)}.topology(time.Time{}))
	handled := func(signals, records int) {
		if known += records; records > 0 && known == topologies {
			start.arrive()
		}
		if joined += signals; signals > 0 && joined == wanted {
			took = time.Since(start.began).Seconds()
			cancel()
		}
	}
	metrics := correlate.NewMetrics(prometheus.NewRegistry())
	err = b.Own(ctx, bus.Shares{
		Fold: func(ctx context.Context, p *bus.Partition) error {
			return correlate.Fold(ctx, gated{p, start}, metrics)
		},
		Join: func(ctx context.Context, j *bus.Join) error {
			g := topology.NewGraph()
			joiner := correlate.NewJoiner(correlate.JoinerOptions{Graph: g, Apply: g.Apply, Tell: time.Second, Announce: true})
			return correlate.Join(ctx, joiner, counting{j, handled}, correlate.JoinOptions{Partitions: bus.Partitions, Metrics: metrics})
		},
	})
	if err == nil && took == 0 {
		err = fmt.Errorf("%d of %d signals were joined", joined, wanted)
	}
	return correlated{took}, err
}
