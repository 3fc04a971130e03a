package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const testKey = "e93facc04764012d7bfb002500d5d1a6"

// duty answers as PagerDuty says that it does, and keeps what it has taken.
type duty struct {
	t      *testing.T
	schema *jsonschema.Schema
	events []event
	status int // instead of an answer
}

func newDuty(t *testing.T) (*duty, *PagerDuty) {
	t.Helper()
	raw, err := os.ReadFile("testdata/events-v2.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.json", doc); err != nil {
		t.Fatal(err)
	}
	d := &duty{t: t}
	if d.schema, err = c.Compile("events.json"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	p, err := NewPagerDuty(PagerDutyOptions{Key: testKey, API: srv.URL + "/v2/enqueue"})
	if err != nil {
		t.Fatal(err)
	}
	return d, p
}

func (d *duty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.status != 0 {
		w.WriteHeader(d.status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || r.Header.Get("Content-Type") != "application/json" || len(body) > 512<<10 {
		d.t.Errorf("%s %s, %d bytes, %v", r.Method, r.URL, len(body), err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = d.schema.Validate(doc)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"invalid event","message":"Event object is invalid","errors":[%q]}`, err.Error()+" "+testKey)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		d.t.Error(err)
	}
	d.events = append(d.events, e)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.DedupKey)
}

// TestPagerDutyTakesWhatWeSend whatever is in it, by its published schema.
func TestPagerDutyTakesWhatWeSend(t *testing.T) {
	t.Parallel()
	d, p := newDuty(t)
	long := strings.Repeat("é\n\x00", 100_000)
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprint(i, long)] = long
	}
	link := incident.Link{Href: "https://forge/pull/7", Text: long}
	for name, page := range map[string]incident.Page{
		"usual": {Incident: "0123456789ab", Summary: "ESCALATED Deployment shop/checkout: why", Severity: "critical", Source: "prod", Component: "Deployment shop/checkout", Group: "shop", Class: "ESCALATED",
			Details: map[string]string{"risk": "high"}, Links: []incident.Link{{Href: "https://forge/pull/7", Text: "Pull request #7"}}},
		"long": {Incident: long, Summary: long, Severity: long, Source: long, Component: long, Group: long, Class: long, Details: many,
			Links: []incident.Link{{Href: "javascript:alert(1)"}, link, link, link, link, link, link, link, link, link, link, link, link}},
	} {
		if err := p.Trigger(t.Context(), page); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.Resolve(t.Context(), "0123456789ab"); err != nil {
		t.Error(err)
	}
	last := d.events[len(d.events)-1]
	if len(d.events) != 3 || last.Action != "resolve" || last.DedupKey != "cortexops/0123456789ab" || last.Payload != nil {
		t.Errorf("%+v", d.events)
	}
	for _, e := range d.events[:2] {
		if e.RoutingKey != testKey || e.Action != "trigger" || e.DedupKey == last.DedupKey && (e.Payload.Severity != "critical" || len(e.Links) != 1) || len(e.Links) > pageLinks || len(e.Payload.Details) > pageDetails {
			t.Errorf("%+v", e)
		}
	}
}

// TestPagerDutyThatRefuses is told apart from one that may take it the next time. The key is in no error.
func TestPagerDutyThatRefuses(t *testing.T) {
	t.Parallel()
	d, p := newDuty(t)
	err := p.Trigger(t.Context(), incident.Page{Incident: "0123456789ab"}) // without a summary
	var no *NotPaged
	if !errors.As(err, &no) || no.Status != http.StatusBadRequest || !no.Permanent() || !strings.Contains(err.Error(), "Event object is invalid: ") || strings.Contains(err.Error(), testKey) {
		t.Errorf("%v", err)
	}
	for status, permanent := range map[int]bool{http.StatusTooManyRequests: false, http.StatusBadGateway: false, http.StatusForbidden: true} {
		d.status = status
		if err := p.Resolve(t.Context(), "0123456789ab"); err == nil || errors.As(err, &no) != permanent {
			t.Errorf("%d: %v", status, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Resolve(ctx, "a"); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), testKey) {
		t.Errorf("%v", err)
	}
	for _, o := range []PagerDutyOptions{{Key: ""}, {Key: "short"}, {Key: testKey, API: "events"}, {Key: testKey, API: "file:///x"}} {
		if _, err := NewPagerDuty(o); err == nil || strings.Contains(err.Error(), testKey) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("http://elsewhere.test/", http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	moved, err := NewPagerDuty(PagerDutyOptions{Key: testKey, API: elsewhere.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := moved.Resolve(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "redirects to elsewhere.test") {
		t.Errorf("%v", err)
	}
}
