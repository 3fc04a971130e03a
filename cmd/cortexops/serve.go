package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/health"
	"github.com/cortexops/cortexops/pipeline/intake"
)

// roles of a process: serve takes webhooks, work does everything else.
type roles struct{ serve, work bool }

func serveCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Take webhooks; with --all do the work too, in one process", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return play(cmd, roles{serve: true, work: all}) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "run every role in this process")
	return cmd
}

func workCommand() *cobra.Command {
	return &cobra.Command{
		Use: "work", Short: "Correlate signals and carry out remediations", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return play(cmd, roles{work: true}) },
	}
}

func play(cmd *cobra.Command, r roles) error {
	c, err := loaded(cmd)
	if err != nil {
		return err
	}
	if err := c.readSecrets(os.Getenv, r); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	slog.SetDefault(log)
	return serve(cmd.Context(), c, r, log)
}

// job is one thing that a process does until ctx ends.
type job = func(ctx context.Context) error

// serve is the house at work: it connects to everything that its roles need, wires the stations, and returns when ctx ends
// or one of them cannot go on.
func serve(ctx context.Context, c Config, r roles, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := bus.Connect(ctx, bus.Options{URL: c.NATS.URL, Prefix: c.NATS.Prefix, Limits: bus.Limits{Memory: c.NATS.Memory}, Metrics: prometheus.DefaultRegisterer, Log: log})
	if err != nil {
		return err
	}
	defer events.Close()
	components := map[string]func(context.Context) error{"nats": events.Check, "streams": events.Room}
	var jobs []job
	var details map[string]func() string
	if r.work {
		w, err := newWork(ctx, c, events, log)
		if err != nil {
			return err
		}
		defer w.close()
		maps.Copy(components, w.components)
		jobs, details = w.jobs, w.details
	}
	var taken intake.Options
	if r.serve {
		if taken, err = c.intake(log, events); err != nil {
			return err
		}
		if c.Slack.Mode == modeSocket && len(c.Slack.Users) > 0 {
			socket, err := intake.NewSocket(taken)
			if err != nil {
				return err
			}
			components["slack"] = both(components["slack"], socket.Check)
			jobs = append(jobs, func(ctx context.Context) error { socket.Run(ctx); return nil })
			taken.SlackUsers = nil // there is no webhook
		}
	}
	// The default registry is both; its two variables show one half each.
	checks, err := health.New(health.Options{Metrics: prometheus.DefaultRegisterer.(*prometheus.Registry), Ready: []string{"nats"}, Optional: []string{"brakes", "clusters", "graph", "llm", "memory", "policy-source", "slack", "watch"}, Checks: components, Details: details})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	checks.Register(mux)
	if r.serve {
		webhooks, err := intake.New(taken)
		if err != nil {
			return err
		}
		mux.Handle("/webhooks/", webhooks)
	}
	return together(ctx, append(jobs,
		func(ctx context.Context) error { return listen(ctx, c.Server.Address, mux, log) },
		func(ctx context.Context) error { checks.Run(ctx); return nil })...)
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

// together runs the jobs until one fails or ctx ends, and waits for the others.
func together(ctx context.Context, jobs ...job) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(jobs))
	for _, j := range jobs {
		go func() { ended <- j(ctx) }()
	}
	var first error
	for range jobs {
		if err := <-ended; err != nil && first == nil && ctx.Err() == nil {
			first = err
		}
		cancel()
	}
	return first
}
