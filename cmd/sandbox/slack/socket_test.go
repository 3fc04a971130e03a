package slack

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// connection opens one as an app does, up to its hello.
func (w *world) connection() (*websocket.Conn, string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.opt.URL+"/api/apps.connections.open", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.opt.AppToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		OK  bool
		URL string
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || !out.OK {
		w.t.Fatalf("%+v %v", out, err)
	}
	c, _, err := websocket.DefaultDialer.Dial(out.URL, http.Header{"Origin": {"https://api.slack.com"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if hello := w.read(c); hello["type"] != "hello" || hello["num_connections"] == nil || hello["connection_info"] == nil {
		w.t.Errorf("got %v", hello)
	}
	return c, out.URL
}

func (w *world) read(c *websocket.Conn) (out object) {
	w.t.Helper()
	if err := c.ReadJSON(&out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ts := w.post()
	c, used := w.connection()
	if _, res, err := websocket.DefaultDialer.Dial(used, nil); err == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a ticket opens two connections: %v", err)
	}
	for _, acks := range []bool{true, false} {
		done := make(chan click, 1)
		go func() {
			_, got := w.click(order{TS: ts, ActionID: "yes", User: sam})
			done <- got
		}()
		envelope := w.read(c)
		payload, _ := envelope["payload"].(object)
		if envelope["type"] != "interactive" || envelope["accepts_response_payload"] != false || payload["type"] != "block_actions" {
			t.Errorf("got %v", envelope)
		}
		id := envelope["envelope_id"]
		if !acks {
			id = "another"
		}
		if err := c.WriteJSON(object{"envelope_id": id}); err != nil {
			t.Fatal(err)
		}
		if got := <-done; (got.Status == http.StatusOK) != acks || acks != (got.Error == "") || !acks && !strings.Contains(got.Error, "not acknowledged") {
			t.Errorf("acknowledged %v: %+v", acks, got)
		}
	}
	for _, reason := range []string{"warning", "refresh_requested"} {
		w.disconnects(reason, http.StatusOK)
		if got := w.read(c); got["type"] != "disconnect" || got["reason"] != reason {
			t.Errorf("got %v", got)
		}
		c, _ = w.connection()
	}
	w.disconnects("I like to", http.StatusBadRequest)
	w.disconnects("warning", http.StatusOK)
	if len(w.got) != 0 {
		t.Error("a click went to the webhook while there was a socket")
	}
	if _, got := w.click(order{TS: ts, ActionID: "yes", User: sam}); got.Status != http.StatusOK || len(w.got) != 1 {
		t.Errorf("without a socket the webhook is called: %+v", got)
	}
}

func (w *world) disconnects(reason string, want int) {
	w.t.Helper()
	res, err := http.Post(w.opt.URL+"/disconnect", "application/json", strings.NewReader(`{"reason":"`+reason+`"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != want {
		w.t.Errorf("%s: %s", reason, res.Status)
	}
}

func TestWhichTokenOpensWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if out := w.call("apps.connections.open"); out["error"] != "not_allowed_token_type" {
		t.Errorf("the bot's token opens a connection: %v", out)
	}
	if out := w.call("auth.test", "token", w.opt.AppToken); out["error"] != "not_allowed_token_type" {
		t.Errorf("the app's token is a bot's: %v", out)
	}
}
