package slack

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

// Run serves Slack for a sandbox until ctx ends.
func Run(ctx context.Context, s *stack.Stack, log *slog.Logger) error {
	o := Options{URL: s.Slack.URL, Token: s.Slack.Token, AppToken: s.Slack.AppToken, SigningSecret: s.Slack.SigningSecret, Channel: s.Slack.Channel, Users: s.Slack.Users}
	u, err := url.Parse(o.URL)
	if err != nil {
		return fmt.Errorf("read the URL of Slack: %w", err)
	}
	o.Dir, o.Webhook, o.Log = s.Data("slack"), s.Product.URL+"/webhooks/slack", log
	server, err := New(o)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("serve Slack: %w", err)
	}
	h := &http.Server{
		Handler: server, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	log.InfoContext(ctx, "slack ready", "url", o.URL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve Slack: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := h.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop Slack: %w", err)
	}
	return h.Close()
}
