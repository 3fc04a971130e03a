package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// stale is the age from which a graph is told to be: who watches a cluster says at least every half minute that it does.
const stale = 2 * time.Minute

// unknown is how long incidents wait, at the first start of all, for a first look at the cluster. Where that cannot be had they are
// judged by names.
const unknown = 30 * time.Second

// joining runs the joiner, where it is this process that does, and says of its graph how old that is.
type joining struct {
	settle  time.Duration
	windows []correlate.Window
	metrics *correlate.Metrics
	log     *slog.Logger

	mu       sync.Mutex
	join     *bus.Join // nil where it is another process that joins
	restored time.Time // when the graph was kept that was taken up; zero where there was none
	began    time.Time
	untaken  error // why it does not join yet
	unkept   error
	now      time.Time // up to which signals are worked off
	behind   int       // the partition that this waits for
}

func (g *joining) run(ctx context.Context, j *bus.Join) error {
	g.set(j, time.Time{}, nil)
	defer func() { g.set(nil, time.Time{}, nil) }()
	graph, position, at, err := takenUp(ctx, j)
	for ; err != nil && !errors.Is(err, bus.ErrGraph); graph, position, at, err = takenUp(ctx, j) {
		g.log.WarnContext(ctx, "the graph cannot be taken up, trying again", "error", err)
		g.set(j, time.Time{}, err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
	if err != nil {
		g.log.ErrorContext(ctx, "the graph cannot be taken up, its records are read from the first that there is", "error", err)
	}
	known := err == nil
	g.set(j, at, nil)
	var writing sync.WaitGroup
	defer writing.Wait()
	joiner := correlate.NewJoiner(correlate.JoinerOptions{Graph: graph, Apply: graph.Apply, Settle: g.settle, Tell: time.Second, Announce: true, Windows: g.windows})
	began := time.Now()
	return correlate.Join(ctx, joiner, j, correlate.JoinOptions{Partitions: bus.Partitions, Position: position, Metrics: g.metrics, Log: g.log,
		Worked: g.worked,
		Ready:  func() bool { return !at.IsZero() || j.Whole() || time.Since(began) > unknown },
		Keep: func(position uint64, at time.Time) {
			if !known && !j.Whole() { // a better one is kept
				return
			}
			frozen := graph.Frozen()
			writing.Go(func() { g.keep(j, frozen, position, at) })
		}})
}

// takenUp is an empty graph where none was kept, or with bus.ErrGraph.
func takenUp(ctx context.Context, j interface {
	LoadGraph(ctx context.Context) (*bus.GraphSnapshot, error)
}) (*topology.Graph, uint64, time.Time, error) {
	kept, err := j.LoadGraph(ctx)
	if err != nil || kept == nil {
		return topology.NewGraph(), 0, time.Time{}, err
	}
	graph, position, at, err := unpacked(kept)
	if err != nil {
		return topology.NewGraph(), 0, time.Time{}, fmt.Errorf("%w: %w", bus.ErrGraph, err)
	}
	return graph, position, at, nil
}

func unpacked(kept *bus.GraphSnapshot) (*topology.Graph, uint64, time.Time, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(kept.Body))
	if err != nil {
		return nil, 0, time.Time{}, fmt.Errorf("read the snapshot of the graph: %w", err)
	}
	graph, at, err := topology.RestoreGraph(unzipped)
	return graph, kept.Position, at, err
}

// keep a snapshot, also when the process is being stopped.
func (g *joining) keep(j *bus.Join, graph *topology.Graph, position uint64, at time.Time) {
	if nodes, _ := graph.Len(); nodes == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	err := graph.Snapshot(z, at)
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = j.SaveGraph(ctx, bus.GraphSnapshot{Position: position, At: at, Body: b.Bytes()})
	}
	if err != nil {
		g.log.WarnContext(ctx, "the graph cannot be kept", "error", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unkept = err
}

func (g *joining) set(j *bus.Join, at time.Time, untaken error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.join, g.restored, g.began, g.now, g.untaken = j, at, time.Now(), time.Time{}, untaken
}

func (g *joining) worked(now time.Time, behind int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now, g.behind = now, behind
}

// advances fails where incidents are not sealed in time: the joiner goes by the partition that is furthest behind.
func (g *joining) advances(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.untaken != nil:
		return fmt.Errorf("nothing is correlated before the graph is taken up, which is tried again: %w", g.untaken)
	case g.join == nil || time.Since(g.began) < stale:
		return nil
	}
	at := g.now.UTC().Format(time.RFC3339)
	switch behind := time.Since(g.now); {
	case g.now.IsZero():
		return fmt.Errorf("no signal is worked off since this process joins: it reads what came before, or waits for partition %d; its log, or that of the partition's owner, says why", g.behind)
	case behind > stale:
		return fmt.Errorf("signals are worked off up to %s: it reads what came before, or waits for partition %d, whose owner's log says why", at, g.behind)
	case behind < -stale:
		return fmt.Errorf("signals are worked off up to %s, which is to come: the clock of NATS was ahead, or ours is behind; nothing more is sealed before", at)
	}
	return nil
}

// check fails while the graph is stale. Incidents are judged by it all the same.
func (g *joining) check(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.join == nil {
		return nil
	}
	told, lacking := g.told()
	switch {
	case lacking:
		return errors.New("FOLDS had let go of records before they were read, so the graph may lack some: restart what watches the clusters")
	case len(told) == 0 && g.restored.IsZero() && time.Since(g.began) > stale:
		return errors.New("nobody tells the topology, and none was kept: workloads are told by their names, and each is judged alone")
	case len(told) == 0 && time.Since(g.began) > stale:
		return fmt.Errorf("nobody tells the topology: incidents are judged by what was known at %s", g.restored.UTC().Format(time.RFC3339))
	case len(silent(told)) > 0:
		return fmt.Errorf("the topology was told last %s: incidents are judged by what was known then", ages(told, silent(told)))
	case g.unkept != nil:
		return fmt.Errorf("a restart would begin with an old graph: %w", g.unkept)
	}
	return nil
}

// detail is how old the graph is.
func (g *joining) detail() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.join == nil {
		return "another process joins"
	}
	said := "begun without a snapshot"
	if !g.restored.IsZero() {
		said = fmt.Sprintf("restored from a snapshot of %s, %s old then", g.restored.UTC().Format(time.RFC3339), g.began.Sub(g.restored).Round(time.Second))
	}
	if told, _ := g.told(); len(told) > 0 {
		said += "; told last " + ages(told, slices.Sorted(maps.Keys(told)))
	}
	return said
}

// told is when each cluster's topology was told last. What nobody said of which cluster it was, a former version did: that counts
// while nobody says more.
func (g *joining) told() (told map[string]time.Time, lacking bool) {
	told, lacking = g.join.Topology()
	if len(told) > 1 {
		delete(told, "")
	}
	return told, lacking
}

// silent are the clusters that nobody has told of for too long.
func silent(told map[string]time.Time) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(told)), func(cluster string) bool { return time.Since(told[cluster]) <= stale })
}

func ages(told map[string]time.Time, clusters []string) string {
	var list []string
	for _, c := range clusters {
		age := time.Since(told[c]).Round(time.Second).String() + " ago"
		if c != "" {
			age += " of " + c
		}
		list = append(list, age)
	}
	return strings.Join(list, ", ")
}
