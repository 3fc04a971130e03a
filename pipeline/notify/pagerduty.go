package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	// PagerDutyAPI takes events; https://events.eu.pagerduty.com/v2/enqueue does of the European region.
	PagerDutyAPI = "https://events.pagerduty.com/v2/enqueue"

	pageSummary = 1024 // bytes, as the others: PagerDuty's own limits, or ours where it names none
	pageField   = 255
	pageDetail  = 4 << 10
	pageDetails = 30
	pageLinks   = 10
	pageAnswer  = 64 << 10
)

// PagerDutyOptions of NewPagerDuty.
type PagerDutyOptions struct {
	Key  string // the integration key of an Events API v2 integration: 32 letters and digits
	API  string // where events are posted; empty: PagerDutyAPI
	HTTP *http.Client
}

// PagerDuty calls people by the Events API v2. It is safe for concurrent use.
type PagerDuty struct {
	key, api string
	http     *http.Client
}

var routingKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// NewPagerDuty calls nothing.
func NewPagerDuty(o PagerDutyOptions) (*PagerDuty, error) {
	if o.API == "" {
		o.API = PagerDutyAPI
	}
	if base, err := url.Parse(o.API); err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("the PagerDuty API %q is no URL, such as %s", o.API, PagerDutyAPI)
	}
	if !routingKey.MatchString(o.Key) { // not quoted: it is a secret
		return nil, errors.New("the key of PagerDuty is not one of an Events API v2 integration: 32 letters and digits")
	}
	c := http.Client{Timeout: 15 * time.Second}
	if o.HTTP != nil {
		c = *o.HTTP
	}
	c.CheckRedirect = func(req *http.Request, _ []*http.Request) error { // the key goes with every request
		return fmt.Errorf("PagerDuty redirects to %s, where our key must not go: set the API's real address", req.URL.Host)
	}
	return &PagerDuty{key: o.Key, api: o.API, http: &c}, nil
}

// NotPaged is an event that PagerDuty understands and does not take. Trying again does not help.
type NotPaged struct {
	Status  int
	Message string
}

func (e *NotPaged) Error() string {
	return fmt.Sprintf("PagerDuty does not take the event (%d): %s", e.Status, e.Message)
}

// Permanent tells that no retry mends it.
func (e *NotPaged) Permanent() bool { return true }

// event is one of the Events API v2.
type event struct {
	RoutingKey string          `json:"routing_key"`
	Action     string          `json:"event_action"`
	DedupKey   string          `json:"dedup_key"`
	Client     string          `json:"client,omitempty"`
	Payload    *payload        `json:"payload,omitempty"`
	Links      []incident.Link `json:"links,omitempty"`
}

type payload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

// Trigger calls people; said again it is the same call. Errors: *NotPaged; any other may be retried.
func (p *PagerDuty) Trigger(ctx context.Context, page incident.Page) error {
	e := event{RoutingKey: p.key, Action: "trigger", DedupKey: dedup(page.Incident), Client: "CortexOps", Payload: &payload{
		Summary: bounded(page.Summary, pageSummary), Source: bounded(page.Source, pageField), Severity: page.Severity,
		Component: bounded(page.Component, pageField), Group: bounded(page.Group, pageField), Class: bounded(page.Class, pageField)}}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity) {
		e.Payload.Severity = "error"
	}
	for key, value := range page.Details {
		if len(e.Payload.Details) == pageDetails {
			break
		}
		if e.Payload.Details == nil {
			e.Payload.Details = map[string]string{}
		}
		e.Payload.Details[bounded(key, pageField)] = bounded(value, pageDetail)
	}
	for _, l := range page.Links {
		if u, err := url.Parse(l.Href); err == nil && (u.Scheme == "https" || u.Scheme == "http") && len(e.Links) < pageLinks {
			e.Links = append(e.Links, incident.Link{Href: l.Href, Text: bounded(l.Text, pageField)})
		}
	}
	return p.send(ctx, e)
}

// Resolve ends the call about an incident. That there is none is success.
func (p *PagerDuty) Resolve(ctx context.Context, id string) error {
	return p.send(ctx, event{RoutingKey: p.key, Action: "resolve", DedupKey: dedup(id)})
}

func dedup(id string) string { return "cortexops/" + bounded(id, pageField-len("cortexops/")) }

func (p *PagerDuty) send(ctx context.Context, e event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask PagerDuty: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s at PagerDuty: %w", e.Action, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, pageAnswer))
	if err != nil {
		return fmt.Errorf("read PagerDuty's answer: %w", err)
	}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 || resp.StatusCode < 400:
		return fmt.Errorf("%s at PagerDuty: it answers %d", e.Action, resp.StatusCode)
	}
	var said struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	_ = json.Unmarshal(answer, &said) // a proxy answers something else
	return &NotPaged{Status: resp.StatusCode, Message: strings.ReplaceAll(bounded(strings.Join(append([]string{said.Message}, said.Errors...), ": "), pageSummary), p.key, "…")}
}

// bounded is s as one line of at most n bytes, in whole runes.
func bounded(s string, n int) string {
	const more = "…"
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len(more)], "") + more
}
