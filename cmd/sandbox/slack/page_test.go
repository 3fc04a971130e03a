package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ts := w.post()
	page := w.page()
	for _, want := range []string{"<h2>Raise it?</h2>", "<b>Why</b>  it runs", `maxlength="10"`, `name="action_id" value="no"`, "It is merged.",
		`href="https://forge.example/1"`, `<option value="U0SAM">sam (U0SAM)</option>`, "<button disabled hidden>"} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not on the page:\n%s", want, page)
		}
	}
	press := func(o order) *http.Response {
		res, err := http.PostForm(w.opt.URL+"/press", url.Values{"ts": {o.TS}, "action_id": {o.ActionID}, "user": {o.User}, "reason": {o.Reason}})
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	if res := press(order{ts, "yes", "U0DANA", "fine"}); res.StatusCode != http.StatusOK || len(w.got) != 1 {
		t.Errorf("got %s, and %d interactions", res.Status, len(w.got))
	}
	if res := press(order{ts, "gone", "U0DANA", ""}); res.StatusCode != http.StatusConflict {
		t.Errorf("got %s", res.Status)
	}
	if page := w.page(); !strings.Contains(page, "<b>dana</b> clicked <code>yes</code> with “fine”") || !strings.Contains(page, `<span class="good">200</span>`) {
		t.Errorf("the click is not on the page:\n%s", page)
	}
}

func TestPageIsEscaped(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)> &lt;script&gt;alert(2)&lt;/script&gt; <javascript:alert(3)|x> <https://x/"onmouseover=alert(4)|<b>> *<i>* ` + "`<u>` :x<s>: <!date^1^{time}<q>|<q>>"
	w := newWorld(t)
	w.answer = func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, evil) }
	text := func(kind string) object { return object{"type": kind, "text": evil} }
	blocks, err := json.Marshal([]object{
		{"type": "section", "text": text("mrkdwn")}, {"type": "section", "text": text("plain_text")}, {"type": "context", "elements": []object{text("mrkdwn")}},
		{"type": "header", "text": object{"type": "plain_text", "text": evil[:140]}},
		{"type": "input", "label": text("plain_text"), "element": object{"type": "plain_text_input", "action_id": "a"}},
		{"type": "actions", "elements": []object{
			{"type": "button", "action_id": evil[:100], "text": object{"type": "plain_text", "text": evil[:70]}},
			{"type": "button", "action_id": "u", "url": "javascript:alert(5)", "text": object{"type": "plain_text", "text": "x"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ts, ok := w.call("chat.postMessage", "text", evil, "blocks", string(blocks))["ts"].(string)
	if !ok {
		t.Fatal("not posted")
	}
	w.call("chat.postMessage", "text", evil)
	w.call("chat.postEphemeral", "user", sam, "text", evil)
	if status, c := w.click(order{TS: ts, ActionID: "u", User: sam, Reason: evil}); status != 200 || c.Status != 200 {
		t.Fatalf("got %d %+v", status, c)
	}
	page := w.page()
	for _, bad := range []string{"<script", "<img", "<i>", "<u>", "<s>", "<q>", `"onmouseover`, `href="javascript`, "</script"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s is live on the page:\n%s", bad, page)
		}
	}
}

func TestOnlyOurName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ts := w.post()
	body := fmt.Sprintf(`{"ts":%q,"action_id":"no","user":%q}`, ts, sam)
	for name, change := range map[string]func(*http.Request){
		"another name":   func(r *http.Request) { r.Host = "evil.example" },
		"another origin": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		req, _ := http.NewRequest(http.MethodPost, w.opt.URL+"/click", strings.NewReader(body))
		change(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode < 400 || len(w.got) != 0 {
			t.Errorf("%s: got %s", name, res.Status)
		}
	}
}
