// Package intake turns the bytes of webhooks into Signals and Actions: one file per source. It answers 2xx only after
// everything in a payload is stored on the bus, and takes all of a payload or nothing. It judges form only: what a signal
// means and whether an approval counts is decided later.
package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Publisher stores what was accepted. It returns after the bus has acknowledged all of it, and says how much of it had
// been stored before.
type Publisher interface {
	PublishSignals(ctx context.Context, signals []incident.Signal) (duplicates int, err error)
	PublishAction(ctx context.Context, action incident.Action) (duplicate bool, err error)
}

// Options of New. Each secret is required: an empty one would let everybody in. Slack alone may be left out, with its
// secret and its users both empty.
type Options struct {
	Publisher         Publisher
	Cluster           string            // the cluster that alerts and Flux events are about
	Repository        string            // owner/name; pull requests of others are ignored
	AlertmanagerToken string            // bearer token
	FluxKey           string            // key of the HMAC in X-Signature
	ForgeSecret       string            // key of the HMAC in X-Hub-Signature-256
	SlackSecret       string            // key of the HMAC in X-Slack-Signature
	SlackUsers        map[string]string // Slack user ID → login on the forge: who may approve and reject
	CloudEvents       []CloudEvents

	// SlackTell shows text to one Slack user. Nil: only the answer's body says it, which Slack shows to nobody.
	SlackTell func(ctx context.Context, user, text string) error

	SlackAppToken string // of NewSocket: xapp-…, scope connections:write
	SlackAPI      string // likewise: the root of Slack's methods, with a slash at its end; empty: Slack's own

	Metrics prometheus.Registerer
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// source is one kind of webhook.
type source struct {
	name   string
	admit  func(r *http.Request) bool              // before the body is read; nil admits
	verify func(r *http.Request, body []byte) bool // before the body is understood; nil verifies
	decode func(r *http.Request, body []byte, at time.Time) (accepted, error)
	status int           // of an answer to what was taken; 0 is 202
	busy   int           // where too many are sent at once; 0 is 429
	within time.Duration // for the bus; 0 is longer than it takes
	most   int           // bytes of a body; 0 is maxBody
	less   string        // how to have less sent at once
	again  string        // seconds of Retry-After; "" is 2
	slots  chan struct{} // one is held by each request, see take; of its own, so that one source cannot starve another
	large  chan struct{} // likewise by each beyond maxBody
}

// accepted is what one payload says; nothing at all when it is of a kind that we do not act on.
type accepted struct {
	signals []incident.Signal
	action  *incident.Action
	cutOff  uint64 // alerts that the sender has left out
}

// Invalid is a payload that can be authentic but not understood.
type Invalid struct {
	Pointer string // JSON pointer to the offending value, "" for the whole
	Why     string
}

func (e *Invalid) Error() string {
	if e.Pointer == "" {
		return e.Why
	}
	return e.Pointer + ": " + e.Why
}

// Forbidden is a payload that is authentic, and about what its sender may not speak for.
type Forbidden struct{ Pointer, Why string }

func (e *Forbidden) Error() string { return e.Pointer + ": " + e.Why }

// New serves POST /webhooks/alertmanager, /webhooks/flux, /webhooks/forge and, where they are
// configured, /webhooks/slack and /webhooks/cloudevents/NAME.
func New(o Options) (http.Handler, error) {
	secrets := map[string]string{
		"CORTEXOPS_ALERTMANAGER_TOKEN": o.AlertmanagerToken, "CORTEXOPS_FLUX_HMAC_KEY": o.FluxKey,
		"CORTEXOPS_FORGE_WEBHOOK_SECRET": o.ForgeSecret,
	}
	for _, c := range o.CloudEvents {
		if !senderName.MatchString(c.Name) {
			return nil, fmt.Errorf("a sender of CloudEvents is called %q: use lower-case letters, digits and -", c.Name)
		}
		secrets[c.Variable()] = c.Secret
	}
	if len(o.SlackUsers) > 0 {
		secrets["CORTEXOPS_SLACK_SIGNING_SECRET"] = o.SlackSecret
	}
	if err := mapped(o.SlackUsers); err != nil {
		return nil, err
	}
	if len(o.SlackUsers) == 0 && o.SlackSecret != "" {
		return nil, errors.New("nobody could approve on Slack: name people under slack.users, or leave CORTEXOPS_SLACK_SIGNING_SECRET away")
	}
	for name, secret := range secrets {
		if strings.TrimSpace(secret) == "" {
			return nil, fmt.Errorf("the secret of a webhook is empty: set %s", name)
		}
	}
	if o.Publisher == nil || o.Repository == "" {
		return nil, errors.New("intake needs a publisher and the repository (owner/name) that it takes pull requests of")
	}
	o.whole()
	sources := []source{alertmanager(o), flux(o), forge(o)}
	if len(o.SlackUsers) > 0 {
		sources = append(sources, slack(o))
	}
	for _, c := range o.CloudEvents {
		sources = append(sources, cloudEvents(o, c))
	}
	in := &intake{Options: o, metrics: newMetrics(o.Metrics, sources)}
	in.metrics.truncated = promauto.With(o.Metrics).NewCounter(truncatedOpts)
	mux := http.NewServeMux()
	for _, s := range sources {
		s.slots, s.large = make(chan struct{}, maxConcurrent), make(chan struct{}, maxLarge)
		mux.HandleFunc("POST /webhooks/"+s.name, func(w http.ResponseWriter, r *http.Request) { in.serve(w, r, s) })
	}
	return mux, nil
}

type intake struct {
	Options
	metrics metrics
}

// whole sets what may be left out.
func (o *Options) whole() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (in *intake) serve(w http.ResponseWriter, r *http.Request, s source) {
	if s.admit != nil && !s.admit(r) {
		in.reject(w, r, s, rejection{status: http.StatusUnauthorized, reason: unauthorized, why: "the bearer token is missing or wrong"})
		return
	}
	body, done, refused := s.take(w, r)
	defer done()
	if refused != nil {
		in.reject(w, r, s, *refused)
		return
	}
	if s.verify != nil && !s.verify(r, body) {
		in.reject(w, r, s, rejection{status: http.StatusUnauthorized, reason: unauthorized, why: "the signature is missing or wrong"})
		return
	}
	got, err := s.decode(r, body, in.Now().UTC())
	if err != nil {
		in.reject(w, r, s, in.refusal(r.Context(), err))
		return
	}
	in.publish(w, r, s, got)
}

// take the body in, and a slot, which done gives back. Whoever sends a small body slowly holds no slot with it: of most sources only
// the whole body says who sends it.
func (s source) take(w http.ResponseWriter, r *http.Request) (body []byte, done func(), refused *rejection) {
	small := r.ContentLength >= 0 && r.ContentLength <= smallBody
	if small {
		if body, _, refused = s.read(w, r); refused != nil {
			return nil, func() {}, refused
		}
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, func() {}, s.crowded()
	}
	free := func() {}
	if !small {
		body, free, refused = s.read(w, r)
	}
	return body, func() { free(); <-s.slots }, refused
}

func (s source) crowded() *rejection {
	return &rejection{status: cmp.Or(s.busy, http.StatusTooManyRequests), reason: overload, why: "too many webhooks at once, send it again"}
}

// refusal is of what could be read and not taken.
func (in *intake) refusal(ctx context.Context, err error) rejection {
	no := rejection{status: http.StatusBadRequest, reason: invalidPayload, why: err.Error()}
	if invalid := (*Invalid)(nil); errors.As(err, &invalid) {
		no.why, no.pointer = invalid.Why, invalid.Pointer
	}
	if forbidden := (*Forbidden)(nil); errors.As(err, &forbidden) {
		no = rejection{status: http.StatusForbidden, reason: unauthorized, why: forbidden.Why, pointer: forbidden.Pointer}
	}
	if who := (*Stranger)(nil); errors.As(err, &who) { // authentic and understood: Slack is told that it arrived
		in.tell(ctx, who)
		no.status, no.reason = http.StatusOK, stranger
		no.body = map[string]any{"response_type": "ephemeral", "replace_original": false, "text": who.Text}
	}
	return no
}

// publish answers only after the bus has.
func (in *intake) publish(w http.ResponseWriter, r *http.Request, s source, got accepted) {
	total, duplicates, err := in.store(r.Context(), s, got)
	if err != nil {
		in.reject(w, r, s, rejection{status: http.StatusServiceUnavailable, reason: unavailable, why: "the bus does not take it now, send it again"})
		return
	}
	answer(w, cmp.Or(s.status, http.StatusAccepted), map[string]int{"accepted": total - duplicates, "duplicates": duplicates})
}

// store returns when the bus has it. An error may leave part of a payload stored: it is sent again, and what was stored is
// recognised by its ID.
func (in *intake) store(ctx context.Context, s source, got accepted) (total, duplicates int, err error) {
	total = len(got.signals)
	waiting, cancel := context.WithTimeout(ctx, cmp.Or(s.within, writeTime))
	defer cancel()
	switch {
	case got.action != nil:
		var again bool
		if again, err = in.Publisher.PublishAction(waiting, *got.action); again {
			duplicates = 1
		}
		total = 1
	case total > 0:
		duplicates, err = in.Publisher.PublishSignals(waiting, got.signals)
	}
	if err != nil {
		in.Log.ErrorContext(ctx, "webhook not stored", "source", s.name, "error", err)
		return total, duplicates, err
	}
	in.metrics.ingested.WithLabelValues(s.name).Add(float64(total - duplicates))
	in.metrics.duplicate.WithLabelValues(s.name).Add(float64(duplicates))
	if got.cutOff > 0 {
		in.metrics.truncated.Add(float64(got.cutOff))
		in.Log.WarnContext(ctx, "the sender has left alerts out: raise max_alerts of its receiver", "source", s.name, "alerts", got.cutOff)
	}
	return total, duplicates, nil
}

// rejection is an answer to what was not taken.
type rejection struct {
	status  int
	reason  string // label of the metric
	why     string
	pointer string
	body    any // nil: why and pointer
}

// note counts and logs it.
func (in *intake) note(ctx context.Context, s source, no rejection) {
	in.metrics.rejected.WithLabelValues(s.name, no.reason).Inc()
	in.Log.WarnContext(ctx, "webhook rejected", "source", s.name, "status", no.status, "reason", no.reason, "pointer", no.pointer, "why", no.why)
}

func (in *intake) reject(w http.ResponseWriter, r *http.Request, s source, no rejection) {
	in.note(r.Context(), s, no)
	switch no.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", cmp.Or(s.again, "2"))
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cortexops"`)
	}
	if no.body == nil {
		no.body = map[string]string{"error": no.why, "pointer": no.pointer}
	}
	answer(w, no.status, no.body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; the status says all
}
