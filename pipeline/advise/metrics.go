package advise

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Results of asking the model.
const (
	answered = "ok"
	late     = "late"    // no whole answer before the deadline
	invalid  = "invalid" // an answer that is not what was asked for
	refused  = "refused" // the model, or the filter before it, declines
	failed   = "error"   // no answer: not reached, broken off, or an HTTP error
)

type metrics struct {
	prompt, completion prometheus.Counter
	requests           *prometheus.CounterVec
	seconds            prometheus.Histogram
}

// newMetrics starts every series at zero, so that a rate is right from the first event on.
func newMetrics(r prometheus.Registerer, model string) metrics {
	auto := promauto.With(r)
	tokens := auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_llm_tokens_total",
		Help: "Tokens that the language model's server says it used."}, []string{"model", "kind"})
	m := metrics{
		prompt:     tokens.WithLabelValues(model, "prompt"),
		completion: tokens.WithLabelValues(model, "completion"),
		requests: auto.NewCounterVec(prometheus.CounterOpts{Name: "cortexops_llm_requests_total",
			Help: "Questions to the language model, by how they ended; heuristics answered all that are not ok."}, []string{"result"}),
		seconds: auto.NewHistogram(prometheus.HistogramOpts{Name: "cortexops_llm_seconds",
			Help: "Time from a question to the language model to its answer, or to giving it up.", Buckets: []float64{.25, .5, 1, 2, 4, 6, 8, 10, 15, 30}}),
	}
	for _, result := range []string{answered, late, invalid, refused, failed} {
		m.requests.WithLabelValues(result)
	}
	return m
}

// used counts what the server claims, which is data too: a counter cannot fall, and no answer here is worth millions.
func used(c prometheus.Counter, tokens int64) { c.Add(float64(min(max(tokens, 0), 1_000_000))) }
