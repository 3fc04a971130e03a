package temporal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/schema"
	v12 "go.temporal.io/server/schema/postgresql/v12"
)

// connections of each of the four services to each of the two databases.
const connections = 10

// onPostgres has the state on the server at a URL, whose query may name the folder of its socket as host.
func onPostgres(at, namespace string) (stores, error) {
	u, err := url.Parse(at)
	if err != nil { // it quotes the address, which may hold a password
		return stores{}, errors.New("temporal's Postgres must be named like postgres://USER:PASSWORD@HOST:PORT/")
	}
	named := func(name string) *config.SQL {
		password, _ := u.User.Password()
		db := &config.SQL{PluginName: postgresql.PluginNamePGX, ConnectAddr: u.Host, User: u.User.Username(), Password: password,
			DatabaseName: name, MaxConns: connections, MaxIdleConns: connections, ConnectAttributes: map[string]string{}}
		for key := range u.Query() {
			db.ConnectAttributes[key] = u.Query().Get(key)
		}
		return db
	}
	db := stores{main: named("temporal"), visibility: named("temporal_visibility")}
	if err := migrate(db.main, "postgresql/v12/temporal", v12.Version); err != nil {
		return stores{}, err
	}
	if err := migrate(db.visibility, "postgresql/v12/visibility", v12.VisibilityVersion); err != nil {
		return stores{}, err
	}
	return db, register(db.main, namespace)
}

// migrate gives an empty database the schema of this version of the server; one that has it stays as it is.
func migrate(db *config.SQL, dir, version string) error {
	admin, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, db, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return fmt.Errorf("reach temporal's database %s: %w", db.DatabaseName, err)
	}
	defer admin.Close()
	if had, err := admin.ReadSchemaVersion(db.DatabaseName); err == nil && had == version {
		return nil
	}
	text, err := fs.ReadFile(schema.Assets(), dir+"/schema.sql")
	if err != nil {
		return fmt.Errorf("read temporal's schema: %w", err)
	}
	statements, err := persistence.LoadAndSplitQueryFromReaders([]io.Reader{bytes.NewReader(text)})
	if err != nil {
		return fmt.Errorf("read temporal's schema: %w", err)
	}
	if err := admin.CreateSchemaVersionTables(); err != nil {
		return fmt.Errorf("create temporal's database %s: %w", db.DatabaseName, err)
	}
	for _, statement := range statements {
		if err := admin.Exec(statement); err != nil {
			return fmt.Errorf("create temporal's database %s: %.80s: %w", db.DatabaseName, statement, err)
		}
	}
	if err := admin.UpdateSchemaVersion(db.DatabaseName, version, version); err != nil { // last: it says that the rest is there
		return fmt.Errorf("create temporal's database %s: %w", db.DatabaseName, err)
	}
	return nil
}
