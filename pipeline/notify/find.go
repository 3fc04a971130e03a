package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	eventType   = "cortexops" // of our messages' metadata
	looked      = 100         // messages, newest first
	maxResponse = 16 << 20    // bytes of a history: 100 messages with all their blocks
)

func mark(k incident.Key, topic string) slack.SlackMetadata {
	return slack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"incident": k.Incident, "attempt": k.Attempt, "topic": topic}}
}

// posted is what we read of a message.
type posted struct {
	TS       string `json:"ts"`
	User     string `json:"user"`
	BotID    string `json:"bot_id"`
	Metadata struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"event_payload"` // other apps have theirs, of any form
	} `json:"metadata"`
}

func (m posted) marked(k incident.Key, topic string) bool {
	var got struct {
		incident.Key
		Topic string `json:"topic"`
	}
	return m.Metadata.EventType == eventType && json.Unmarshal(m.Metadata.Payload, &got) == nil && got.Key == k && got.Topic == topic
}

// find is the ts of our message about key and topic, "" where there is none. Any app can write the same metadata: only what we
// posted counts, else a stranger's message would keep ours from being posted.
func (s *Slack) find(ctx context.Context, key incident.Key, topic string) (string, error) {
	var list []posted
	err := s.call(ctx, "look for our message on Slack", func() (err error) {
		list, err = s.history(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	var we *slack.AuthTestResponse
	for _, m := range list {
		if !m.marked(key, topic) {
			continue
		}
		if we == nil {
			err := s.call(ctx, "ask Slack who we are", func() (err error) {
				we, err = s.client.AuthTestContext(ctx)
				return err
			})
			if err != nil {
				return "", err
			}
		}
		if m.BotID != "" && m.BotID == we.BotID || m.User != "" && m.User == we.UserID {
			return m.TS, nil
		}
	}
	return "", nil
}

// history is our own call of conversations.history, since slack-go refuses all of an answer of which it does not know one
// element: any app in the channel could then keep us from posting.
func (s *Slack) history(ctx context.Context) ([]posted, error) {
	form := url.Values{"token": {s.token}, "channel": {s.channel}, "limit": {strconv.Itoa(looked)}, "include_all_metadata": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"conversations.history", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // without one, as soon as call allows
		return nil, &slack.RateLimitedError{RetryAfter: time.Duration(seconds) * time.Second}
	case res.StatusCode != http.StatusOK:
		return nil, slack.StatusCodeError{Code: res.StatusCode, Status: res.Status}
	}
	var out struct {
		slack.SlackResponse
		Messages []posted `json:"messages"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxResponse)).Decode(&out); err != nil {
		return nil, fmt.Errorf("decode conversations.history: %w", err)
	}
	return out.Messages, out.Err()
}
