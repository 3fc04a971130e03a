package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

const appToken = "xapp-1-not-a-real-token"

// slackSide is the other end of the socket, as Slack documents it.
type slackSide struct {
	t      *testing.T
	url    string
	opened chan *websocket.Conn // each has said hello
	acks   chan string          // envelope_id
	mu     sync.Mutex
	refuse string // error of apps.connections.open
}

func newSlackSide(t *testing.T) *slackSide {
	t.Helper()
	s := &slackSide{t: t, opened: make(chan *websocket.Conn, 10), acks: make(chan string, 10)}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/api/"
	mux.HandleFunc("POST /api/apps.connections.open", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("Authorization") != "Bearer "+appToken:
			fmt.Fprint(w, `{"ok":false,"error":"invalid_auth"}`)
		case s.refuse != "":
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, s.refuse)
		default:
			fmt.Fprintf(w, `{"ok":true,"url":%q}`, strings.Replace(srv.URL, "http", "ws", 1)+"/link/?ticket=1")
		}
	})
	mux.HandleFunc("GET /link/", func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"},"debug_info":{"host":"applink-1","approximate_connection_time":18060}}`)); err != nil {
			t.Error(err)
			return
		}
		s.opened <- c
		for {
			var ack struct {
				ID string `json:"envelope_id"`
			}
			if c.ReadJSON(&ack) != nil {
				return
			}
			s.acks <- ack.ID
		}
	})
	return s
}

func (s *slackSide) setRefuse(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

func (s *slackSide) send(c *websocket.Conn, text string) {
	s.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *slackSide) click(c *websocket.Conn, id, payload string) {
	s.t.Helper()
	var compact any
	if err := json.Unmarshal([]byte(payload), &compact); err != nil {
		s.t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"envelope_id": id, "type": "interactive", "accepts_response_payload": false, "payload": compact})
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(c, string(b))
}

func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// socketed runs a socket to the other side.
func socketed(t *testing.T, s *slackSide, bus Publisher, tell func(context.Context, string, string) error) (*Socket, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	o := Options{Publisher: bus, Repository: "acme/shop", SlackUsers: slackUsers, SlackAppToken: appToken, SlackAPI: s.url, SlackTell: tell, Metrics: reg, Now: clock}
	socket, err := NewSocket(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); socket.Run(ctx) }()
	t.Cleanup(func() { cancel(); within(t, "end", done) })
	return socket, reg
}

func TestSocketTakesClicks(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	bus := &store{seen: map[string]bool{}}
	told := make(chan string, 1)
	side := newSlackSide(t)
	socket, reg := socketed(t, side, bus, func(_ context.Context, user, text string) error { told <- user + ": " + text; return nil })
	c := within(t, "connection", side.opened)
	for _, click := range []struct{ id, payload string }{
		{"first", payload}, {"again", payload},
		{"what slack-go does not know", strings.Replace(payload, `"actions": [`, `"message":{"blocks":[1]}, "actions": [`, 1)},
		{"a link", strings.ReplaceAll(payload, "cortexops_reject", "cortexops_open")},
	} {
		side.click(c, click.id, click.payload)
		if got := within(t, "acknowledgement of "+click.id, side.acks); got != click.id {
			t.Errorf("acknowledged %q, want %q", got, click.id)
		}
	}
	if len(bus.actions) != 1 || bus.actions[0].Actor != "sam" || bus.actions[0].Reason != "not in the sale" || bus.actions[0].AcceptedAt != at {
		t.Errorf("published %+v", bus.actions)
	}
	if over, err := decodeSlack(form(payload), "acme/shop", slackUsers); err != nil || over.Delivery != bus.actions[0].Delivery {
		t.Errorf("over HTTP it is another click: %+v, %v", over, err)
	}
	side.click(c, "mallory", strings.Replace(payload, "U123ABC456", "U0MALLORY", 1))
	if got := within(t, "acknowledgement", side.acks); got != "mallory" || !strings.HasPrefix(<-told, "U0MALLORY: Nothing happened") {
		t.Errorf("acknowledged %q", got)
	}
	wantValue(t, reg, "cortexops_events_ingested_total{source=slack}", 1)
	wantValue(t, reg, "cortexops_events_duplicate_total{source=slack}", 2)
	wantValue(t, reg, "cortexops_events_rejected_total{reason=stranger,source=slack}", 1)
	if err := socket.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSocketAcknowledgesWhatTheBusHas, and nothing else: Slack shows a warning to whoever clicked.
func TestSocketAcknowledgesWhatTheBusHas(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	bus := &store{seen: map[string]bool{}, err: errors.New("no servers")}
	side := newSlackSide(t)
	_, reg := socketed(t, side, bus, nil)
	c := within(t, "connection", side.opened)
	side.click(c, "while the bus is away", payload)
	side.click(c, "nonsense", strings.Replace(payload, "1772447405.840180", "", 1))
	for total := func() float64 {
		n := 0.0
		families, _ := reg.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "cortexops_events_rejected_total" {
					n += m.GetCounter().GetValue()
				}
			}
		}
		return n
	}; total() < 2; {
		time.Sleep(10 * time.Millisecond)
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unavailable,source=slack}", 1)
	wantValue(t, reg, "cortexops_events_rejected_total{reason=invalid,source=slack}", 1)
	bus.mu.Lock()
	bus.err = nil
	bus.mu.Unlock()
	side.click(c, "again", payload)
	if got := within(t, "acknowledgement", side.acks); got != "again" || len(bus.actions) != 1 {
		t.Errorf("acknowledged %q, published %+v", got, bus.actions)
	}
}

// TestSocketReconnects when it is told to, and when it breaks.
func TestSocketReconnects(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	bus := &store{seen: map[string]bool{}}
	side := newSlackSide(t)
	socket, _ := socketed(t, side, bus, nil)
	c := within(t, "connection", side.opened)
	for _, how := range []string{"warning", "refresh_requested", ""} {
		if how == "" {
			c.NetConn().Close()
		} else {
			side.send(c, fmt.Sprintf(`{"type":"disconnect","reason":%q,"debug_info":{"host":"wss-111.slack.com"}}`, how))
		}
		c = within(t, "connection after "+how, side.opened)
		side.click(c, how, payload)
		if got := within(t, "acknowledgement", side.acks); got != how {
			t.Errorf("acknowledged %q after %q", got, how)
		}
	}
	if err := socket.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSocketWithoutUse says why, and goes on trying.
func TestSocketWithoutUse(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_auth", "missing_scope"} {
		side := newSlackSide(t)
		side.setRefuse(code)
		reg := prometheus.NewRegistry()
		socket, err := NewSocket(Options{Publisher: &store{}, Repository: "acme/shop", SlackUsers: slackUsers, SlackAppToken: appToken, SlackAPI: side.url, Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		socket.every = 10 * time.Millisecond
		if err := socket.Check(t.Context()); err == nil {
			t.Error("it is connected before it is run")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); socket.Run(ctx) }()
		for err = socket.Check(ctx); err == nil || !strings.Contains(err.Error(), code); err = socket.Check(ctx) {
			time.Sleep(time.Millisecond)
		}
		if !strings.Contains(err.Error(), "connections:write") || strings.Contains(err.Error(), appToken) {
			t.Errorf("%s: %v", code, err)
		}
		side.setRefuse("")
		within(t, "connection", side.opened)
		cancel()
		within(t, "end", done)
	}
	for name, o := range map[string]Options{
		"a bot's token": {Publisher: &store{}, Repository: "acme/shop", SlackUsers: slackUsers, SlackAppToken: "xoxb-1"},
		"nobody":        {Publisher: &store{}, Repository: "acme/shop", SlackAppToken: appToken},
		"no login":      {Publisher: &store{}, Repository: "acme/shop", SlackAppToken: appToken, SlackUsers: map[string]string{"U1": ""}},
		"no bus":        {Repository: "acme/shop", SlackAppToken: appToken, SlackUsers: slackUsers},
	} {
		if _, err := NewSocket(o); err == nil || strings.Contains(err.Error(), "xoxb-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
