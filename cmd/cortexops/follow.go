package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/topology"
	"github.com/cortexops/cortexops/pipeline/watch"
)

const (
	trafficEvery = time.Minute      // who calls whom is asked
	sweepEvery   = 10 * time.Second // it is looked whether more could be listed
)

// follower follows the cluster: one watch feeds the graph and, where kubernetes.signals is on, the signals. One process of each
// cluster does it at a time.
type follower struct {
	config  Config
	kube    *rest.Config
	log     *slog.Logger
	traffic func(ctx context.Context, query string) ([]map[string]string, error)

	mu      sync.Mutex
	now     *watch.Watch // nil: another process does it
	trouble error        // of the traffic query
}

// watched is what was known before.
type watched struct {
	graph   []incident.GraphChange // the records that make it
	signals []incident.Signal      // of the incidents that are open
}

// published is where it goes.
type published interface {
	PublishTopology(ctx context.Context, list []incident.GraphChange) error
	PublishSignals(ctx context.Context, signals []incident.Signal) (duplicates int, err error)
}

// run follows the cluster until ctx ends.
func (w *follower) run(ctx context.Context, before watched, out published) error {
	feed := topology.NewFeed(topology.FeedOptions{Cluster: w.config.Cluster, Log: w.log})
	feed.Seed(before.graph)
	handlers := []watch.Handler{feed}
	var source *intake.Kubernetes
	if w.config.Kubernetes.Signals {
		source = intake.NewKubernetes(intake.KubernetesOptions{Cluster: w.config.Cluster, Metrics: prometheus.DefaultRegisterer, Log: w.log})
		source.Resume(before.signals)
		handlers = append(handlers, source)
	}
	objects, err := watch.New(watch.Options{Config: w.kube, Namespaces: w.config.Kubernetes.Namespaces, Handlers: handlers, Log: w.log})
	if err != nil {
		return err
	}
	w.is(objects)
	defer w.is(nil)
	jobs := []job{
		func(ctx context.Context) error { objects.Run(ctx); return nil },
		func(ctx context.Context) error {
			return feed.Run(ctx, func() bool { return objects.Check(ctx) == nil }, out.PublishTopology)
		},
		func(ctx context.Context) error {
			if objects.WaitSynced(ctx) != nil {
				return nil
			}
			w.log.InfoContext(ctx, "following the cluster", "signals", source != nil)
			if w.config.Prometheus.Traffic == "" { // nobody will say who calls whom any more
				feed.Edges("traffic", nil)
			}
			tick := time.NewTicker(sweepEvery)
			defer tick.Stop()
			for { // a right that is missing may be given later
				feed.Sweep(objects.Listed)
				if source != nil {
					source.Sweep(objects.Listed)
				}
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
				}
			}
		},
	}
	if source != nil {
		jobs = append(jobs, func(ctx context.Context) error { return source.Run(ctx, out.PublishSignals) })
	}
	if w.config.Prometheus.Traffic != "" {
		jobs = append(jobs, func(ctx context.Context) error { w.calls(ctx, feed); return nil })
	}
	return together(ctx, jobs...)
}

// voice tells the topology while it is ours to tell.
type voice struct {
	*bus.Following
	events published
}

func (v voice) PublishSignals(ctx context.Context, signals []incident.Signal) (duplicates int, err error) {
	return v.events.PublishSignals(ctx, signals)
}

// follow the cluster while this process is the one of its cluster that does.
func (w *follower) follow(events published) func(context.Context, *bus.Following) error {
	return func(ctx context.Context, f *bus.Following) error {
		before, err := w.before(ctx, f)
		for ; err != nil && ctx.Err() == nil; before, err = w.before(ctx, f) {
			w.log.WarnContext(ctx, "what was known of the cluster cannot be read, trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		return w.run(ctx, before, voice{f, events})
	}
}

// before is what was told by whoever followed the cluster before us.
func (w *follower) before(ctx context.Context, f *bus.Following) (watched, error) {
	var out watched
	graph, position, _, err := takenUp(ctx, f)
	if err != nil && !errors.Is(err, bus.ErrGraph) {
		return out, err
	}
	since, err := f.TopologySince(ctx, position)
	if err != nil {
		return out, err
	}
	for _, c := range since {
		_ = graph.Apply(c) // what the joiner refuses is not in its graph either
	}
	graph.Records(time.Time{}, func(c incident.GraphChange) { out.graph = append(out.graph, c) })
	list, err := f.LastIncidents(ctx)
	for _, i := range list {
		if i.State != incident.Healed {
			out.signals = append(out.signals, i.Signals...)
		}
	}
	return out, err
}

// calls asks who calls whom, now and again. What was known stays while there is no answer.
func (w *follower) calls(ctx context.Context, feed *topology.Feed) {
	tick := time.NewTicker(trafficEvery)
	defer tick.Stop()
	for {
		series, err := w.traffic(ctx, w.config.Prometheus.Traffic)
		var edges []incident.Edge
		if err == nil {
			edges, err = topology.Traffic(w.config.Cluster, series)
		}
		if err == nil {
			feed.Edges("traffic", edges)
		} else {
			err = fmt.Errorf("prometheus.traffic: %w", err)
		}
		w.mu.Lock()
		w.trouble = err
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *follower) is(objects *watch.Watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now, w.trouble = objects, nil
}

// Check names what cannot be watched, with the rule that is missing. Where another process watches, it is that one's.
func (w *follower) Check(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		return nil
	}
	return errors.Join(w.now.Check(ctx), w.trouble)
}
