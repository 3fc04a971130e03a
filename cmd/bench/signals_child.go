package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
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

// correlateChild owns everything on one core, until so many signals are joined; 0: until it is killed. The clock starts when the
// topology has been read, before the first signal is: how long that takes is the same for few signals and for many. URL PREFIX
// SIGNALS.
func correlateChild(ctx context.Context, args []string) (any, error) {
	runtime.GOMAXPROCS(1)
	wanted, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	b, err := floodBus(ctx, args[0], args[1])
	if err != nil {
		return nil, err
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var began time.Time
	var took float64
	ready := make(chan struct{})
	joined, known := 0, 0
	handled := func(signals, records int) {
		if known += records; records > 0 && known == len(flood{}.topology(began)) {
			began = time.Now()
			close(ready)
		}
		if joined += signals; signals > 0 && joined == wanted {
			took = time.Since(began).Seconds()
			cancel()
		}
	}
	metrics := correlate.NewMetrics(prometheus.NewRegistry())
	err = b.Own(ctx, bus.Shares{
		Fold: func(ctx context.Context, p *bus.Partition) error {
			select {
			case <-ready:
			case <-ctx.Done():
			}
			return correlate.Fold(ctx, p, metrics)
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
