package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/health"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/topology"
)

func serveCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "serve --all", Short: "Webhooks, correlation and the remediation worker in one process", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !all {
				return errors.New("serve runs everything in one process so far: say serve --all")
			}
			c, err := loaded(cmd)
			if err != nil {
				return err
			}
			if err := c.readSecrets(os.Getenv); err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			slog.SetDefault(log)
			return serve(cmd.Context(), c, log)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "run every role in this process")
	return cmd
}

// serve is the house at work: it connects to everything, wires the stations, and returns when ctx ends or one of
// them cannot go on.
func serve(ctx context.Context, c Config, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	book, err := ledger.Open(ctx, c.Ledger.Path)
	if err != nil {
		return err
	}
	defer book.Close()
	events, err := bus.Connect(ctx, bus.Options{URL: c.NATS.URL, Prefix: c.NATS.Prefix, Metrics: prometheus.DefaultRegisterer, Log: log})
	if err != nil {
		return err
	}
	defer events.Close()
	temporal, err := client.DialContext(ctx, client.Options{HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace,
		Logger: temporallog.NewStructuredLogger(log)})
	if err != nil {
		return fmt.Errorf("dial Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	outside, err := connect(ctx, c)
	if err != nil {
		return err
	}
	graph, err := topology.New(topology.Options{Config: outside.kube, Cluster: c.Cluster, Namespaces: c.Kubernetes.Namespaces, Log: log})
	if err != nil {
		return err
	}
	w := worker.New(temporal, c.Temporal.TaskQueue, worker.Options{DisableRegistrationAliasing: true})
	remediation.Register(w, activities(c, book, outside))
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the Temporal worker: %w", err)
	}
	defer w.Stop()
	starter := &remediation.Starter{Temporal: temporal, TaskQueue: c.Temporal.TaskQueue, Book: book, Ended: book.Ended}
	checks, err := health.New(health.Options{Metrics: prometheus.DefaultGatherer, Ready: []string{"nats"}, Checks: map[string]func(context.Context) error{
		"nats": events.Check, "ledger": book.Ping, "kubernetes": outside.cluster.Ping, "topology": graph.Check, "forge": outside.forge.Ping,
		"prometheus": outside.prometheus.Ping, "temporal": func(ctx context.Context) error {
			_, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		},
	}})
	if err != nil {
		return err
	}
	handler, err := routes(c, log, events, checks)
	if err != nil {
		return err
	}
	engine := correlate.New(correlate.Options{Settle: c.Correlate.Settle, Owner: graph.Owner, Blast: graph.Blast})
	return together(ctx,
		func(ctx context.Context) error { return listen(ctx, c.Server.Address, handler, log) },
		func(ctx context.Context) error { checks.Run(ctx); return nil },
		func(ctx context.Context) error { graph.Run(ctx); return nil },
		func(ctx context.Context) error {
			if err := graph.WaitSynced(ctx); err != nil { // before that an owner may be unknown although it exists
				return err
			}
			return correlate.Run(ctx, engine, events, correlate.RunOptions{Metrics: prometheus.DefaultRegisterer, Log: log})
		},
		func(ctx context.Context) error { return events.ConsumeIncidents(ctx, starter.Incident) },
		func(ctx context.Context) error { return events.ConsumeActions(ctx, starter.Action) },
	)
}

// routes is every path that the process answers.
func routes(c Config, log *slog.Logger, events *bus.Bus, checks *health.Health) (http.Handler, error) {
	webhooks, err := intake.New(intake.Options{Publisher: events, Cluster: c.Cluster, Repository: c.Forge.Owner + "/" + c.Forge.Repo,
		AlertmanagerToken: c.secrets.alertmanagerToken, FluxKey: c.secrets.fluxKey, ForgeSecret: c.secrets.forgeWebhookSecret,
		Metrics: prometheus.DefaultRegisterer, Log: log})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", webhooks)
	checks.Register(mux)
	return mux, nil
}

func listen(ctx context.Context, address string, h http.Handler, log *slog.Logger) error {
	server := intake.Server(h)
	server.Addr = address
	drained := make(chan struct{})
	undo := context.AfterFunc(ctx, func() {
		defer close(drained)
		bye, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(bye); err != nil {
			log.WarnContext(bye, "stop the web server", "error", err)
		}
	})
	defer undo()
	log.InfoContext(ctx, "listening", "address", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen on %s: %w (is another program there? change server.address)", address, err)
	}
	<-drained // what is being answered still needs the bus
	return nil
}

// together runs the roles until one fails or ctx ends, and waits for the others.
func together(ctx context.Context, roles ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(roles))
	for _, role := range roles {
		go func() { ended <- role(ctx) }()
	}
	var first error
	for range roles {
		if err := <-ended; err != nil && first == nil && ctx.Err() == nil {
			first = err
		}
		cancel()
	}
	return first
}
