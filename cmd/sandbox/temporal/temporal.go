// Package temporal is the child that runs a Temporal server on a SQLite file, or
// on a Postgres where the stack names one, and its real web UI, in one process. State survives a restart of the child;
// nothing is migrated: another server version wants an empty folder.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	server "go.temporal.io/server/temporal"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	// A quarter more CPU for a third less memory: the sandbox runs beside an
	// API server on small machines.
	gcPercent   = 50
	memoryLimit = 160 << 20

	// Past this the process just ends: SQLite's write-ahead log makes that safe.
	stopTimeout = 1800 * time.Millisecond
)

// Run serves until ctx ends.
func Run(ctx context.Context, s *stack.Stack, lg *slog.Logger) error {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)

	db, err := opened(s)
	if err != nil {
		return err
	}
	srv, err := server.NewServer(
		server.WithConfig(configuration(db, s.Temporal.Port)),
		server.WithStaticHosts(hosts(s.Temporal.Port)),
		server.ForServices(server.DefaultServices),
		server.WithLogger(log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn"}))),
		server.WithAuthorizer(authorization.NewNoopAuthorizer()),
		server.WithDynamicConfigClient(settings()),
	)
	if err != nil {
		return fmt.Errorf("set up the temporal server: %w", err)
	}
	if err := srv.Start(); err != nil {
		return fmt.Errorf("start the temporal server: %w", err)
	}
	ui, err := newUI(s)
	if err != nil {
		return errors.Join(err, srv.Stop())
	}
	uiEnded := make(chan error, 1)
	go func() { uiEnded <- ui.Start() }()
	lg.InfoContext(ctx, "temporal serves", "address", s.Temporal.Address, "ui", s.Temporal.UI)

	select {
	case <-ctx.Done():
		ui.Stop()
		return stop(srv)
	case err := <-uiEnded:
		return errors.Join(fmt.Errorf("temporal's web UI ended by itself: %w", err), stop(srv))
	}
}

func stop(srv server.Server) error {
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopTimeout):
		return nil
	}
}

// newUI finds out first whether the address can be had: the UI ends the whole
// process when it cannot.
func newUI(s *stack.Stack) (*uiserver.Server, error) {
	u, err := url.Parse(s.Temporal.UI)
	if err != nil {
		return nil, fmt.Errorf("read the address of temporal's web UI: %w", err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("temporal's web UI cannot listen: %w", err)
	}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("temporal's web UI cannot listen: %w", err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, fmt.Errorf("read the port of temporal's web UI: %w", err)
	}
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host: u.Hostname(), Port: port, TemporalGRPCAddress: s.Temporal.Address,
		EnableUI: true, DefaultNamespace: s.Temporal.Namespace,
		CORS:             uiconfig.CORS{CookieInsecure: true}, // plain http
		DisableNewsFetch: true, HideLogs: true,
	})), nil
}

// settings are those of Temporal's own development server that matter here: no
// throttling of one busy client. Its search attributes are read anew for every
// row of a list, which makes a page of 1,000 take a second; ours do not change.
func settings() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.FrontendRPS.Key():                                  100000,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 1000,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45000,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 2048,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          1,
	}
}
