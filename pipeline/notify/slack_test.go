package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestPostOnce(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, nil)
	first, err := s.Post(t.Context(), key, "", message)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Post(t.Context(), key, "", message); err != nil || again != first { // as a retry after a crash does
		t.Fatalf("posted at %q, then %q, %v", first, again, err)
	}
	if other, err := s.Post(t.Context(), incident.Key{Incident: key.Incident, Attempt: 3}, "", message); err != nil || other == first {
		t.Fatalf("another attempt has the message of this one: %q, %v", other, err)
	}
	f.want(t, "conversations.history", "chat.postMessage", "conversations.history", "auth.test", "conversations.history", "chat.postMessage")
	sent := f.forms[1]
	if sent.Get("channel") != channel || sent.Get("text") != message.Text || sent.Get("blocks") != string(message.Blocks) ||
		sent.Get("metadata") != `{"event_type":"cortexops","event_payload":{"attempt":2,"incident":"7f3a19c0ffee","topic":""}}` ||
		sent.Get("unfurl_links") != "false" || sent.Get("unfurl_media") != "false" {
		t.Errorf("posted %v", sent)
	}
	if look := f.forms[0]; look.Get("limit") != "100" || look.Get("include_all_metadata") != "1" {
		t.Errorf("looked with %v", look)
	}
}

// TestOthersMessages: what other apps write into the channel neither stands for ours nor keeps it away.
func TestOthersMessages(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]object{
		"the same mark":       {"ts": "1.1", "bot_id": "B0EVIL", "user": "U0EVIL", "metadata": mark(key, "")},
		"no author":           {"ts": "1.1", "metadata": mark(key, "")},
		"a mark of its own":   {"ts": "1.1", "bot_id": "B0BOT", "metadata": object{"event_type": "deploy", "event_payload": mark(key, "").EventPayload}},
		"an odd mark":         {"ts": "1.1", "bot_id": "B0BOT", "metadata": object{"event_type": "deploy", "event_payload": []int{1}}},
		"our type, odd form":  {"ts": "1.1", "bot_id": "B0BOT", "metadata": object{"event_type": "cortexops", "event_payload": "x"}},
		"an unknown element":  {"ts": "1.1", "blocks": []object{{"type": "actions", "elements": []object{{"type": "hologram"}}}}},
		"a person's":          {"ts": "1.1", "user": "U1", "text": "hi", "thread_ts": "1.0", "reactions": []object{{"name": "eyes", "count": 1}}},
		"our other message":   {"ts": "1.1", "bot_id": "B0BOT", "metadata": mark(incident.Key{Incident: "000000000000", Attempt: 2}, "")},
		"our other topic":     {"ts": "1.1", "bot_id": "B0BOT", "metadata": mark(key, "held-1")},
		"our other attempt's": {"ts": "1.1", "bot_id": "B0BOT", "metadata": mark(incident.Key{Incident: key.Incident, Attempt: 1}, "")},
	} {
		f, s := newFake(t, nil)
		f.list = []object{m}
		if ts, err := s.Post(t.Context(), key, "", message); err != nil || ts == "1.1" || len(f.list) != 2 {
			t.Errorf("%s: got %q, %v, and %d messages", name, ts, err, len(f.list))
		}
	}
}

func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string
		posted int // after one call, whose answer is lost, and one retry
		fails  bool
	}{
		"carried out":        {"lost", 1, false},
		"not carried out":    {"lost quietly", 1, true},
		"server error":       {"500", 1, true},
		"Slack's own":        {"internal_error", 1, true},
		"refused, not asked": {`channel_not_found`, 1, true},
	} {
		f, s := newFake(t, map[string][]string{"chat.postMessage": {tc.answer}})
		ts, err := s.Post(t.Context(), key, "", message)
		if (err != nil) != tc.fails {
			t.Errorf("%s: got %q, %v", name, ts, err)
		}
		if again, err := s.Post(t.Context(), key, "", message); err != nil || again == "" || len(f.list) != tc.posted {
			t.Errorf("%s: the retry got %q, %v, and there are %d messages", name, again, err, len(f.list))
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, nil)
	if err := s.Update(t.Context(), "1503435956.000001", message); err != nil {
		t.Fatal(err)
	}
	f.want(t, "chat.update")
	if sent := f.forms[0]; sent.Get("ts") != "1503435956.000001" || sent.Get("blocks") != string(message.Blocks) || sent.Has("metadata") {
		t.Errorf("sent %v", sent) // with metadata it would take the mark away
	}
	if err := s.Update(t.Context(), "1", Message{Text: "x", Blocks: []byte("nothing")}); err == nil {
		t.Error("blocks that are no JSON went through")
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, nil)
	if err := s.Tell(t.Context(), "U1", "&lt;!channel&gt; &amp; no"); err != nil {
		t.Fatal(err)
	}
	if sent := f.forms[0]; sent.Get("user") != "U1" || sent.Get("text") != "&lt;!channel&gt; &amp; no" {
		t.Errorf("sent %v", sent)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{
		"invalid_auth":  "CORTEXOPS_SLACK_TOKEN",
		"not_authed":    "CORTEXOPS_SLACK_TOKEN",
		"token_revoked": "token_revoked",
		`missing_scope "needed":"chat:write","provided":"identify"`: "chat:write",
	} {
		_, s := newFake(t, map[string][]string{"auth.test": {answer}, "chat.update": {answer}})
		for _, err := range []error{s.Ping(t.Context()), s.Update(t.Context(), "1", message)} {
			if no := (*Unauthorized)(nil); !errors.As(err, &no) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want Unauthorized with %s", answer, err, says)
			}
		}
	}
	_, s := newFake(t, map[string][]string{"conversations.history": {`missing_scope "needed":"channels:history"`}})
	if _, err := s.Post(t.Context(), key, "", message); err == nil || !strings.Contains(err.Error(), "channels:history") {
		t.Errorf("got %v, want the scope that is missing", err)
	}
	f, s := newFake(t, map[string][]string{"chat.postMessage": {`invalid_blocks "response_metadata":{"messages":["[ERROR] too long [json-pointer:/blocks/0/text]"]}`}})
	_, err := s.Post(t.Context(), key, "", message)
	if no := (*Refused)(nil); !errors.As(err, &no) || no.Code != "invalid_blocks" || !strings.Contains(err.Error(), "/blocks/0/text") {
		t.Errorf("got %v, want Refused with what is wrong", err)
	}
	f.want(t, "conversations.history", "chat.postMessage") // it is known that nothing was posted
	_, s = newFake(t, map[string][]string{"chat.update": {"fatal_error"}})
	if err, no := s.Update(t.Context(), "1", message), (*Refused)(nil); err == nil || errors.As(err, &no) {
		t.Errorf("got %v, want an error that passes", err)
	}
}

func TestTokenIsNowhere(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"lost", "500", "429 3600", "302 https://elsewhere.example/api", "invalid_auth", "fatal_error"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, method := range []string{"auth.test", "conversations.history", "chat.postMessage", "chat.update", "chat.postEphemeral"} {
			f, s := newFake(t, map[string][]string{method: {answer, answer}})
			_, post := s.Post(ctx, key, "", message)
			err := errors.Join(s.Ping(ctx), post, s.Update(ctx, "1", message), s.Tell(ctx, "U1", "x"))
			if err == nil && (method != "chat.postMessage" || answer != "lost") {
				t.Errorf("%s answered %s, and nothing failed", method, answer)
			}
			if err != nil && strings.Contains(err.Error(), token) || strings.Contains(fmt.Sprintf("%+v", err), token) {
				t.Errorf("the token is in: %v", err)
			}
			for _, form := range f.forms {
				if form.Get("token") != token {
					t.Errorf("a call without the token: %v", form)
				}
			}
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := newFake(t, map[string][]string{"conversations.history": {"429 7"}, "chat.postMessage": {"429 30", "429 0"}})
		began := time.Now()
		if _, err := s.Post(t.Context(), key, "", message); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 38*time.Second {
			t.Errorf("took %s, want 7 + 30 + 1 seconds", took)
		}
		f.want(t, "conversations.history", "conversations.history", "chat.postMessage", "chat.postMessage", "chat.postMessage")
	})
	synctest.Test(t, func(t *testing.T) { // no time for it: the caller is told at once
		_, s := newFake(t, map[string][]string{"chat.update": {"429 30"}})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := s.Update(ctx, "1", message)
		if no := (*RateLimited)(nil); !errors.As(err, &no) || no.After != 30*time.Second || time.Since(began) != 0 {
			t.Errorf("got %v after %s, want RateLimited for 30s at once", err, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, s := newFake(t, map[string][]string{"chat.update": {"429 30"}})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		if err := s.Update(ctx, "1", message); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the wait", err)
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{Token: token, Channel: channel, API: "http://127.0.0.1:1/api/"}
	for name, spoil := range map[string]func(*Options){
		"no token":      func(o *Options) { o.Token = " " },
		"channel name":  func(o *Options) { o.Channel = "#oncall" },
		"no channel":    func(o *Options) { o.Channel = "" },
		"no slash":      func(o *Options) { o.API = "https://slack.com/api" },
		"not a URL":     func(o *Options) { o.API = "slack/" },
		"control in it": func(o *Options) { o.API = "http://x\n/" },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
