package intake

import "github.com/prometheus/client_golang/prometheus"

// Reasons of a rejection.
const (
	unauthorized   = "unauthorized"
	tooLarge       = "too_large"
	unread         = "unread"
	invalidPayload = "invalid"
	overload       = "overload"
	unavailable    = "unavailable"
	stranger       = "stranger" // of Slack alone
)

type metrics struct {
	ingested, duplicate, rejected *prometheus.CounterVec
	truncated                     prometheus.Counter
}

var (
	ingestedOpts = prometheus.CounterOpts{Name: "cortexops_events_ingested_total",
		Help: "Signals and actions accepted and stored, duplicates apart."}
	duplicateOpts = prometheus.CounterOpts{Name: "cortexops_events_duplicate_total",
		Help: "Signals and actions that had been stored before."}
	rejectedOpts = prometheus.CounterOpts{Name: "cortexops_events_rejected_total",
		Help: "Webhook requests that were not taken."}
	truncatedOpts = prometheus.CounterOpts{Name: "cortexops_alerts_truncated_total",
		Help: "Alerts that Alertmanager has left out of its webhooks, by max_alerts of the receiver."}
)

// newMetrics starts every series at zero, so that a rate is right from the first event on.
func newMetrics(r prometheus.Registerer, sources []source) metrics {
	m := metrics{
		ingested: counted(r, ingestedOpts, "source"), duplicate: counted(r, duplicateOpts, "source"), rejected: counted(r, rejectedOpts, "source", "reason"),
	}
	for _, s := range sources {
		m.ingested.WithLabelValues(s.name)
		m.duplicate.WithLabelValues(s.name)
		for _, reason := range []string{unauthorized, tooLarge, unread, invalidPayload, overload, unavailable} {
			m.rejected.WithLabelValues(s.name, reason)
		}
		if s.name == "slack" {
			m.rejected.WithLabelValues(s.name, stranger)
		}
	}
	return m
}
