package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/ledger"
)

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the ledger's schema up to date; nothing else does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, at, err := loadedLedger(cmd)
			if err != nil {
				return err
			}
			n, err := ledger.Migrate(cmd.Context(), at)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d migration(s) applied to %s\n", n, ledger.Name(at))
			return nil
		},
	}
}
