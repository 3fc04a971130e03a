package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
)

func pauseCommand() *cobra.Command {
	var p incident.Pause
	cmd := &cobra.Command{
		Use: "pause", Short: "Merge and apply nothing until resume; planning and reverts go on", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.By, p.At = os.Getenv("USER"), time.Now()
			return braking(cmd, "pause", p, func(ctx context.Context, b *ledger.Brakes) error {
				if err := b.Pause(ctx, p); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), p)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&p.Cluster, "cluster", "", "only the one of this name, as cluster of the configuration says it (default all)")
	cmd.Flags().StringVar(&p.Reason, "reason", "", "why, for those who wait")
	return cmd
}

func resumeCommand() *cobra.Command {
	var p incident.Pause
	cmd := &cobra.Command{
		Use: "resume", Short: "Take a pause back", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.By, p.At = os.Getenv("USER"), time.Now()
			return braking(cmd, "resume", p, func(ctx context.Context, b *ledger.Brakes) error {
				was, err := b.Resume(ctx, p.Cluster)
				switch {
				case err != nil:
					return err
				case !was && p.Cluster == "":
					return fmt.Errorf("there is no pause of every cluster: name one with --cluster")
				case !was:
					return fmt.Errorf("%s was not paused by its name: a pause of every cluster ends without --cluster", p.Cluster)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "resumed")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&p.Cluster, "cluster", "", "the pause of this one (default that of all)")
	return cmd
}

// braking does it and leaves a row in the ledger.
func braking(cmd *cobra.Command, what string, p incident.Pause, do func(context.Context, *ledger.Brakes) error) error {
	ctx := cmd.Context()
	c, err := loaded(cmd)
	if err != nil {
		return err
	}
	at, err := c.ledger(os.Getenv)
	if err != nil {
		return err
	}
	book, err := ledger.Open(ctx, at)
	if err != nil {
		return err
	}
	defer book.Close()
	if err := do(ctx, book.Brakes()); err != nil {
		return err
	}
	detail, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = book.Append(ctx, incident.Entry{Step: what + " " + p.At.UTC().Format(time.RFC3339Nano), Kind: incident.Event, Actor: p.By, Detail: detail, At: p.At})
	return err
}

// braked is the check of a component that is failing while the cluster is paused.
func braked(pauses func(context.Context) ([]incident.Pause, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := pauses(ctx)
		if err == nil && len(list) > 0 {
			err = errors.New(list[0].String())
		}
		return err
	}
}
