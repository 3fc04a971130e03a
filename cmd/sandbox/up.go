package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
)

type upOptions struct {
	dir       string
	parts     []string
	addresses string
	keep      bool
}

func upCommand() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the stack and stay until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return up(c.Context(), o, c.OutOrStdout()) },
	}
	dirFlag(c, &o.dir)
	c.Flags().StringSliceVar(&o.parts, "parts", nil, "start these parts only: kube,temporal,nats,…")
	c.Flags().BoolVar(&o.keep, "keep", false, "go on with what the last run in the folder left, instead of starting empty")
	c.Flags().StringVar(&o.addresses, "addresses", "", "write all addresses to this file once everything is ready")
	return c
}

func up(ctx context.Context, o upOptions, out io.Writer) error {
	if err := supervisor.Build(ctx, out, root(), o.parts...); err != nil {
		return err
	}
	began := time.Now()
	s, err := supervisor.Start(ctx, supervisor.Options{
		Dir: o.dir, Keep: o.keep, Parts: o.parts, Progress: func(line string) { fmt.Fprintln(out, line) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if o.addresses != "" {
		if err := s.Stack().WriteFile(o.addresses); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nThe sandbox is up after %s. Ctrl-C ends it.\n", time.Since(began).Round(100*time.Millisecond))
	if len(o.parts) == 0 {
		whatToTry(out, s.Stack())
	}
	for {
		select {
		case d := <-s.Died():
			fmt.Fprintf(out, "\n%v\nStart it again: sandbox restart %s --dir %s\n", d, d.Name, s.Stack().Dir)
		case <-ctx.Done():
			fmt.Fprintln(out, "\nstopping")
			return s.Close()
		}
	}
}

func whatToTry(out io.Writer, s *stack.Stack) {
	for _, line := range [][2]string{
		{"pull requests", s.Forge.URL},
		{"Slack", s.Slack.URL},
		{"workflows", s.Temporal.UI},
		{"alerts", s.Alertmanager.URL},
		{"queries", s.Prometheus.URL + "/api/v1/query?query=up (the API only: Prometheus's own pages need npm to build)"},
		{"CortexOps", s.Product.URL + "/metrics"},
		{"the cluster", "kubectl --kubeconfig " + s.Kube.AdminKubeconfig + " get pods -A"},
		{"the repository", fmt.Sprintf("git clone http://x-access-token:%s@%s/%s/%s.git", s.Forge.Users["dana"], s.Forge.URL[len("http://"):], s.Forge.Owner, s.Forge.Repo)},
		{"an incident", "set memory: 256Mi in overlays/production/checkout-memory.yaml there, commit, push, and watch the pull requests"},
		{"a fault", "bin/sandbox stop|pause|resume|restart nats --dir " + s.Dir + " (what the forge cannot tell while NATS is away is read from it within five minutes)"},
		{"the ledger", "bin/cortexops ledger show INCIDENT, or ledger verify, --config " + s.Dir + "/cortexops/config.yaml"},
		{"logs", s.Dir + "/logs"},
	} {
		fmt.Fprintf(out, "  %-15s %s\n", line[0], line[1])
	}
}
