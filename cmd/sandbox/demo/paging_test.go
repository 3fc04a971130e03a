package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// TestPaging has people called, on a stack of its own: every other ending that needs one would call them, too.
func TestPaging(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := onDuty(t, dir)
	h := startIn(t, dir)
	h.reconfigured(t, func(config map[string]any) { config["pagerduty"] = map[string]any{"api": d.api} })
	d.called(t, h)
	d.kept(t, h)
}

// dutyKey is of no service: 32 letters and digits, as PagerDuty's are.
const dutyKey = "e93facc04764012d7bfb002500d5d1a6"

// duty answers as PagerDuty's Events API v2 does, and holds what it is sent to the published schema.
type duty struct {
	t      *testing.T
	api    string
	schema *jsonschema.Schema

	mu     sync.Mutex
	busy   int // answers that say to come again
	events []dutyEvent
}

type dutyEvent struct {
	Key     string `json:"routing_key"`
	Action  string `json:"event_action"`
	Dedup   string `json:"dedup_key"`
	Payload struct{ Summary, Source, Severity, Component, Class string }
	Links   []struct{ Href string }
}

// onDuty saves in dir the stack of a sandbox whose product may call people.
func onDuty(t *testing.T, dir string) *duty {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../../pipeline/notify/testdata/events-v2.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &duty{t: t, schema: schema}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.api = server.URL + "/v2/enqueue"
	s, err := stack.Choose(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Product.Env["CORTEXOPS_PAGERDUTY_KEY"] = dutyKey
	if err := errors.Join(s.Save(), s.Release()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *duty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || r.Header.Get("Content-Type") != "application/json" {
		d.t.Errorf("PagerDuty was sent %s %s, %v", r.Method, r.URL, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy > 0 {
		d.busy--
		http.Error(w, "too many events of "+dutyKey, http.StatusTooManyRequests) // a proxy that says too much
		return
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = d.schema.Validate(doc)
	}
	var e dutyEvent
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil || e.Key != dutyKey {
		d.t.Errorf("PagerDuty would not take %s: %v", body, err)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"invalid event","message":"Event object is invalid","errors":[%q]}`, dutyKey)
		return
	}
	d.events = append(d.events, e)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.Dedup)
}

// of are the events about an incident.
func (d *duty) of(workflowID string) (list []dutyEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Dedup == "cortexops/"+strings.Split(workflowID, "/")[1] {
			list = append(list, e)
		}
	}
	return list
}

// called ends a remediation so that a person is needed, with a PagerDuty that is busy at first, and then the trouble.
func (d *duty) called(t *testing.T, h *house) {
	d.mu.Lock()
	d.busy = 1
	d.mu.Unlock()
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	ownedByAnother(t, h, p) // and its owner lets go at the end, so that the alert resolves
	if err := wait(t.Context(), "PagerDuty to be told that it is over", time.Minute, func(context.Context) (bool, error) {
		return slices.ContainsFunc(d.of(id), func(e dutyEvent) bool { return e.Action == "resolve" }), nil
	}); err != nil {
		t.Fatalf("%v: %+v", err, d.of(id))
	}
	events := d.of(id)
	if len(events) != 2 || events[0].Action != "trigger" {
		t.Fatalf("PagerDuty was told %+v", events)
	}
	e := events[0]
	if e.Payload.Class != "ESCALATED" || !strings.HasPrefix(e.Payload.Summary, "ESCALATED ") || !strings.Contains(e.Payload.Summary, "autoscaler") ||
		!strings.Contains(e.Payload.Component, "checkout") || e.Payload.Source != "sandbox" || len(e.Links) == 0 || e.Links[0].Href != p.URL {
		t.Errorf("PagerDuty was told %+v", e)
	}
	for _, step := range []string{"page", "page-over"} {
		rows := h.rows(t, id)
		for _, kind := range []string{"intent", "done"} {
			if !slices.ContainsFunc(strings.Split(rows, "\n"), func(row string) bool {
				return strings.Contains(row, `"step":"`+step+`"`) && strings.Contains(row, `"kind":"`+kind+`"`)
			}) {
				t.Errorf("the ledger has no row %s of %s:\n%s", kind, step, rows)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy != 0 {
		t.Error("it was not asked while it was busy")
	}
}

// kept looks for the key in all that the stack has written, wherever people can read, and finds it where the sandbox keeps it.
func (d *duty) kept(t *testing.T, h *house) {
	var found []string
	err := filepath.WalkDir(h.Stack.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it was a file for a moment, or is a socket
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(dutyKey)) {
			name, _ := filepath.Rel(h.Stack.Dir, path)
			found = append(found, name)
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	if err != nil || !slices.Equal(found, []string{"stack.json"}) {
		t.Errorf("the key of PagerDuty is in %q, %v", found, err)
	}
	pulls, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := h.metrics(t)
	for _, p := range pulls {
		said += p.Title + p.Body + h.comments(t, p)
	}
	for _, id := range h.remediations(t) {
		said += h.product(t, "ledger", "show", strings.Split(id, "/")[1])
		for events := h.temporal.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			event, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			said += event.String()
		}
	}
	if len(pulls) == 0 || strings.Contains(said, dutyKey) {
		t.Errorf("%d pull requests, and the key of PagerDuty is in what people read", len(pulls))
	}
}
