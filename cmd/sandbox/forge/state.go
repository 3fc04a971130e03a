package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is everything that git itself does not hold.
type state struct {
	LastID    int64             `json:"lastID"` // the last one given out, of anything
	CreatedAt time.Time         `json:"createdAt"`
	PushedAt  time.Time         `json:"pushedAt"`
	Refs      map[string]string `json:"refs"` // branch → SHA as last noticed
	Pulls     []*pull           `json:"pulls"`
	Labels    []label           `json:"labels"`
	Statuses  []status          `json:"statuses"` // oldest first
	Outbox    []delivery        `json:"outbox"`   // webhooks still to be delivered, in order
}

type pull struct {
	ID        int64      `json:"id"`
	Number    int        `json:"number"`
	State     string     `json:"state"` // open, closed
	Draft     bool       `json:"draft"`
	Title     string     `json:"title"`
	Body      *string    `json:"body"`
	Author    string     `json:"author"`
	Labels    []string   `json:"labels"`
	HeadRef   string     `json:"headRef"`
	HeadSHA   string     `json:"headSHA"`
	BaseRef   string     `json:"baseRef"`
	BaseSHA   string     `json:"baseSHA"` // tip of the base when the head last moved
	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
	ClosedAt  *time.Time `json:"closedAt"`
	MergedAt  *time.Time `json:"mergedAt"`
	MergedBy  string     `json:"mergedBy"`
	ClosedBy  string     `json:"closedBy"`
	MergeSHA  string     `json:"mergeSHA"`
	Reviews   []review   `json:"reviews"`
	Comments  []comment  `json:"comments"`
	Events    []event    `json:"events"` // what else happened, for the page
}

type review struct {
	ID        int64     `json:"id"`
	Author    string    `json:"author"`
	State     string    `json:"state"` // APPROVED, CHANGES_REQUESTED, COMMENTED
	Body      string    `json:"body"`
	CommitSHA string    `json:"commitSHA"`
	At        time.Time `json:"at"`
}

type comment struct {
	ID        int64     `json:"id"`
	Author    string    `json:"author"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type event struct {
	At    time.Time `json:"at"`
	Actor string    `json:"actor"`
	What  string    `json:"what"` // pushed, merged, closed, reopened
	SHA   string    `json:"sha"`
}

type label struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type status struct {
	ID          int64     `json:"id"`
	SHA         string    `json:"sha"`
	Context     string    `json:"context"`
	State       string    `json:"state"` // error, failure, pending, success
	Description string    `json:"description"`
	TargetURL   string    `json:"targetURL"`
	Creator     string    `json:"creator"`
	At          time.Time `json:"at"`
}

func (s *state) nextID() int64 { s.LastID++; return s.LastID }

// pull is nil when there is none of that number.
func (s *state) pull(number int) *pull {
	if number < 1 || number > len(s.Pulls) {
		return nil
	}
	return s.Pulls[number-1]
}

// statuses are the latest of each context at a commit, newest first.
func (s *state) statuses(sha string) []status {
	var out []status
	seen := map[string]bool{}
	for i := len(s.Statuses) - 1; i >= 0; i-- {
		if st := s.Statuses[i]; st.SHA == sha && !seen[st.Context] {
			seen[st.Context] = true
			out = append(out, st)
		}
	}
	return out
}

// store keeps the state in one file, which is always whole.
type store struct {
	path  string
	saved []byte
}

const firstID = 1000 // lower ones are the owner's, the repository's and the users'

func openStore(dir string, now time.Time) (*store, *state, error) {
	st := &store{path: filepath.Join(dir, "state.json")}
	b, err := os.ReadFile(st.path)
	if errors.Is(err, fs.ErrNotExist) {
		now = now.UTC().Truncate(time.Second)
		s := &state{LastID: firstID, CreatedAt: now, PushedAt: now, Refs: map[string]string{}}
		return st, s, st.save(s)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the forge's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, nil, fmt.Errorf("%s is damaged, remove the forge's folder and start again: %w", st.path, err)
	}
	st.saved = b
	return st, &s, nil
}

func (st *store) save(s *state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the forge's state: %w", err)
	}
	if err := writeFile(st.path, b); err != nil {
		return fmt.Errorf("store the forge's state: %w", err)
	}
	st.saved = b
	return nil
}

// last is a new copy of what was last stored.
func (st *store) last() *state {
	var s state
	if err := json.Unmarshal(st.saved, &s); err != nil {
		panic("the forge cannot read the state that it wrote itself: " + err.Error())
	}
	return &s
}

// writeFile replaces a file whole or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
