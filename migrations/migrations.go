// Package migrations embeds the ledger's schema, once for each database that can hold it. Files only go forward; none is
// changed once released.
package migrations

import "embed"

// SQLite has its files in sqlite/.
//
//go:embed sqlite/*.sql
var SQLite embed.FS

// Postgres has its files in postgres/.
//
//go:embed postgres/*.sql
var Postgres embed.FS
