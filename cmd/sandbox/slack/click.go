package slack

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
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// order is what a person does to a message.
type order struct {
	TS       string `json:"ts"`
	ActionID string `json:"action_id"`
	User     string `json:"user"`
	Reason   string `json:"reason"` // into every input of the message
}

// NoButton is a click that Slack's own page would not have let happen.
type NoButton struct{ Why string }

func (e *NoButton) Error() string { return e.Why }

const maxKept = 2000 // bytes of an answer

// click sends the interaction and records what came back.
func (s *Server) click(ctx context.Context, o order) (click, error) {
	var payload []byte
	err := s.update(func(st *state) (err error) {
		payload, err = s.payload(st, o)
		return err
	})
	if err != nil {
		return click{}, err
	}
	c := click{At: s.now().UTC(), User: o.User, ActionID: o.ActionID, Reason: o.Reason}
	if l := s.newest(); l != nil {
		if err = l.deliver(ctx, payload); err == nil {
			c.Status, c.Body = http.StatusOK, "acknowledged over the socket"
		}
	} else {
		c.Status, c.Body, err = s.send(ctx, payload)
	}
	if err != nil {
		c.Error = err.Error()
	}
	return c, s.update(func(st *state) error {
		m := st.message(o.TS)
		m.Clicks = append(m.Clicks, c)
		return nil
	})
}

// payload is the interaction block_actions as Slack documents it.
func (s *Server) payload(st *state, o order) ([]byte, error) {
	name := s.opt.Users[o.User]
	if name == "" {
		return nil, &NoButton{fmt.Sprintf("there is no user %q", o.User)}
	}
	m := st.message(o.TS)
	if m == nil {
		return nil, &NoButton{fmt.Sprintf("there is no message %q", o.TS)}
	}
	var action object
	values := object{}
	for _, b := range m.Blocks {
		switch b["type"] {
		case "actions":
			for _, e := range b["elements"].([]any) { // as checked
				if e := e.(object); e["action_id"] == o.ActionID {
					action = object{"action_id": o.ActionID, "block_id": b["block_id"], "type": e["type"], "text": e["text"], "action_ts": st.ts(s.now())}
					for _, key := range []string{"value", "style"} {
						if e[key] != nil {
							action[key] = e[key]
						}
					}
				}
			}
		case "input":
			e := b["element"].(object)
			if most, ok := e["max_length"].(float64); ok && utf8.RuneCountInString(o.Reason) > int(most) {
				return nil, &NoButton{fmt.Sprintf("at most %.0f characters can be written there", most)}
			}
			var written any // null where nothing is
			if o.Reason != "" {
				written = o.Reason
			}
			values[b["block_id"].(string)] = object{e["action_id"].(string): object{"type": e["type"], "value": written}}
		}
	}
	if action == nil {
		return nil, &NoButton{fmt.Sprintf("the message has no button %q any more", o.ActionID)}
	}
	return json.Marshal(object{
		"type": "block_actions", "api_app_id": appID, "token": "verification-tokens-are-deprecated", "trigger_id": st.ts(s.now()) + ".sandbox",
		"user": object{"id": o.User, "username": name, "name": name, "team_id": teamID}, "team": object{"id": teamID, "domain": "sandbox"},
		"enterprise": nil, "is_enterprise_install": false, "channel": object{"id": s.opt.Channel, "name": "approvals"},
		"container": object{"type": "message", "message_ts": m.TS, "channel_id": s.opt.Channel, "is_ephemeral": false},
		"message":   m.wire(false), "state": object{"values": values}, "actions": []object{action},
	})
}

// send posts a payload, signed as Slack signs it.
func (s *Server) send(ctx context.Context, payload []byte) (int, string, error) {
	body := url.Values{"payload": {string(payload)}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opt.Webhook, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	stamp := strconv.FormatInt(s.now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.opt.SigningSecret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	for k, v := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Slackbot 1.0 (sandbox)", "Accept": "application/json,*/*",
		"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": "v0=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(k, v)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxKept))
	return res.StatusCode, strings.ToValidUTF8(string(answer), "?"), err
}

// postClick is for tests from outside: it clicks and answers with what came back.
func (s *Server) postClick(w http.ResponseWriter, r *http.Request) {
	var o order
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil {
		writeJSON(w, http.StatusBadRequest, object{"error": err.Error()})
		return
	}
	c, err := s.click(r.Context(), o)
	if no := (*NoButton)(nil); errors.As(err, &no) {
		writeJSON(w, http.StatusNotFound, object{"error": no.Why})
		return
	} else if err != nil {
		writeJSON(w, http.StatusInternalServerError, object{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, c)
}

// users are the IDs, sorted.
func (s *Server) users() []string {
	var ids []string
	for id := range s.opt.Users {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
