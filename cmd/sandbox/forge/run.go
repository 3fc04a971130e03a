package forge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// reviewer is whom the page's buttons act as.
const reviewer = "sam"

// Run serves the forge of a sandbox until ctx ends.
func Run(ctx context.Context, s *stack.Stack, log *slog.Logger) error {
	u, err := url.Parse(s.Forge.URL)
	if err != nil {
		return fmt.Errorf("the forge's URL: %w", err)
	}
	f, err := New(ctx, Options{
		Dir: s.Data("forge"), Owner: s.Forge.Owner, Repo: s.Forge.Repo, Users: s.Forge.Users, Reviewer: reviewer,
		Webhook: s.Forge.Webhook, WebhookSecret: s.Forge.WebhookSecret, URL: s.Forge.URL, Log: log,
	})
	if err != nil {
		return err
	}
	defer f.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("serve the forge: %w", err)
	}
	// Requests end with ctx, so that held answers do not hold up the shutdown.
	server := &http.Server{
		Handler: f, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.InfoContext(ctx, "forge ready", "url", s.Forge.URL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve the forge: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the forge: %w", err)
	}
	return server.Close()
}
