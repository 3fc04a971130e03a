package bus

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	pending    *prometheus.GaugeVec
	postponed  *prometheus.GaugeVec
	used       *prometheus.GaugeVec
	owned      prometheus.Gauge
	joins      prometheus.Gauge
	follows    prometheus.Gauge
	dropped    prometheus.Counter
	terminated *prometheus.CounterVec
	retried    *prometheus.CounterVec
	publish    *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) metrics {
	auto := promauto.With(r)
	m := metrics{
		pending: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_bus_pending",
			Help: "Messages not yet handled: not delivered, or delivered and not acknowledged. Of SIGNALS, all partitions together; a message holds what one webhook said to one of them."}, []string{"stream"}),
		postponed: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_bus_postponed",
			Help: "Of the messages not yet handled, those that this process wants to be told of again later: an incident that changes more often than its remediation is told."}, []string{"stream"}),
		used: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_bus_used_ratio",
			Help: "How much of its limit a stream holds that drops nothing and refuses instead, of 1."}, []string{"stream"}),
		owned: auto.NewGauge(prometheus.GaugeOpts{Name: "cortexops_bus_partitions_owned",
			Help: "Partitions of SIGNALS that this process folds."}),
		joins: auto.NewGauge(prometheus.GaugeOpts{Name: "cortexops_bus_joins",
			Help: "Whether this process joins what the partitions have folded: 1 or 0. One does."}),
		follows: auto.NewGauge(prometheus.GaugeOpts{Name: "cortexops_bus_follows",
			Help: "Whether this process follows its cluster: 1 or 0. One of each cluster's does."}),
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
	for _, stream := range []string{signals, folds, actions, incidents} { // a rate needs a zero before the first one
		m.publish.WithLabelValues(stream)
		m.terminated.WithLabelValues(stream)
		m.retried.WithLabelValues(stream)
	}
	return m
}
