package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

type object = map[string]any

const (
	token   = "xoxb-not-a-real-token"
	channel = "C0123456789"
)

var (
	key     = incident.Key{Incident: "7f3a19c0ffee", Attempt: 2}
	message = Message{Text: "Approve?", Blocks: []byte(`[{"type":"section","text":{"type":"mrkdwn","text":"*Approve*?","verbatim":true}}]`)}
)

// fake answers as Slack's documentation shows it, without a network: a http.RoundTripper.
type fake struct {
	mu     sync.Mutex
	list   []object            // oldest first
	calls  []string            // methods
	forms  []url.Values        // of those
	answer map[string][]string // by method, used up from the front: "429 3", "500", "lost", "lost quietly", or an error of Slack's with what else it says
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := httptest.NewRecorder()
	if err := f.serve(w, r); err != nil {
		return nil, err
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) error {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	if err := r.ParseForm(); err != nil {
		return err
	}
	f.calls, f.forms = append(f.calls, method), append(f.forms, r.PostForm)
	next := ""
	if list := f.answer[method]; len(list) > 0 {
		next, f.answer[method] = list[0], list[1:]
	}
	switch name, rest, _ := strings.Cut(next, " "); name {
	case "":
	case "lost":
		if rest == "" {
			f.method(httptest.NewRecorder(), method, r.PostForm)
		}
		return errors.New("connection reset by peer")
	case "429":
		w.Header().Set("Retry-After", rest)
		w.WriteHeader(http.StatusTooManyRequests)
		return nil
	case "302":
		w.Header().Set("Location", rest)
		w.WriteHeader(http.StatusFound)
		return nil
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	default:
		out := object{}
		if err := json.Unmarshal([]byte("{"+rest+"}"), &out); err != nil {
			return err
		}
		out["ok"], out["error"] = false, name
		return json.NewEncoder(w).Encode(out)
	}
	f.method(w, method, r.PostForm)
	return nil
}

func (f *fake) method(w http.ResponseWriter, method string, in url.Values) {
	out := object{"ok": true}
	switch {
	case in.Get("token") != token:
		out = object{"ok": false, "error": "invalid_auth"}
	case method == "auth.test":
		out = object{"ok": true, "url": "https://acme.slack.com/", "team": "Acme", "user": "cortexops", "team_id": "T1", "user_id": "U0BOT", "bot_id": "B0BOT"}
	case method == "chat.postMessage":
		ts := fmt.Sprintf("1503435956.%06d", len(f.list)+1)
		m := object{"type": "message", "text": in.Get("text"), "user": "U0BOT", "bot_id": "B0BOT", "ts": ts, "blocks": json.RawMessage(in.Get("blocks")),
			"metadata": json.RawMessage(in.Get("metadata"))}
		f.list = append(f.list, m)
		out["channel"], out["ts"], out["message"] = channel, ts, m
	case method == "chat.update":
		out["channel"], out["ts"], out["text"] = channel, in.Get("ts"), in.Get("text")
	case method == "chat.postEphemeral":
		out["message_ts"] = "1502210682.580145"
	case method == "conversations.history":
		newest := []object{}
		for i := len(f.list) - 1; i >= 0 && len(newest) < 100; i-- {
			newest = append(newest, f.list[i])
		}
		out["messages"], out["has_more"], out["pin_count"] = newest, len(f.list) > 100, 0
	default:
		out = object{"ok": false, "error": "unknown_method"}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func newFake(t *testing.T, answer map[string][]string) (*fake, *Slack) {
	t.Helper()
	f := &fake{answer: answer}
	if f.answer == nil {
		f.answer = map[string][]string{}
	}
	s, err := New(Options{Token: token, Channel: channel, HTTP: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

func (f *fake) want(t *testing.T, calls ...string) {
	t.Helper()
	if got := strings.Join(f.calls, " "); got != strings.Join(calls, " ") {
		t.Errorf("called %s, want %v", got, calls)
	}
}
