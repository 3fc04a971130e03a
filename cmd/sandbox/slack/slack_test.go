package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	token   = "xoxb-sandbox"
	secret  = "a-signing-secret"
	channel = "C0APPROVALS"
	sam     = "U0SAM"
)

// asked is a message such as the product posts.
const asked = `[{"type":"header","text":{"type":"plain_text","text":"Raise it?"}},
{"type":"section","text":{"type":"mrkdwn","text":"*Why*  it runs out of memory","verbatim":true}},
{"type":"input","block_id":"why","label":{"type":"plain_text","text":"Why not"},"element":{"type":"plain_text_input","action_id":"written","max_length":10}},
{"type":"actions","elements":[{"type":"button","action_id":"yes","value":"{\"n\":1}","style":"primary","text":{"type":"plain_text","text":"Approve"},
 "confirm":{"title":{"type":"plain_text","text":"Sure?"},"text":{"type":"plain_text","text":"It is merged."},"confirm":{"type":"plain_text","text":"Approve"},"deny":{"type":"plain_text","text":"No"}}},
 {"type":"button","action_id":"no","value":"{\"n\":1}","text":{"type":"plain_text","text":"Reject"}},
 {"type":"button","action_id":"open","url":"https://forge.example/1","text":{"type":"plain_text","text":"Open"}}]}]`

// world is a stand-in at work, and the app that it sends interactions to.
type world struct {
	t      *testing.T
	opt    Options
	srv    *httptest.Server
	got    chan received
	answer func(http.ResponseWriter)
}

type received struct {
	header http.Header
	body   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, got: make(chan received, 10), answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"accepted":1}`) }}
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case w.got <- received{r.Header, string(b)}:
		default: // more than any test asks for
		}
		w.answer(rw)
	}))
	t.Cleanup(app.Close)
	w.opt = Options{Dir: t.TempDir(), Token: token, AppToken: "xapp-sandbox", SigningSecret: secret, Channel: channel, Users: map[string]string{sam: "sam", "U0DANA": "dana"},
		Webhook: app.URL + "/webhooks/slack"}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.srv = httptest.NewUnstartedServer(nil)
	w.opt.URL = "http://" + w.srv.Listener.Addr().String()
	s, err := New(w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.srv.Config.Handler = s
	w.srv.Start()
	w.t.Cleanup(w.srv.Close)
}

func (w *world) call(method string, kv ...string) object {
	w.t.Helper()
	form := url.Values{"token": {token}, "channel": {channel}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	res, err := http.PostForm(w.opt.URL+"/api/"+method, form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var out object
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, %v", method, res.Status, err)
	}
	return out
}

func (w *world) post() string {
	w.t.Helper()
	out := w.call("chat.postMessage", "text", "Raise it?", "blocks", asked, "metadata", `{"event_type":"cortexops","event_payload":{"incident":"7f3a19c0ffee","attempt":1}}`)
	if out["ok"] != true {
		w.t.Fatalf("got %v", out)
	}
	return out["ts"].(string)
}

func (w *world) click(o order) (int, click) {
	w.t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.Post(w.opt.URL+"/click", "application/json", bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var c click
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, c
}

func (w *world) page() string {
	w.t.Helper()
	res, err := http.Get(w.opt.URL + "/")
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		w.t.Fatalf("%s %v: %s", res.Status, err, b)
	}
	return string(b)
}

func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct{ token, bearer, want string }{
		"in the form":   {token, "", ""},
		"in the header": {"", token, ""},
		"none":          {"", "", "not_authed"},
		"wrong":         {"x", "", "invalid_auth"},
		"wrong header":  {token, "x", "invalid_auth"},
	} {
		form := url.Values{"token": {tc.token}}
		req, _ := http.NewRequest(http.MethodPost, w.opt.URL+"/api/auth.test", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tc.bearer != "" {
			req.Header.Set("Authorization", "Bearer "+tc.bearer)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			OK           bool
			Error, BotID string
		}
		err = json.NewDecoder(res.Body).Decode(&out)
		if _ = res.Body.Close(); err != nil || out.Error != tc.want || out.OK != (tc.want == "") {
			t.Errorf("%s: got %+v, %v, want %q", name, out, err, tc.want)
		}
	}
	res, err := http.Get(w.opt.URL + "/api/auth.test?token=" + token) // Slack takes no token from an address
	if err != nil || res.StatusCode == http.StatusOK {
		t.Errorf("got %v, %v", res, err)
	}
	_ = res.Body.Close()
}

func TestMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.post(), w.post()
	if first >= second {
		t.Errorf("%s is not after %s", second, first)
	}
	list := w.call("conversations.history", "include_all_metadata", "1")["messages"].([]any)
	newest := list[0].(object)
	if len(list) != 2 || newest["ts"] != second || newest["bot_id"] != botID || newest["metadata"].(object)["event_type"] != "cortexops" {
		t.Errorf("got %v", list)
	}
	page := w.call("conversations.history", "limit", "1")
	if list := page["messages"].([]any); len(list) != 1 || page["has_more"] != true || list[0].(object)["metadata"] != nil {
		t.Errorf("got %v", page)
	}
	out := w.call("chat.update", "ts", first, "text", "done", "blocks", `[{"type":"section","text":{"type":"mrkdwn","text":"done"}}]`)
	if m := out["message"].(object); out["ok"] != true || m["text"] != "done" || m["metadata"] == nil || len(m["blocks"].([]any)) != 1 || m["edited"] == nil {
		t.Errorf("got %v", out)
	}
	if out := w.call("chat.update", "ts", first, "text", "only text"); out["message"].(object)["blocks"] != nil {
		t.Errorf("text without blocks leaves blocks: %v", out)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		method string
		in     []string
		want   string
	}{
		"another method":  {"chat.delete", nil, "unknown_method"},
		"another channel": {"chat.postMessage", []string{"channel", "C1", "text", "x"}, "channel_not_found"},
		"nothing":         {"chat.postMessage", nil, "no_text"},
		"no such message": {"chat.update", []string{"ts", "1.1", "text", "x"}, "message_not_found"},
		"blocks no JSON":  {"chat.postMessage", []string{"blocks", "x"}, "invalid_blocks_format"},
		"blocks no list":  {"chat.postMessage", []string{"blocks", "{}"}, "invalid_blocks_format"},
		"odd block":       {"chat.postMessage", []string{"blocks", `[{"type":"hologram"}]`}, "invalid_blocks"},
		"null block":      {"chat.postMessage", []string{"blocks", `[null]`}, "invalid_blocks"},
		"metadata":        {"chat.postMessage", []string{"text", "x", "metadata", `{"event_type":"x"}`}, "invalid_metadata_format"},
		"limit":           {"conversations.history", []string{"limit", "1000"}, "invalid_limit"},
		"nobody":          {"chat.postEphemeral", []string{"user", "U1", "text", "x"}, "user_not_in_channel"},
	} {
		if out := w.call(tc.method, tc.in...); out["ok"] != false || out["error"] != tc.want {
			t.Errorf("%s: got %v, want %s", name, out, tc.want)
		}
	}
	if list := w.call("conversations.history")["messages"].([]any); len(list) != 0 {
		t.Errorf("refused, and there: %v", list)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.post()
	w.click(order{TS: first, ActionID: "no", User: sam})
	w.call("chat.postEphemeral", "user", sam, "text", "just you")
	w.srv.Close()
	w.start()
	if second := w.post(); second <= first {
		t.Errorf("%s is not after %s", second, first)
	}
	list := w.call("conversations.history", "include_all_metadata", "true")["messages"].([]any)
	if len(list) != 2 || list[1].(object)["ts"] != first || list[1].(object)["metadata"] == nil {
		t.Errorf("after the restart there is %v", list)
	}
	if page := w.page(); !strings.Contains(page, "just you") || !strings.Contains(page, "{&#34;accepted&#34;:1}") {
		t.Errorf("the page forgot: %s", page)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	free := httptest.NewUnstartedServer(nil)
	at := "http://" + free.Listener.Addr().String()
	free.Close()
	s := &stack.Stack{Dir: t.TempDir(), Product: stack.Product{URL: "http://127.0.0.1:1"},
		Slack: stack.Slack{URL: at, Token: token, AppToken: "xapp-sandbox", SigningSecret: secret, Channel: channel, Users: map[string]string{sam: "sam"}}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, s,
			slog.New(slog.DiscardHandler))
	}()
	for answered := false; !answered; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(at)
		if answered = err == nil; answered {
			b, _ := io.ReadAll(res.Body)
			if _ = res.Body.Close(); !strings.Contains(string(b), "http://127.0.0.1:1/webhooks/slack") {
				t.Errorf("the page does not say where clicks go: %s", b)
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("Run ends with %v", err)
		default:
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ends with %v", err)
	}
}
