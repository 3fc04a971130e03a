// Package kube is the child that runs a Kubernetes control plane in one process: etcd, the API server with RBAC and
// an audit log, and the controllers that the usual workloads need. They are Kubernetes' own code. What stands in for
// nodes and kubelets is the simulator: no container ever runs. Objects, keys and certificates survive a restart.
package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/kube/simulator"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// stopTimeout bounds a polite stop. Past it the process just ends: etcd's write-ahead log makes that safe.
const stopTimeout = 2 * time.Second

// Run serves until ctx ends. The admin's kubeconfig is there before the server answers.
func Run(ctx context.Context, s *stack.Stack, lg *slog.Logger) error {
	klog.SetSlogLogger(slog.New(atLeast{lg.Handler(), slog.LevelWarn}))
	begin := time.Now()
	p, err := preparePKI(s)
	if err != nil {
		return err
	}
	flags, err := serverFlags(s, p)
	if err != nil {
		return err
	}
	controllers, err := identity(p, "sandbox-controllers")
	if err != nil {
		return err
	}
	kubelet, err := identity(p, "sandbox-simulator")
	if err != nil {
		return err
	}

	etcd, err := startEtcd(ctx, s)
	if err != nil {
		return err
	}
	lg.InfoContext(ctx, "etcd serves", "url", s.Kube.EtcdClient, "after", time.Since(begin))
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 3)
	start := func(run func() error) { go func() { ended <- run() }() }
	start(func() error { return runAPIServer(child, flags) })
	if err := waitReady(child, controllers, ended); err != nil {
		cancel()
		etcd.Close()
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	lg.InfoContext(ctx, "the API server serves", "url", s.Kube.URL, "kubeconfig", s.Kube.AdminKubeconfig, "after", time.Since(begin))
	start(func() error { return runControllers(child, controllers) })
	start(func() error { return simulator.Run(child, kubelet, lg) })

	left := 3
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	cancel()
	return errors.Join(err, stop(left, ended, etcd.Close))
}

// stop waits for what still runs, then for etcd, without which nothing of it could end well.
func stop(left int, ended <-chan error, closeEtcd func()) error {
	timeout := time.After(stopTimeout)
	var errs error
	for range left {
		select {
		case err := <-ended:
			errs = errors.Join(errs, err)
		case <-timeout:
			return errs
		}
	}
	closed := make(chan struct{})
	go func() { closeEtcd(); close(closed) }()
	select {
	case <-closed:
	case <-timeout:
	}
	return errs
}

// preparePKI makes or reads all keys and certificates, and writes the admin's kubeconfig.
func preparePKI(s *stack.Stack) (*pki, error) {
	u, err := url.Parse(s.Kube.URL)
	if err != nil {
		return nil, fmt.Errorf("read the address of the API server: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.Kube.AuditLog), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the audit log: %w", err)
	}
	p, err := openPKI(filepath.Join(s.Data("kube"), "pki"), s.Kube.URL)
	if err != nil {
		return nil, err
	}
	if err := p.serving(net.ParseIP(u.Hostname())); err != nil {
		return nil, err
	}
	admin, err := p.client("admin")
	if err != nil {
		return nil, err
	}
	return p, kubeconfig.Write(s.Kube.AdminKubeconfig, admin)
}

// identity gives each of our own programs a name, so that the audit log tells them apart.
func identity(p *pki, user string) (*rest.Config, error) {
	a, err := p.client(user)
	if err != nil {
		return nil, err
	}
	return restConfig(a), nil
}

// atLeast drops what Kubernetes logs below a level: its normal start is a thousand lines.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(n string) slog.Handler { return atLeast{h.Handler.WithGroup(n), h.level} }
