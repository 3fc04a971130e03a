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

// databaseAt is the SQLite file of that path, or the Postgres of that URL.
func databaseAt(at string) database {
	if !strings.HasPrefix(at, "postgres://") && !strings.HasPrefix(at, "postgresql://") {
		// immediate: two writers queue for the lock instead of failing when both turn from reading to writing
		return database{name: at, driver: "sqlite", source: "file:" + at + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate",
			files: migrations.SQLite, folder: "sqlite", dialect: goose.DialectSQLite3}
	}
	name := "postgres"
	if u, err := url.Parse(at); err == nil { // a password in the query is nobody's habit, but would be shown
		name = u.Scheme + "://" + u.Host + u.Path
	}
	return database{name: name, driver: "pgx", source: at, files: migrations.Postgres, folder: "postgres", dialect: goose.DialectPostgres, postgres: true}
}

// errAddress stands for the driver's own error, which quotes the address.
var errAddress = errors.New("it is not a usable address: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")

func (d database) connect() (*sql.DB, *goose.Provider, error) {
	if _, err := url.Parse(d.source); d.postgres && err != nil {
		return nil, nil, fmt.Errorf("open ledger %s: %w", d.name, errAddress)
	}
	db, err := sql.Open(d.driver, d.source)
	if err != nil {
		return nil, nil, fmt.Errorf("open ledger %s: %w", d.name, err)
	}
	files, err := fs.Sub(d.files, d.folder)
	var options []goose.ProviderOption
	if err == nil && d.postgres { // two that migrate at once queue
		var locker lock.SessionLocker
		locker, err = lock.NewPostgresSessionLocker()
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

// writing begins a transaction that holds the one lock of all writers until it ends.
func (d database) writing(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil) // SQLite takes the lock here
	if err != nil || !d.postgres {
		return tx, err
	}
	const ledgers = 0x636f7274 // anything, as long as everybody takes the same
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, ledgers); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

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
