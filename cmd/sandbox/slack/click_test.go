package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestClick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ts := w.post()
	for _, tc := range []struct {
		reason string
		value  any
	}{{"too big", "too big"}, {"", nil}} {
		status, c := w.click(order{TS: ts, ActionID: "no", User: sam, Reason: tc.reason})
		if status != 200 || c.Status != 200 || c.Body != `{"accepted":1}` || c.Error != "" {
			t.Fatalf("got %d %+v", status, c)
		}
		got := <-w.got
		stamp := got.header.Get("X-Slack-Request-Timestamp")
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "v0:%s:%s", stamp, got.body)
		if want := "v0=" + hex.EncodeToString(mac.Sum(nil)); got.header.Get("X-Slack-Signature") != want ||
			got.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("sent %v", got.header)
		}
		form, err := url.ParseQuery(got.body)
		if err != nil {
			t.Fatal(err)
		}
		var in struct {
			Type      string
			User      struct{ ID string }
			Container object
			Message   object
			State     struct {
				Values map[string]map[string]struct{ Value any }
			}
			Actions []object
		}
		if err := json.Unmarshal([]byte(form.Get("payload")), &in); err != nil {
			t.Fatal(err)
		}
		a := in.Actions[0]
		if in.Type != "block_actions" || in.User.ID != sam || in.Container["message_ts"] != ts || in.Message["ts"] != ts || len(in.Actions) != 1 ||
			a["action_id"] != "no" || a["value"] != `{"n":1}` || a["action_ts"] == "" || a["block_id"] != "b3" ||
			in.State.Values["why"]["written"].Value != tc.value {
			t.Errorf("sent %s", form.Get("payload"))
		}
	}
	for name, o := range map[string]order{
		"no such message": {TS: "1.1", ActionID: "no", User: sam}, "no such button": {TS: ts, ActionID: "x", User: sam},
		"no such user": {TS: ts, ActionID: "no", User: "U1"}, "too long": {TS: ts, ActionID: "no", User: sam, Reason: "more than ten"},
	} {
		if status, _ := w.click(o); status != http.StatusNotFound {
			t.Errorf("%s: got %d", name, status)
		}
	}
	w.call("chat.update", "ts", ts, "text", "done") // takes the buttons away
	if status, _ := w.click(order{TS: ts, ActionID: "no", User: sam}); status != http.StatusNotFound || len(w.got) != 0 {
		t.Errorf("clicked a button that is gone: %d", status)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ts := w.post()
	w.answer = func(rw http.ResponseWriter) {
		rw.Header().Set("Location", "/elsewhere")
		rw.WriteHeader(http.StatusFound)
	}
	if _, c := w.click(order{TS: ts, ActionID: "no", User: sam}); c.Status != http.StatusFound {
		t.Errorf("followed a redirect: %+v", c)
	}
	w.answer = func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	if _, c := w.click(order{TS: ts, ActionID: "no", User: sam}); c.Status != 0 || c.Error == "" {
		t.Errorf("got %+v", c)
	}
	if page := w.page(); !strings.Contains(page, "no answer:") {
		t.Error("the page does not say that there was no answer")
	}
}
