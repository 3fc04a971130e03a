// Package health answers /debug/healthz, /livez, /readyz and /metrics. It asks the components in the background, so that
// an answer never waits for one that hangs, and it shows no password. It mends nothing.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	every    = 2 * time.Second // between two checks of a component
	patience = 2 * time.Second // with one check
)

// Options of New.
type Options struct {
	Checks   map[string]func(ctx context.Context) error // by component
	Ready    []string                                   // components without which this process wants no requests
	Optional []string                                   // components without which everything goes on
	Details  map[string]func() string                   // what there is to say of a component, however it stands
	Metrics  interface {                                // served at /metrics, and where ours are
		prometheus.Gatherer
		prometheus.Registerer
	}
}

// Component is how one of them stood when it was asked last.
type Component struct {
	Name      string    `json:"name"`
	Status    string    `json:"status"` // ok | failing
	LatencyMS int64     `json:"latency_ms"`
	LastError string    `json:"last_error,omitempty"` // also of a component that is ok again
	Since     time.Time `json:"since"`                // of the status
	CheckedAt time.Time `json:"checked_at,omitzero"`
	Detail    string    `json:"detail,omitempty"`
}

const (
	ok       = "ok"
	failing  = "failing"
	degraded = "degraded" // of all: nothing fails but what is optional
)

// Health keeps the last state of every component.
type Health struct {
	Options
	every, patience time.Duration

	up    *prometheus.GaugeVec
	mu    sync.Mutex
	state map[string]Component
}

// New knows all components as failing until they have been asked.
func New(o Options) (*Health, error) {
	h := &Health{Options: o, every: every, patience: patience, state: map[string]Component{}}
	for _, name := range o.Ready {
		if o.Checks[name] == nil {
			return nil, fmt.Errorf("readiness depends on %q, which has no check", name)
		}
	}
	if o.Metrics == nil {
		return nil, errors.New("health needs the metrics that it serves")
	}
	h.up = promauto.With(o.Metrics).NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_component_up",
		Help: "Whether a component answered when it was asked last: 1 or 0."}, []string{"component"})
	for name := range o.Checks {
		h.state[name] = Component{Name: name, Status: failing, LastError: "not asked yet", Since: time.Now().UTC()}
	}
	return h, nil
}

// Run asks every component, each on its own, until ctx ends.
func (h *Health) Run(ctx context.Context) {
	var all sync.WaitGroup
	for name, check := range h.Checks {
		all.Go(func() { h.watch(ctx, name, check) })
	}
	all.Wait()
}

func (h *Health) watch(ctx context.Context, name string, check func(context.Context) error) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		h.ask(ctx, name, check)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask once. A check that does not heed its deadline is recorded as failing when that has passed, and not started a second
// time before it returns.
func (h *Health) ask(ctx context.Context, name string, check func(context.Context) error) {
	start := time.Now()
	limit, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- check(limit) }()
	select {
	case err := <-answer:
		h.record(name, time.Since(start), err)
		return
	case <-limit.Done():
		if ctx.Err() != nil {
			return
		}
		h.record(name, time.Since(start), fmt.Errorf("no answer within %s", h.patience))
	}
	select {
	case <-answer:
	case <-ctx.Done():
	}
}

func (h *Health) record(name string, took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.state[name]
	status := ok
	if err != nil {
		status, c.LastError = failing, redact(err.Error())
	} else if c.CheckedAt.IsZero() {
		c.LastError = ""
	}
	now := time.Now().UTC()
	if status != c.Status || c.CheckedAt.IsZero() {
		c.Status, c.Since = status, now
	}
	c.LatencyMS, c.CheckedAt = took.Milliseconds(), now
	h.state[name] = c
	up := 0.0
	if status == ok {
		up = 1
	}
	h.up.WithLabelValues(name).Set(up)
}

// Components in the order of their names.
func (h *Health) Components() []Component {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []Component
	for _, name := range slices.Sorted(maps.Keys(h.state)) {
		c := h.state[name]
		if detail := h.Details[name]; detail != nil {
			c.Detail = detail()
		}
		list = append(list, c)
	}
	return list
}

var (
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"']*@`)
	secrets  = regexp.MustCompile(`(?i)\b((?:password|passwd|token|secret|api_?key) *[=:] *|authorization: *(?:bearer|basic) +)[^\s&"']+`)
)

// redact cuts what an error may have copied from a configuration: user and password of a URL, and values named as secrets.
func redact(s string) string {
	return secrets.ReplaceAllString(userinfo.ReplaceAllString(s, "${1}xxx@"), "${1}xxx")
}

// Register adds the four routes.
func (h *Health) Register(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, ok) })
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.HandleFunc("GET /debug/healthz", h.healthz)
}

// readyz is 503 while a component that requests need is failing.
func (h *Health) readyz(w http.ResponseWriter, _ *http.Request) {
	for _, c := range h.Components() {
		if c.Status != ok && slices.Contains(h.Ready, c.Name) {
			http.Error(w, c.Name+" is failing: "+c.LastError, http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, ok)
}

// healthz tells all; it is 503 when anything is failing that is not optional.
func (h *Health) healthz(w http.ResponseWriter, _ *http.Request) {
	all := struct {
		Status     string      `json:"status"`
		Components []Component `json:"components"`
	}{ok, h.Components()}
	code := http.StatusOK
	for _, c := range all.Components {
		switch {
		case c.Status == ok:
		case !slices.Contains(h.Optional, c.Name):
			all.Status, code = failing, http.StatusServiceUnavailable
		case all.Status == ok:
			all.Status = degraded
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(all) // the client may be gone
}
