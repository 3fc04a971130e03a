package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the driver

	"github.com/cortexops/cortexops/migrations"
)

// database is what differs between the two that can hold the ledger.
type database struct {
	name     string // fit to be shown
	driver   string
	source   string
	files    embed.FS
	folder   string
	dialect  goose.Dialect
	postgres bool
}

// databaseAt is the SQLite file of that path (or sqlite:PATH), or the Postgres of that URL.
func databaseAt(at string) database {
	if !strings.HasPrefix(at, "postgres://") && !strings.HasPrefix(at, "postgresql://") {
		at = strings.TrimPrefix(at, "sqlite:")
		if strings.Contains(at, "://") { // of what, nobody knows: it may hold a password
			return database{name: "of an unknown kind"}
		}
		// immediate: two writers queue for the lock instead of failing when both turn from reading to writing
		return database{name: at, driver: "sqlite", source: "file:" + at + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate",
			files: migrations.SQLite, folder: "sqlite", dialect: goose.DialectSQLite3}
	}
	name := "postgres"
	if u, err := parse(at); err == nil { // without the query: a password may be there too
		name = u.Scheme + "://" + u.Host + u.Path
	}
	return database{name: name, driver: "pgx", source: at, files: migrations.Postgres, folder: "postgres", dialect: goose.DialectPostgres, postgres: true}
}

// errAddress stands for the driver's own error, which quotes the address.
var errAddress = errors.New("it is not a usable address: write postgres://USER:PASSWORD@HOST:PORT/DATABASE, " +
	"with %XX for all but letters and digits of the password, or the path of an SQLite file")

// parse refuses what can be read in two ways: an @, / or # in the password makes a part of it a host or a database, which
// errors name.
func parse(at string) (*url.URL, error) {
	_, rest, _ := strings.Cut(at, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	if all := strings.Count(rest, "@"); all > 1 || all != strings.Count(authority, "@") {
		return nil, errAddress
	}
	return url.Parse(at)
}

// connections that one process takes of a Postgres, which has 100 by default. Writers queue for one lock anyway.
const connections = 8

func (d database) connect() (*sql.DB, *goose.Provider, error) {
	if _, err := parse(d.source); d.driver == "" || d.postgres && err != nil {
		return nil, nil, fmt.Errorf("open ledger %s: %w", d.name, errAddress)
	}
	db, err := sql.Open(d.driver, d.source)
	if err != nil {
		return nil, nil, fmt.Errorf("open ledger %s: %w", d.name, err)
	}
	if d.postgres {
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
	}
	files, err := fs.Sub(d.files, d.folder)
	var options []goose.ProviderOption
	if err == nil && d.postgres { // two that migrate at once queue
		var locker lock.SessionLocker
		locker, err = lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // asks each second, for five minutes
		options = append(options, goose.WithSessionLocker(locker))
	}
	if err == nil {
		var provider *goose.Provider
		if provider, err = goose.NewProvider(d.dialect, db, files, options...); err == nil {
			return db, provider, nil
		}
	}
	db.Close()
	return nil, nil, fmt.Errorf("read the embedded migrations: %w", err)
}

// pending tells whether migrations are due. It writes nothing; goose would make its table where that is missing, and the table
// would belong to a role that may not be the one that migrates.
func (d database) pending(ctx context.Context, db *sql.DB, provider *goose.Provider) (bool, error) {
	known := `SELECT count(*) FROM sqlite_master WHERE name='goose_db_version'`
	if d.postgres {
		known = `SELECT count(to_regclass('goose_db_version'))`
	}
	var tables int
	if err := db.QueryRowContext(ctx, known).Scan(&tables); err != nil || tables == 0 {
		return true, err
	}
	return provider.HasPending(ctx)
}

// bind turns the ? of a query into what the database calls its parameters.
func (d database) bind(query string) string {
	if !d.postgres {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// writing begins a transaction that holds the ledger's head, the one lock of all writers, until it ends. What it commits is on disk
// after flush.
func (d database) writing(ctx context.Context, db *sql.DB) (tx *sql.Tx, head Row, err error) {
	// Whatever the server's default is: a stricter level would see the head as it was before the wait for it.
	level, query := sql.LevelDefault, `SELECT seq, hash, '', '' FROM head` // SQLite's transaction begins with its lock
	if d.postgres {
		// Who stops halfway, and would stop all others, loses the connection and with it the lock. And nobody waits for the disk
		// while he holds it: flush does.
		level, query = sql.LevelReadCommitted, `SELECT seq, hash, set_config('idle_in_transaction_session_timeout', '5s', true),
			set_config('synchronous_commit', 'off', true) FROM head FOR UPDATE`
	}
	if tx, err = db.BeginTx(ctx, &sql.TxOptions{Isolation: level}); err != nil {
		return nil, head, err
	}
	var set string
	if err := tx.QueryRowContext(ctx, query).Scan(&head.Seq, &head.Hash, &set, &set); err != nil {
		_ = tx.Rollback() // done already where ctx ended; the first error is the one to show
		return nil, head, err
	}
	return tx, head, nil
}

// flush returns when all that was committed before is on disk, and on the standbys that commits wait for. Several writers share
// the wait, which they could not inside the lock. written is the row that was committed, after FROM: another server may have taken
// the place of the one that we wrote to, and not have it.
func (d database) flush(ctx context.Context, db *sql.DB, written string, args ...any) error {
	if !d.postgres {
		return nil // its commit did
	}
	// The smallest thing that makes a commit wait.
	var at string
	err := db.QueryRowContext(ctx, d.bind(`SELECT pg_logical_emit_message(true, 'cortexops', '')::text FROM `+written), args...).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return errLost
	}
	return err
}

// errLost: it is written again by whoever tries again.
var errLost = errors.New("what was written is gone: another server has taken the database's place, and did not have it")

// writable tells whether a row could be written now.
func (d database) writable(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if !d.postgres {
		return nil
	}
	var readOnly string
	if err := tx.QueryRowContext(ctx, `SHOW transaction_read_only`).Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return errors.New("this Postgres is read-only, a standby perhaps: connect to the primary")
	}
	return nil
}
