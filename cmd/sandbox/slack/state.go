package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

type object = map[string]any

// state is the channel.
type state struct {
	LastTS   int64     `json:"lastTS"` // the last one given out, in microseconds
	Messages []message `json:"messages"`
	Whispers []whisper `json:"whispers"` // ephemeral messages, which no API tells
}

type message struct {
	TS       string          `json:"ts"`
	Text     string          `json:"text"`
	Blocks   []object        `json:"blocks"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	EditedTS string          `json:"editedTS,omitempty"`
	Clicks   []click         `json:"clicks"` // what people did, oldest first
}

type whisper struct {
	TS   string `json:"ts"`
	User string `json:"user"`
	Text string `json:"text"`
}

// click is one interaction, and what the app answered.
type click struct {
	At       time.Time `json:"at"`
	User     string    `json:"user"`
	ActionID string    `json:"action_id"`
	Reason   string    `json:"reason,omitempty"`
	Status   int       `json:"status"` // 0: no answer
	Body     string    `json:"body"`
	Error    string    `json:"error,omitempty"` // why there is no answer
}

// ts is a new timestamp: the ID of a message or of a click. No two are the same.
func (s *state) ts(now time.Time) string {
	s.LastTS = max(s.LastTS+1, now.UnixMicro())
	return fmt.Sprintf("%d.%06d", s.LastTS/1e6, s.LastTS%1e6)
}

// message is nil when there is none at ts.
func (s *state) message(ts string) *message {
	for i := range s.Messages {
		if s.Messages[i].TS == ts {
			return &s.Messages[i]
		}
	}
	return nil
}

// at is the time in a ts.
func at(ts string) time.Time {
	f, _ := strconv.ParseFloat(ts, 64) // ours
	return time.UnixMicro(int64(f * 1e6)).UTC()
}

func load(dir string) (*state, error) {
	path := filepath.Join(dir, "state.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &state{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Slack's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged, remove it and start again: %w", path, err)
	}
	return &s, nil
}

// save replaces the file whole or not at all.
func (s *state) save(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode Slack's state: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("store Slack's state: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store Slack's state: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, "state.json")); err != nil {
		return fmt.Errorf("store Slack's state: %w", err)
	}
	return nil
}

func (s *state) clone() *state {
	b, err := json.Marshal(s)
	if err != nil {
		panic("Slack's state cannot be written: " + err.Error())
	}
	var c state
	if err := json.Unmarshal(b, &c); err != nil {
		panic("Slack cannot read the state that it wrote itself: " + err.Error())
	}
	return &c
}
