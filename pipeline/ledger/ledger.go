// Package ledger is the audit: an append-only table whose rows are chained by hash, and the content-addressed blobs
// that its rows and the workflows name by digest. It decides nothing and is never the only copy of an approval.
package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// ErrOldSchema is returned by Open where migrations are due.
var ErrOldSchema = errors.New("the ledger's schema is older than this program: run cortexops migrate")

// ErrNone is returned by Open where there is no file.
var ErrNone = errors.New("there is no ledger: correct the path, or run cortexops migrate to make one")

// ErrNoBlob is returned where no blob has the digest.
var ErrNoBlob = errors.New("no such blob in the ledger")

// Ledger is safe for concurrent use; writers of several processes keep one chain.
type Ledger struct {
	db *sql.DB
	database
}

// Open opens the SQLite file of that path (or sqlite:PATH), or the Postgres of that URL (postgres://USER:PASSWORD@HOST:PORT/DATABASE). It
// migrates nothing.
func Open(ctx context.Context, at string) (*Ledger, error) {
	d := databaseAt(at)
	if _, err := os.Stat(d.name); d.driver == "sqlite" && errors.Is(err, fs.ErrNotExist) { // SQLite would make one
		return nil, fmt.Errorf("open ledger %s: %w", d.name, ErrNone)
	}
	db, provider, err := d.connect()
	if err != nil {
		return nil, err
	}
	if pending, err := d.pending(ctx, db, provider); err != nil || pending {
		db.Close()
		if err == nil {
			err = ErrOldSchema
		}
		return nil, fmt.Errorf("open ledger %s: %w", d.name, err)
	}
	return &Ledger{db, d}, nil
}

// Migrate brings the schema up to date and reports how many migrations ran.
func Migrate(ctx context.Context, at string) (int, error) {
	d := databaseAt(at)
	if d.driver == "sqlite" {
		if err := create(d.name); err != nil {
			return 0, fmt.Errorf("migrate ledger %s: %w", d.name, err)
		}
	}
	db, provider, err := d.connect()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	done, err := provider.Up(ctx)
	if err != nil {
		return len(done), fmt.Errorf("migrate ledger %s: %w", d.name, err)
	}
	return len(done), nil
}

// create makes the file, for its owner alone, unless it is there.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Name of the ledger at that path or URL, without its password.
func Name(at string) string { return databaseAt(at).name }

// Close closes the connections.
func (l *Ledger) Close() error { return l.db.Close() }

// Ping tells whether the ledger can be written.
func (l *Ledger) Ping(ctx context.Context) error {
	if err := l.writable(ctx, l.db); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Append adds the row to the chain. A row that is there already, by (incident, attempt, step, kind), is left as it is
// and fresh is false.
func (l *Ledger) Append(ctx context.Context, e incident.Entry) (fresh bool, err error) {
	if len(e.Detail) == 0 {
		e.Detail = json.RawMessage("{}")
	}
	e.Step, e.Actor, e.Detail = text(e.Step), text(e.Actor), json.RawMessage(text(string(e.Detail)))
	tx, err := l.writing(ctx, l.db)
	if err != nil {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	defer tx.Rollback()
	var one int
	err = tx.QueryRowContext(ctx, l.bind(`SELECT 1 FROM entries WHERE incident=? AND attempt=? AND step=? AND kind=?`),
		e.Incident, e.Attempt, e.Step, e.Kind).Scan(&one)
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	var seq int64
	var prev string
	err = tx.QueryRowContext(ctx, `SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1`).Scan(&seq, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	at := e.At.UTC().Format(time.RFC3339Nano)
	_, err = tx.ExecContext(ctx, l.bind(`INSERT INTO entries(seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash)
		VALUES(?,?,?,?,?,?,?,?,?,?,?)`), seq+1, e.Incident, e.Attempt, e.Phase, e.Step, e.Kind, e.Actor, string(e.Detail), at,
		prev, chain(prev, seq+1, e, at))
	if err != nil {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	return true, nil
}

// text is s without what Postgres refuses: a row that can never be written would be retried for ever.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Ended tells whether the remediation has its ending.
func (l *Ledger) Ended(ctx context.Context, key incident.Key) (bool, error) {
	var n int
	err := l.db.QueryRowContext(ctx, l.bind(`SELECT count(*) FROM entries WHERE incident=? AND attempt=? AND step=? AND kind=?`),
		key.Incident, key.Attempt, incident.StepEnding, incident.Event).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for the ending of %s: %w", key.Workflow(), err)
	}
	return n > 0, nil
}

// chain hashes a row with the hash of the row before it.
func chain(prev string, seq int64, e incident.Entry, at string) string {
	return incident.Digest(prev, strconv.FormatInt(seq, 10), e.Incident, strconv.Itoa(e.Attempt), string(e.Phase), e.Step,
		string(e.Kind), e.Actor, string(e.Detail), at)
}

// Entries lists the rows of one incident, or all for "", in the order of the chain.
func (l *Ledger) Entries(ctx context.Context, id string) ([]incident.Entry, error) {
	var out []incident.Entry
	err := l.each(ctx, func(_ int64, _, _ string, e incident.Entry, _ string) error {
		if id == "" || e.Incident == id {
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// Verify walks the chain, rehashes the blobs, and returns the number of rows, or an error that names the first one that does not fit.
func (l *Ledger) Verify(ctx context.Context) (int, error) {
	rows, last := 0, ""
	blobs, err := l.blobs(ctx)
	if err != nil {
		return 0, err
	}
	err = l.each(ctx, func(seq int64, prev, hash string, e incident.Entry, at string) error {
		rows++
		switch {
		case seq != int64(rows):
			return fmt.Errorf("row %d is missing", rows)
		case prev != last:
			return fmt.Errorf("row %d does not follow row %d: it was moved, or the row before it was changed", seq, seq-1)
		case hash != chain(prev, seq, e, at):
			return fmt.Errorf("row %d was changed: its hash does not fit its content", seq)
		}
		for _, digest := range named(e.Detail) {
			if digest != "" && !blobs[digest] {
				return fmt.Errorf("row %d names blob %s, which is not there any more", seq, digest)
			}
		}
		last = hash
		return nil
	})
	return rows, err
}

func (l *Ledger) each(ctx context.Context, f func(seq int64, prev, hash string, e incident.Entry, at string) error) error {
	rows, err := l.db.QueryContext(ctx, `SELECT seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash FROM entries ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var detail, at, prev, hash string
		var e incident.Entry
		if err := rows.Scan(&seq, &e.Incident, &e.Attempt, &e.Phase, &e.Step, &e.Kind, &e.Actor, &detail, &at, &prev, &hash); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		e.Detail = json.RawMessage(detail)
		if e.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return fmt.Errorf("row %d was changed: %w", seq, err)
		}
		if err := f(seq, prev, hash, e, at); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Head is the hash of the last row, "" of an empty ledger. Whoever keeps it elsewhere sees when rows are cut off the end.
func (l *Ledger) Head(ctx context.Context) (hash string, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT hash FROM entries ORDER BY seq DESC LIMIT 1`).Scan(&hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read ledger: %w", err)
	}
	return hash, nil
}

// blobs reads all of them, and returns their digests if each still fits its bytes.
func (l *Ledger) blobs(ctx context.Context) (map[string]bool, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT digest, bytes FROM blobs ORDER BY digest`)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		var digest string
		var data []byte
		if err := rows.Scan(&digest, &data); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
			return nil, fmt.Errorf("blob %s was changed: its bytes do not fit its digest", digest)
		}
		there[digest] = true
	}
	return there, rows.Err()
}

// named are the digests of blobs that a row rests on.
func named(detail json.RawMessage) []string {
	var of struct {
		Proposal string `json:"proposal"`
		DryRun   string `json:"dryRun"`
	}
	if json.Unmarshal(detail, &of) != nil { // of another form: it names none
		return nil
	}
	return []string{of.Proposal, of.DryRun}
}

// PutBlob keeps data and returns its digest: sha256 in hex.
func (l *Ledger) PutBlob(ctx context.Context, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	_, err := l.db.ExecContext(ctx, l.bind(`INSERT INTO blobs(digest,bytes) VALUES(?,?) ON CONFLICT DO NOTHING`), digest, data)
	if err != nil {
		return "", fmt.Errorf("keep blob: %w", err)
	}
	return digest, nil
}

// Blob returns the bytes with this digest; bytes that no longer fit it are an error.
func (l *Ledger) Blob(ctx context.Context, digest string) ([]byte, error) {
	var data []byte
	err := l.db.QueryRowContext(ctx, l.bind(`SELECT bytes FROM blobs WHERE digest=?`), digest).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoBlob
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", digest, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("blob %s was changed: its bytes do not fit its digest", digest)
	}
	return data, nil
}
