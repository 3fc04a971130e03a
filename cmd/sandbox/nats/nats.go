// Package nats is the child that runs a NATS server with JetStream on disk, on
// the loopback address only. Streams survive a restart of the child; it creates
// none.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	// What all streams together may keep. Limits, not reservations; but each
	// stream's own limit counts in full, and every test brings its own streams.
	maxMemory = 512 << 20
	maxStore  = 8 << 30

	readyTimeout = 10 * time.Second
)

// errNotReady means that the server neither listened nor said why not.
var errNotReady = errors.New("the nats server did not come up in 10 s; its log says why")

// Run serves until ctx ends.
func Run(ctx context.Context, s *stack.Stack, lg *slog.Logger) error {
	u, err := url.Parse(s.NATS.URL)
	if err != nil {
		return fmt.Errorf("read the address of nats: %w", err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return fmt.Errorf("read the port of nats: %w", err)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: "sandbox", Host: u.Hostname(), Port: port,
		JetStream: true, StoreDir: s.Data("nats"),
		JetStreamMaxMemory: maxMemory, JetStreamMaxStore: maxStore,
		NoSigs: true,
	})
	if err != nil {
		return fmt.Errorf("set up the nats server: %w", err)
	}
	fatal := make(chan error, 1)
	srv.SetLoggerV2(logger{lg, fatal}, false, false, false)
	go srv.Start()
	up := make(chan bool, 1)
	go func() { up <- srv.ReadyForConnections(readyTimeout) }()
	select {
	case ok := <-up:
		if !ok {
			srv.Shutdown()
			return errNotReady
		}
	case err := <-fatal:
		srv.Shutdown()
		return err
	}
	lg.InfoContext(ctx, "nats serves", "url", s.NATS.URL, "maxMemory", maxMemory, "maxStore", maxStore)
	select {
	case <-ctx.Done():
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil
	case err := <-fatal:
		srv.Shutdown()
		return err
	}
}

// logger hands the server's log on. The server expects Fatalf to end the
// process; here it ends Run.
type logger struct {
	*slog.Logger
	fatal chan<- error
}

func (l logger) Noticef(f string, a ...any) { l.Info(fmt.Sprintf(f, a...)) }
func (l logger) Warnf(f string, a ...any)   { l.Warn(fmt.Sprintf(f, a...)) }
func (l logger) Errorf(f string, a ...any)  { l.Error(fmt.Sprintf(f, a...)) }
func (l logger) Debugf(f string, a ...any)  { l.Debug(fmt.Sprintf(f, a...)) }
func (l logger) Tracef(f string, a ...any)  { l.Debug(fmt.Sprintf(f, a...)) }
func (l logger) Fatalf(f string, a ...any) {
	err := fmt.Errorf("nats server: %s", fmt.Sprintf(f, a...))
	l.Error(err.Error())
	select {
	case l.fatal <- err:
	default:
	}
}
