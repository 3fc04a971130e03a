package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/ledger"
)

func ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Read the audit", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error { // a typo in a cron job must not look like an intact chain
			return fmt.Errorf("%s: say ledger show, verify, export or reconcile", strings.Join(append([]string{"ledger"}, args...), " "))
		}}
	cmd.AddCommand(
		&cobra.Command{Use: "show [INCIDENT]", Short: "Print the rows, one JSON object a line", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return withLedger(cmd, func(l *ledger.Ledger) error {
					id := ""
					if len(args) == 1 {
						id = args[0]
					}
					rows, err := l.Entries(cmd.Context(), id)
					if err != nil {
						return err
					}
					if id != "" && len(rows) == 0 {
						return fmt.Errorf("the ledger has no rows of incident %q", id)
					}
					out := json.NewEncoder(cmd.OutOrStdout())
					for _, row := range rows {
						if err := out.Encode(row); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		&cobra.Command{Use: "verify", Short: "Check the hash chain and the blobs; exit 1 and name the first that does not fit. Keep the head that it prints elsewhere: whoever owns the database can write another chain", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withLedger(cmd, func(l *ledger.Ledger) error {
					n, err := l.Verify(cmd.Context())
					if err != nil {
						return err
					}
					if n == 0 {
						fmt.Fprintln(cmd.OutOrStdout(), "the ledger is empty")
						return nil
					}
					head, err := l.Head(cmd.Context())
					if err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "%d row(s), chain intact, blobs intact, head %s\n", n, head)
					}
					return err
				})
			}})
	cmd.AddCommand(exportCommand(), reconcileCommand())
	return cmd
}

// loadedLedger is the configuration, and where it has the ledger.
func loadedLedger(cmd *cobra.Command) (c Config, at string, err error) {
	if c, err = loaded(cmd); err != nil {
		return c, "", err
	}
	at, err = c.ledger(os.Getenv)
	return c, at, err
}

func withLedger(cmd *cobra.Command, f func(*ledger.Ledger) error) error {
	_, at, err := loadedLedger(cmd)
	if err != nil {
		return err
	}
	l, err := ledger.Open(cmd.Context(), at)
	if err != nil {
		return err
	}
	defer l.Close()
	return f(l)
}
