package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/forge"
	"github.com/cortexops/cortexops/cmd/sandbox/kube"
	"github.com/cortexops/cortexops/cmd/sandbox/nats"
	"github.com/cortexops/cortexops/cmd/sandbox/slack"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
	"github.com/cortexops/cortexops/cmd/sandbox/temporal"
	"github.com/cortexops/cortexops/cmd/sandbox/workload"
)

// children are the parts that live in this program; the supervisor runs each in
// a process of its own.
var children = map[string]func(context.Context, *stack.Stack, *slog.Logger) error{
	"kube":     kube.Run,
	"temporal": temporal.Run,
	"nats":     nats.Run,
	"forge":    forge.Run,
	"workload": workload.Run,
	"deployer": deployer.Run,
	"slack":    slack.Run,
}

func runCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:       "run NAME",
		Short:     "Be one part of a sandbox that is up; the supervisor does this",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(children)),
		Hidden:    true,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := stack.Load(dir)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			err = children[args[0]](c.Context(), s, log)
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
	dirFlag(c, &dir)
	return c
}
