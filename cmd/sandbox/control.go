package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
)

// controlCommands act on one part of a sandbox that is up.
func controlCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, verb := range [][2]string{
		{"stop", "End one part in good order and leave it so"},
		{"pause", "Stop one part's time: its connections stay open and silent"},
		{"resume", "Let a paused part go on"},
		{"restart", "Start one part again, on the same ports and data"},
	} {
		var dir string
		c := &cobra.Command{
			Use:   verb[0] + " NAME",
			Short: verb[1],
			Args:  cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				if err := supervisor.Control(c.Context(), dir, verb[0], args[0]); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", args[0], map[string]string{
					"stop": "stopped", "pause": "paused", "resume": "resumed", "restart": "restarted and ready",
				}[verb[0]])
				return nil
			},
		}
		dirFlag(c, &dir)
		all = append(all, c)
	}
	return all
}
