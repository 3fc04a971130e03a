package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	slackgo "github.com/slack-go/slack"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const slackKey = "8f742231b10e8888abcd99yyyzzz85a5"

var slackUsers = map[string]string{"U123ABC456": "sam", "U0DANA": "dana"}

// slackHandler serves intake with Slack; told gets what strangers are told.
func slackHandler(t *testing.T, bus Publisher, told *[]string, now func() time.Time) (http.Handler, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	h, err := New(Options{Publisher: bus, Cluster: "prod", Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret,
		SlackSecret: slackKey, SlackUsers: slackUsers, Metrics: reg, Now: now,
		SlackTell: func(_ context.Context, user, text string) error {
			*told = append(*told, user+": "+text)
			return errors.New("the network is away") // changes nothing
		}})
	if err != nil {
		t.Fatal(err)
	}
	return h, reg
}

func slackSign(key, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

func form(payload string) []byte { return []byte(url.Values{"payload": {payload}}.Encode()) }

// click sends a body as Slack does, signed at `signed`. change may spoil the request.
func click(h http.Handler, body []byte, signed time.Time, change func(http.Header)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/slack", strings.NewReader(string(body)))
	stamp := strconv.FormatInt(signed.Unix(), 10)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", slackSign(slackKey, stamp, body))
	if change != nil {
		change(r.Header)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func clock() time.Time { return at }

func TestSlackByTheRealClock(t *testing.T) {
	t.Parallel()
	bus := &store{seen: map[string]bool{}}
	h, _ := slackHandler(t, bus, nil, nil)
	if w := click(h, form(string(golden(t, "slack.json"))), time.Now(), nil); w.Code != http.StatusOK || len(bus.actions) != 1 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestSlackReject(t *testing.T) {
	t.Parallel()
	bus := &store{seen: map[string]bool{}}
	h, reg := slackHandler(t, bus, nil, clock)
	body := form(string(golden(t, "slack.json")))
	for range 2 { // the second is a replay
		if w := click(h, body, at, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	want := incident.Action{Kind: incident.Reject, Actor: "sam", Repository: "acme/shop", Number: 12, Branch: "cortexops/0123456789ab-1",
		HeadSHA: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", Reason: "not in the sale", Via: "slack", AcceptedAt: at,
		Delivery: "slack-" + incident.Digest("1772447100.000200", "1772447405.840180", "U123ABC456")[:32]}
	if len(bus.actions) != 1 || bus.actions[0] != want {
		t.Errorf("got %+v, want one %+v", bus.actions, want)
	}
	wantValue(t, reg, "cortexops_events_ingested_total{source=slack}", 1)
	wantValue(t, reg, "cortexops_events_duplicate_total{source=slack}", 1)
}

// TestSlackForm holds the golden payload against slack-go's idea of it.
func TestSlackForm(t *testing.T) {
	t.Parallel()
	var in slackgo.InteractionCallback
	if err := json.Unmarshal(golden(t, "slack.json"), &in); err != nil {
		t.Fatal(err)
	}
	a := in.ActionCallback.BlockActions[0]
	if in.Type != slackgo.InteractionTypeBlockActions || in.User.ID != "U123ABC456" || in.Container.MessageTs != "1772447100.000200" ||
		a.ActionID != "cortexops_reject" || a.ActionTs != "1772447405.840180" || !strings.Contains(a.Value, "0123456789ab") ||
		in.BlockActionState.Values["cortexops_reason"]["cortexops_reason"].Value != "not in the sale" {
		t.Errorf("slack-go reads %+v", in)
	}
}

func TestSlackClicks(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	approve := strings.ReplaceAll(payload, "cortexops_reject", "cortexops_approve")
	long := strings.Repeat("ä", 600)
	for name, tc := range map[string]struct {
		payload string
		kind    incident.ActionKind
		reason  string
	}{
		"approve":              {approve, incident.Approve, ""}, // what was written is of a rejection only
		"reject":               {payload, incident.Reject, "not in the sale"},
		"nothing written":      {strings.Replace(payload, `"not in the sale"`, "null", 1), incident.Reject, ""},
		"spaces":               {strings.Replace(payload, `"not in the sale"`, `"  \n "`, 1), incident.Reject, ""},
		"long reason":          {strings.Replace(payload, "not in the sale", long, 1), incident.Reject, strings.Repeat("ä", 499) + "…"},
		"reason of odd form":   {strings.Replace(payload, `"not in the sale"`, `["x"]`, 1), incident.Reject, ""},
		"no state":             {strings.Replace(payload, `"state"`, `"_"`, 1), incident.Reject, ""},
		"the link":             {strings.ReplaceAll(payload, "cortexops_reject", "cortexops_open"), "", ""},
		"another app's button": {strings.ReplaceAll(payload, "cortexops_reject", "approve"), "", ""},
		"no actions":           {strings.Replace(payload, `"actions": [`, `"_": [`, 1), "", ""},
		"a modal":              {`{"type":"view_submission","state":"x","actions":1}`, "", ""},
		"a shortcut":           {`{"type":"shortcut"}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := &store{seen: map[string]bool{}}
			h, _ := slackHandler(t, bus, nil, clock)
			if w := click(h, form(tc.payload), at, nil); w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if tc.kind == "" {
				if len(bus.actions) != 0 {
					t.Errorf("published %+v", bus.actions)
				}
				return
			}
			if len(bus.actions) != 1 || bus.actions[0].Kind != tc.kind || bus.actions[0].Reason != tc.reason {
				t.Errorf("published %+v, want %s %q", bus.actions, tc.kind, tc.reason)
			}
		})
	}
}

// TestSlackDelivery: each click is an action of its own, and the same one however often it arrives.
func TestSlackDelivery(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	seen := map[string]string{}
	for name, p := range map[string]string{
		"one": payload, "later": strings.Replace(payload, "1772447405.840180", "1772447405.840181", 1),
		"another message": strings.Replace(payload, `"message_ts": "1772447100.000200"`, `"message_ts": "1772447100.000300"`, 1),
		"another person":  strings.Replace(payload, "U123ABC456", "U0DANA", 1),
	} {
		a, err := decodeSlack(form(p), "acme/shop", slackUsers)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[a.Delivery]; ok {
			t.Errorf("%s and %s are the same delivery", name, other)
		}
		seen[a.Delivery] = name
	}
}

func TestSlackStranger(t *testing.T) {
	t.Parallel()
	bus := &store{seen: map[string]bool{}}
	var told []string
	h, reg := slackHandler(t, bus, &told, clock)
	w := click(h, form(strings.Replace(string(golden(t, "slack.json")), "U123ABC456", "U0MALLORY", 1)), at, nil)
	var said struct {
		Type    string `json:"response_type"`
		Replace *bool  `json:"replace_original"`
		Text    string `json:"text"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	if said.Type != "ephemeral" || said.Replace == nil || *said.Replace || !strings.Contains(said.Text, "They are dana, sam.") {
		t.Errorf("said %+v", said)
	}
	if len(told) != 1 || told[0] != "U0MALLORY: "+said.Text {
		t.Errorf("told %q", told)
	}
	if len(bus.actions) != 0 {
		t.Errorf("published %+v", bus.actions)
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=stranger,source=slack}", 1)
	wantValue(t, reg, "cortexops_events_ingested_total{source=slack}", 0)
}

func TestSlackInvalid(t *testing.T) {
	t.Parallel()
	payload := string(golden(t, "slack.json"))
	const head = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	last := func(old, new string) string { // the action is the last to have it
		i := strings.LastIndex(payload, old)
		return payload[:i] + new + payload[i+len(old):]
	}
	for name, tc := range map[string]struct {
		body    []byte
		pointer string
	}{
		"no payload":     {[]byte("ssl_check=1"), ""},
		"two payloads":   {append(form(payload), append([]byte("&"), form(payload)...)...), ""},
		"a broken form":  {[]byte("payload=%zz"), ""},
		"not JSON":       {form("clicked"), ""},
		"null":           {form("null"), ""},
		"type a number":  {form(`{"type":1}`), "/type"},
		"no message":     {form(strings.Replace(payload, `"message_ts"`, `"_"`, 1)), "/container/message_ts"},
		"no action time": {form(strings.Replace(payload, `"action_ts"`, `"_"`, 1)), "/actions/0/action_ts"},
		"long time":      {form(strings.Replace(payload, "1772447405.840180", strings.Repeat("1", 300), 1)), "/actions/0/action_ts"},
		"no value":       {form(last(`"value"`, `"_"`)), "/actions/0/value"},
		"value no JSON":  {form(last(`{\"incident`, `x{\"incident`)), "/actions/0/value"},
		"long value":     {form(last(head, strings.Repeat("a", 2000))), "/actions/0/value"},
		"incident":       {form(last("0123456789ab", "0123456789AB")), "/actions/0/value/incident"},
		"incident path":  {form(last("0123456789ab", "../x")), "/actions/0/value/incident"},
		"attempt 0":      {form(last(`attempt\":1`, `attempt\":0`)), "/actions/0/value/incident"},
		"attempt -1":     {form(last(`attempt\":1`, `attempt\":-1`)), "/actions/0/value/incident"},
		"attempt 10000":  {form(last(`attempt\":1`, `attempt\":10000`)), "/actions/0/value/incident"},
		"attempt a word": {form(last(`attempt\":1`, `attempt\":\"1\"`)), "/actions/0/value/attempt"},
		"short head":     {form(last(head, head[:12])), "/actions/0/value/head"},
		"head not hex":   {form(last(head, strings.Repeat("g", 40))), "/actions/0/value/head"},
		"number 0":       {form(last(`number\":12`, `number\":0`)), "/actions/0/value/number"},
		"number huge":    {form(last(`number\":12`, `number\":3000000000`)), "/actions/0/value/number"},
	} {
		a, err := decodeSlack(tc.body, "acme/shop", slackUsers)
		if pointerOf(err) != tc.pointer {
			t.Errorf("%s: got %+v, %v, want an error at %q", name, a, err, tc.pointer)
		}
	}
}

func TestSlackOptional(t *testing.T) {
	t.Parallel()
	none := Options{Publisher: &store{}, Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret, Metrics: prometheus.NewRegistry()}
	h, err := New(none)
	if err != nil {
		t.Fatal(err)
	}
	if w := click(h, form("{}"), at, nil); w.Code != http.StatusNotFound {
		t.Errorf("got %d, want no such route", w.Code)
	}
	for name, tc := range map[string]struct {
		secret string
		users  map[string]string
		says   string
	}{
		"no secret":  {" ", slackUsers, "CORTEXOPS_SLACK_SIGNING_SECRET"},
		"no users":   {slackKey, nil, "slack.users"},
		"no login":   {slackKey, map[string]string{"U1": ""}, "slack.users"},
		"no user ID": {slackKey, map[string]string{"": "sam"}, "slack.users"},
	} {
		o := none
		o.SlackSecret, o.SlackUsers, o.Metrics = tc.secret, tc.users, prometheus.NewRegistry()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), slackKey) {
			t.Errorf("%s: got %v, want an error that names %s", name, err, tc.says)
		}
	}
}

// stuck is a bus that answers when the caller gives up.
type stuck struct{ store }

func (*stuck) PublishAction(ctx context.Context, _ incident.Action) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestSlackBusAway(t *testing.T) {
	t.Parallel()
	body := form(string(golden(t, "slack.json")))
	h, reg := slackHandler(t, &store{err: errors.New("no servers")}, nil, clock)
	if w := click(h, body, at, nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 503 and Retry-After", w.Code, w.Body)
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unavailable,source=slack}", 1)
	synctest.Test(t, func(t *testing.T) { // Slack gives up after 3 s: it has its answer before
		h, _ := slackHandler(t, &stuck{}, nil, clock)
		began := time.Now()
		w := click(h, body, at, nil)
		if took := time.Since(began); w.Code != http.StatusServiceUnavailable || took >= 3*time.Second {
			t.Errorf("got %d after %s, want 503 before Slack gives up", w.Code, took)
		}
		_, _ = io.Copy(io.Discard, w.Body)
	})
}
