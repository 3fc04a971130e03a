package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// slack takes what people click on Slack: interactions, of which only our two buttons mean something.
func slack(o Options) source {
	return source{
		name: "slack",
		// Slack waits 3 s for its answer and takes 200 alone for one. It does not send again: who clicked sees a warning.
		status: http.StatusOK, within: slackTime,
		verify: func(r *http.Request, body []byte) bool {
			return slackSigned(r.Header, o.SlackSecret, body, o.Now())
		},
		decode: func(r *http.Request, body []byte, at time.Time) (accepted, error) {
			if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
				return accepted{}, &Invalid{Why: "an interaction is application/x-www-form-urlencoded"}
			}
			a, err := decodeSlack(body, o.Repository, o.SlackUsers)
			if a != nil {
				a.AcceptedAt = at
			}
			return accepted{action: a}, err
		},
	}
}

// slackSigned checks the signature, and that it was made within five minutes of now: an older request is a replay, or one
// of our clocks is wrong.
func slackSigned(h http.Header, key string, body []byte, now time.Time) bool {
	stamp := h.Get("X-Slack-Request-Timestamp")
	given, ok := strings.CutPrefix(h.Get("X-Slack-Signature"), "v0=")
	if !ok {
		return false
	}
	sum, err := hex.DecodeString(given)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "v0:%s:", stamp)
	mac.Write(body)
	if !hmac.Equal(sum, mac.Sum(nil)) {
		return false
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && now.Sub(time.Unix(seconds, 0)).Abs() <= slackSkew
}

// interaction is what we read of a payload.
type interaction struct {
	Type string `json:"type"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Container struct {
		MessageTS string `json:"message_ts"`
	} `json:"container"`
	Actions []struct {
		ActionID string `json:"action_id"`
		ActionTS string `json:"action_ts"`
		Value    string `json:"value"`
	} `json:"actions"`
	State struct {
		Values map[string]map[string]json.RawMessage `json:"values"` // by block_id and action_id: whatever a person can fill in
	} `json:"state"`
}

// Stranger is a person who clicked and whom nobody has named.
type Stranger struct {
	User string // on Slack
	Text string // what they are told
}

func (e *Stranger) Error() string {
	return fmt.Sprintf("the Slack user %q is not among slack.users", e.User)
}

// decodeSlack is of an interaction in a form, as it comes over HTTP.
func decodeSlack(body []byte, repository string, users map[string]string) (*incident.Action, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["payload"]) != 1 {
		return nil, &Invalid{Why: "the form must have one field payload"}
	}
	return decodeInteraction([]byte(form.Get("payload")), repository, users)
}

// decodeInteraction returns nil for whatever is not a click on one of our buttons.
func decodeInteraction(payload []byte, repository string, users map[string]string) (*incident.Action, error) {
	if !isObject(payload) {
		return nil, &Invalid{Why: "the payload must be a JSON object"}
	}
	var kind struct {
		Type string `json:"type"`
	}
	if err := Unmarshal("", payload, &kind); err != nil || kind.Type != "block_actions" {
		return nil, err
	}
	var in interaction
	if err := Unmarshal("", payload, &in); err != nil {
		return nil, err
	}
	for i, clicked := range in.Actions {
		does := map[string]incident.ActionKind{incident.SlackApprove: incident.Approve, incident.SlackReject: incident.Reject}[clicked.ActionID]
		if does == "" {
			continue
		}
		a := &incident.Action{Kind: does, Actor: users[in.User.ID], Repository: repository, Via: incident.ViaSlack}
		if a.Actor == "" {
			return nil, &Stranger{User: cut(in.User.ID, maxID), Text: whoMay(users)}
		}
		if err := in.complete(fmt.Sprintf("/actions/%d", i), clicked.ActionTS); err != nil {
			return nil, err
		}
		a.Delivery = "slack-" + incident.Digest(in.Container.MessageTS, clicked.ActionTS, in.User.ID)[:32]
		if does == incident.Reject {
			a.Reason = in.reason()
		}
		return a, seen(fmt.Sprintf("/actions/%d/value", i), clicked.Value, a)
	}
	return nil, nil
}

// complete refuses a click that could not be told from another one.
func (in interaction) complete(pointer, actionTS string) error {
	for _, id := range []struct{ pointer, value string }{
		{"/container/message_ts", in.Container.MessageTS}, {pointer + "/action_ts", actionTS}, {"/user/id", in.User.ID},
	} {
		if id.value == "" || len(id.value) > maxID {
			return &Invalid{Pointer: id.pointer, Why: "is missing or too long"}
		}
	}
	return nil
}

// seen takes from the button's value what the person saw.
func seen(pointer, value string, a *incident.Action) error {
	var b incident.Button
	if len(value) > slackValue || !isObject([]byte(value)) {
		return &Invalid{Pointer: pointer, Why: "must be a JSON object of at most " + strconv.Itoa(slackValue) + " bytes"}
	}
	if err := Unmarshal(pointer, []byte(value), &b); err != nil {
		return err
	}
	key := incident.Key{Incident: b.Incident, Attempt: b.Attempt}
	if back, revert, ok := incident.KeyOfBranch(key.Branch()); !ok || revert || back != key {
		return &Invalid{Pointer: pointer + "/incident", Why: "incident and attempt name no remediation"}
	}
	switch {
	case b.Number <= 0 || b.Number > math.MaxInt32:
		return &Invalid{Pointer: pointer + "/number", Why: "must be the number of a pull request"}
	case !sha(b.HeadSHA):
		return &Invalid{Pointer: pointer + "/head", Why: fmt.Sprintf("must be a commit, is %q", cut(b.HeadSHA, 64))}
	}
	a.Branch, a.HeadSHA, a.Number = key.Branch(), b.HeadSHA, b.Number
	return nil
}

// reason is what was written into the message's input, cut to its length; "" where there is none.
func (in interaction) reason() string {
	var input struct {
		Value string `json:"value"` // null where nothing is written
	}
	if json.Unmarshal(in.State.Values[incident.SlackReason][incident.SlackReason], &input) != nil {
		return ""
	}
	s := strings.TrimSpace(input.Value)
	if utf8.RuneCountInString(s) > incident.MaxReason {
		s = string([]rune(s)[:incident.MaxReason-1]) + "…"
	}
	return s
}

func whoMay(users map[string]string) string {
	const most = 20
	names := slices.Compact(slices.Sorted(maps.Values(users)))
	list := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		list += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return "Nothing happened: you are not among those who may approve or reject here. They are " + list +
		". To be one of them, have your Slack user ID added to slack.users in CortexOps's configuration."
}

// tell shows a stranger why nothing happened. The answer's body says it too, which Slack shows for a few kinds of
// interaction only, and for buttons in blocks it does not.
func (o *Options) tell(ctx context.Context, s *Stranger) {
	if o.SlackTell == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, slackTime)
	defer cancel()
	if err := o.SlackTell(ctx, s.User, s.Text); err != nil {
		o.Log.WarnContext(ctx, "a person on Slack was not told", "error", err)
	}
}
