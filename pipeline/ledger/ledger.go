// Package ledger is the audit: an append-only table whose rows are chained by hash, and the content-addressed blobs
// that its rows and the workflows name by digest. It decides nothing and is never the only copy of an approval.
package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	queue
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
	return &Ledger{db: db, database: d}, nil
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
