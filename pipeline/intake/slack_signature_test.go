package intake

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSlackSignature(t *testing.T) {
	t.Parallel()
	body := form(string(golden(t, "slack.json")))
	set := func(k, v string) func(http.Header) { return func(h http.Header) { h.Set(k, v) } }
	stamp := strconv.FormatInt(at.Unix(), 10)
	bus := &store{seen: map[string]bool{}}
	h, reg := slackHandler(t, bus, nil, clock)
	refused := 0
	for name, tc := range map[string]struct {
		signed time.Time
		change func(http.Header)
		status int
	}{
		"just in time":      {at.Add(-5 * time.Minute), nil, 200},
		"our clock is slow": {at.Add(5 * time.Minute), nil, 200},
		"a replay":          {at.Add(-5*time.Minute - time.Second), nil, 401},
		"from the future":   {at.Add(5*time.Minute + time.Second), nil, 401},
		"a moved stamp":     {at.Add(-time.Hour), set("X-Slack-Request-Timestamp", stamp), 401},
		"no stamp":          {at, func(h http.Header) { h.Del("X-Slack-Request-Timestamp") }, 401},
		"stamp is no number": {at, func(h http.Header) {
			h.Set("X-Slack-Request-Timestamp", "x")
			h.Set("X-Slack-Signature", slackSign(slackKey, "x", body))
		}, 401},
		"no signature":     {at, func(h http.Header) { h.Del("X-Slack-Signature") }, 401},
		"another's key":    {at, set("X-Slack-Signature", slackSign("x", stamp, body)), 401},
		"empty key":        {at, set("X-Slack-Signature", slackSign("", stamp, body)), 401},
		"another body":     {at, set("X-Slack-Signature", slackSign(slackKey, stamp, []byte("x"))), 401},
		"another version":  {at, set("X-Slack-Signature", strings.Replace(slackSign(slackKey, stamp, body), "v0", "v1", 1)), 401},
		"not hex":          {at, set("X-Slack-Signature", "v0=zz"), 401},
		"nothing after v0": {at, set("X-Slack-Signature", "v0="), 401},
		"JSON":             {at, set("Content-Type", "application/json"), 400},
	} {
		w := click(h, body, tc.signed, tc.change)
		if w.Code != tc.status {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, tc.status)
		}
		if tc.status == 401 {
			refused++
		}
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unauthorized,source=slack}", float64(refused))
	if len(bus.actions) != 1 {
		t.Errorf("published %d actions of one click", len(bus.actions))
	}
}

// TestSlackSignatureAsDocumented is the example of Slack's page on verifying requests.
func TestSlackSignatureAsDocumented(t *testing.T) {
	t.Parallel()
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA" +
		"&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554" +
		"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	header := http.Header{"X-Slack-Request-Timestamp": {"1531420618"},
		"X-Slack-Signature": {"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}}
	if !slackSigned(header, slackKey, []byte(body), time.Unix(1531420618, 0)) {
		t.Error("Slack's own example is refused")
	}
}
