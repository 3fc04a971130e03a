// Package migrations embeds the ledger's schema. Files only go forward; none is changed once released.
package migrations

import "embed"

//go:embed *.sql
var FS embed.FS
