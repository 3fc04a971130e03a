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
			c, err := loaded(cmd)
			if err != nil {
				return err
			}
			n, err := ledger.Migrate(cmd.Context(), c.Ledger.Path)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d migration(s) applied to %s\n", n, c.Ledger.Path)
			return nil
		},
	}
}
