package bus

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	pending    *prometheus.GaugeVec
	dropped    prometheus.Counter
	terminated *prometheus.CounterVec
	retried    *prometheus.CounterVec
	publish    *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) metrics {
	auto := promauto.With(r)
	m := metrics{
		pending: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_bus_pending",
			Help: "Messages not yet handled: not delivered, or delivered and not acknowledged."}, []string{"stream"}),
		dropped: auto.NewCounter(prometheus.CounterOpts{Name: "cortexops_events_dropped_total",
			Help: "Signals that the stream dropped, being full, before they were handled."}),
		terminated: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_bus_terminated_total",
			Help: "Messages given up because they cannot be decoded."}, []string{"stream"}),
		publish: auto.NewHistogramVec(prometheus.HistogramOpts{Name: "cortexops_bus_publish_seconds",
			Help:    "From the publish to the server's answer, refused ones and those without an answer included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"stream"}),
		retried: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_bus_retried_total",
			Help: "Messages handed back after their handler failed."}, []string{"stream"}),
	}
	for _, r := range readers { // a rate needs a zero before the first one
		m.publish.WithLabelValues(r.stream)
		m.terminated.WithLabelValues(r.stream)
		m.retried.WithLabelValues(r.stream)
	}
	return m
}

// watchPending follows the backlog of each consumer, also of those that another process reads.
func (b *Bus) watchPending(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		for _, r := range readers {
			c, err := b.js.Consumer(ctx, b.prefix+"-"+r.stream, r.durable)
			if err != nil {
				continue // none yet, or the server is away: the last figure stands
			}
			info := c.CachedInfo()
			b.metrics.pending.WithLabelValues(r.stream).Set(float64(info.NumPending) + float64(info.NumAckPending))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
