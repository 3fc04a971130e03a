package slack

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// refusal is an answer with ok false, which Slack sends with status 200.
type refusal struct {
	Code     string
	Messages []string
}

func (e *refusal) Error() string { return e.Code }

func refuse(code string, messages ...string) error { return &refusal{code, messages} }

// api is the Web API. The token goes in a header or in the form, never in the
// address.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	out, err := s.call(r)
	if no := new(refusal); errors.As(err, &no) {
		out = object{"error": no.Code}
		if len(no.Messages) > 0 {
			out["response_metadata"] = object{"messages": no.Messages}
		}
	} else if err != nil {
		out = object{"error": "internal_error"}
	}
	out["ok"] = err == nil
	s.opt.Log.InfoContext(r.Context(), "call", "method", r.PathValue("method"), "ok", err == nil, "error", out["error"])
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) call(r *http.Request) (object, error) {
	if err := r.ParseForm(); err != nil {
		return nil, refuse("invalid_form_data")
	}
	in := r.PostForm
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = in.Get("token")
	}
	if token == "" {
		return nil, refuse("not_authed")
	}
	method := r.PathValue("method")
	bot, app := same(token, s.opt.Token), same(token, s.opt.AppToken)
	switch {
	case !bot && !app:
		return nil, refuse("invalid_auth")
	case app != (method == "apps.connections.open"):
		return nil, refuse("not_allowed_token_type")
	case app:
		return s.openConnection(), nil
	}
	if method == "auth.test" {
		return object{"url": s.opt.URL + "/", "team": "Sandbox", "user": botName, "team_id": teamID, "user_id": botUser, "bot_id": botID,
			"is_enterprise_install": false}, nil
	}
	do, ok := map[string]func(url.Values) (object, error){
		"chat.postMessage": s.postMessage, "chat.postEphemeral": s.postEphemeral, "chat.update": s.updateMessage, "conversations.history": s.history,
	}[method]
	if !ok {
		return nil, refuse("unknown_method")
	}
	if in.Get("channel") != s.opt.Channel {
		return nil, refuse("channel_not_found")
	}
	return do(in)
}

func same(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

func (s *Server) postMessage(in url.Values) (object, error) {
	var m message
	if err := fill(&m, in); err != nil {
		return nil, err
	}
	err := s.update(func(st *state) error {
		m.TS = st.ts(s.now())
		st.Messages = append(st.Messages, m)
		return nil
	})
	return object{"channel": s.opt.Channel, "ts": m.TS, "message": m.wire(true)}, err
}

// updateMessage keeps the metadata that it is not given, and the blocks when it
// is given no text either.
func (s *Server) updateMessage(in url.Values) (object, error) {
	var out object
	err := s.update(func(st *state) error {
		m := st.message(in.Get("ts"))
		if m == nil {
			return refuse("message_not_found")
		}
		if err := fill(m, in); err != nil {
			return err
		}
		m.EditedTS = st.ts(s.now())
		out = object{"channel": s.opt.Channel, "ts": m.TS, "text": m.Text, "message": m.wire(true)}
		return nil
	})
	return out, err
}

// fill takes the content of a message from a form.
func fill(m *message, in url.Values) error {
	if in.Get("text") == "" && in.Get("blocks") == "" {
		return refuse("no_text")
	}
	if utf8.RuneCountInString(in.Get("text")) > 40000 {
		return refuse("msg_too_long")
	}
	m.Text = in.Get("text")
	m.Blocks = nil
	if raw := in.Get("blocks"); raw != "" {
		if json.Unmarshal([]byte(raw), &m.Blocks) != nil {
			return refuse("invalid_blocks_format")
		}
		if wrong := check(m.Blocks); len(wrong) > 0 {
			return refuse("invalid_blocks", wrong...)
		}
		for i, b := range m.Blocks {
			if b["block_id"] == nil {
				b["block_id"] = fmt.Sprintf("b%d", i)
			}
		}
	}
	if raw := in.Get("metadata"); raw != "" {
		var meta struct {
			Type    string `json:"event_type"`
			Payload object `json:"event_payload"`
		}
		if json.Unmarshal([]byte(raw), &meta) != nil || meta.Type == "" || meta.Payload == nil {
			return refuse("invalid_metadata_format")
		}
		m.Metadata = json.RawMessage(raw)
	}
	return nil
}

func (s *Server) postEphemeral(in url.Values) (object, error) {
	if s.opt.Users[in.Get("user")] == "" {
		return nil, refuse("user_not_in_channel")
	}
	var m message
	if err := fill(&m, in); err != nil {
		return nil, err
	}
	err := s.update(func(st *state) error {
		m.TS = st.ts(s.now())
		st.Whispers = append(st.Whispers, whisper{TS: m.TS, User: in.Get("user"), Text: m.Text})
		return nil
	})
	return object{"message_ts": m.TS}, err
}

// history is the newest messages, without what only whoever asks for it gets.
func (s *Server) history(in url.Values) (object, error) {
	limit := 100
	if raw := in.Get("limit"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > 999 {
			return nil, refuse("invalid_limit")
		}
		limit = n
	}
	metadata, _ := strconv.ParseBool(in.Get("include_all_metadata"))
	st := s.view()
	list := []object{}
	for i := len(st.Messages) - 1; i >= 0 && len(list) < limit; i-- {
		list = append(list, st.Messages[i].wire(metadata))
	}
	return object{"messages": list, "has_more": len(st.Messages) > len(list), "pin_count": 0}, nil
}

// wire is a message as Slack shows it.
func (m message) wire(metadata bool) object {
	out := object{"type": "message", "user": botUser, "bot_id": botID, "app_id": appID, "team": teamID, "ts": m.TS, "text": m.Text}
	if m.Blocks != nil {
		out["blocks"] = m.Blocks
	}
	if m.EditedTS != "" {
		out["edited"] = object{"user": botUser, "ts": m.EditedTS}
	}
	if metadata && m.Metadata != nil {
		out["metadata"] = m.Metadata
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the reader is gone
}
