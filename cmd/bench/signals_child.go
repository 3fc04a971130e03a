package main

import (
	"context"
	"fmt"
	"runtime"
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

// counting passes on what the joiner reads, and counts its signals when they have been handled.
type counting struct {
	*bus.Join
	handled func(signals int)
}

func (c counting) Follow(ctx context.Context, from uint64, handle func(context.Context, []incident.JoinRecord) error) error {
	return c.Join.Follow(ctx, from, func(ctx context.Context, list []incident.JoinRecord) error {
		err := handle(ctx, list)
		n := 0
		for _, r := range list {
			if r.Fold != nil {
				n += len(r.Fold.Signals)
			}
		}
		c.handled(n)
		return err
	})
}

// correlateChild owns everything on one core, until so many signals are joined; 0: until it is killed. URL PREFIX SIGNALS.
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
	begin := sync.OnceFunc(func() { began = time.Now() })
	joined := 0
	metrics := correlate.NewMetrics(prometheus.NewRegistry())
	err = b.Own(ctx, bus.Shares{
		Fold: func(ctx context.Context, p *bus.Partition) error { begin(); return correlate.Fold(ctx, p, metrics) },
		Join: func(ctx context.Context, j *bus.Join) error {
			begin()
			g := topology.NewGraph()
			joiner := correlate.NewJoiner(correlate.JoinerOptions{Graph: g, Apply: g.Apply, Tell: time.Second, Announce: true})
			return correlate.Join(ctx, joiner, counting{j, func(n int) {
				if joined += n; joined == wanted && wanted > 0 {
					took = time.Since(began).Seconds()
					cancel()
				}
			}}, correlate.JoinOptions{Partitions: bus.Partitions, Metrics: metrics})
		},
	})
	if err == nil && took == 0 {
		err = fmt.Errorf("%d of %d signals were joined", joined, wanted)
	}
	return correlated{took}, err
}
