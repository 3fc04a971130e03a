package memory

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver, with FTS5 in it
)

// candidates are what the index names by its own rank, before they are compared by ours.
const candidates = 100

// SQLite is the store where there is no Qdrant: one file, with a full-text index of the words.
type SQLite struct {
	db   *sql.DB
	path string

	mu    sync.Mutex
	ready bool
}

// NewSQLite reads and writes nothing yet: a file that is broken must stop nobody from starting.
func NewSQLite(path string) (*SQLite, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open memory %s: %w", path, err)
	}
	return &SQLite{db: db, path: path}, nil
}

// open makes the file where it is missing, for its owner alone. What is in it can be lost without harm, so nothing migrates it.
func (s *SQLite) open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(s.path), 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
			f.Close()
			_, err = s.db.ExecContext(ctx, `CREATE VIRTUAL TABLE IF NOT EXISTS cases USING fts5(words, body UNINDEXED)`)
		}
	}
	if err != nil {
		return fmt.Errorf("open memory %s: %w (what is in it is advice only: if it is broken, move it away)", s.path, err)
	}
	s.ready = true
	return nil
}

// Put keeps a case.
func (s *SQLite) Put(ctx context.Context, c Case) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err == nil {
		_, err = s.db.ExecContext(ctx, `REPLACE INTO cases(rowid, words, body) VALUES(?,?,?)`, int64(c.id()), strings.Join(c.Words, " "), string(body))
	}
	if err != nil {
		return fmt.Errorf("remember in SQLite: %w", err)
	}
	return nil
}

// Near lists the most alike.
func (s *SQLite) Near(ctx context.Context, words []string, k int) ([]Found, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	var terms []string
	for _, w := range words {
		terms = append(terms, `"`+strings.ReplaceAll(w, `"`, ``)+`"`)
	}
	slices.Sort(terms)
	if terms = slices.Compact(terms); len(terms) == 0 {
		return nil, nil
	}
	rows, err := s.db.QueryContext(ctx, `SELECT body FROM cases WHERE cases MATCH ? ORDER BY rank LIMIT ?`, strings.Join(terms, " OR "), candidates)
	if err != nil {
		return nil, fmt.Errorf("recall from SQLite: %w", err)
	}
	defer rows.Close()
	var all []Found
	for rows.Next() {
		var body string
		var f Found
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("recall from SQLite: %w", err)
		}
		if err := json.Unmarshal([]byte(body), &f.Case); err != nil {
			return nil, fmt.Errorf("read a remembered case: %w", err)
		}
		f.Score = cosine(words, f.Words)
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b Found) int { return cmp.Or(cmp.Compare(b.Score, a.Score), b.At.Compare(a.At)) })
	return all[:min(len(all), k)], rows.Err()
}

// Ping tells whether the file can be read.
func (s *SQLite) Ping(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	var n int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM cases LIMIT 1)`).Scan(&n); err != nil {
		return fmt.Errorf("memory in SQLite: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *SQLite) Close() error { return s.db.Close() }
