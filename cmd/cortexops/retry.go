package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

func retryCommand() *cobra.Command {
	var attempt int
	cmd := &cobra.Command{
		Use: "retry INCIDENT", Short: "Let a remediation that waits for a permission try again, or try anew what has ended without success", Args: one("INCIDENT"),
		Long: "Let a remediation that waits for a permission try again, or try anew what has ended without success.\nIt needs no secret, only Temporal: temporal.address and temporal.namespace of the configuration.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loaded(cmd)
			if err != nil {
				return err
			}
			key := incident.Key{Incident: args[0], Attempt: attempt}
			if _, _, ok := incident.KeyOfBranch(key.Branch()); !ok {
				return fmt.Errorf("%q is not the ID of an incident: 12 hex digits, as the pull request and the ledger show it", args[0])
			}
			temporal, err := client.DialContext(cmd.Context(), client.Options{HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace})
			if err != nil {
				return fmt.Errorf("dial Temporal at %s: %w", c.Temporal.Address, hinted(err))
			}
			defer temporal.Close()
			told, err := remediation.Retry(cmd.Context(), temporal, c.queues(), key, os.Getenv("USER"))
			if err != nil {
				return hinted(err)
			}
			if told != key {
				fmt.Fprintf(cmd.OutOrStdout(), "%s has ended, and is followed by %s\n", key.Workflow(), told.Workflow())
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s was told to try again\n", key.Workflow())
			return nil
		},
	}
	cmd.Flags().IntVar(&attempt, "attempt", 1, "which attempt of the incident")
	return cmd
}
