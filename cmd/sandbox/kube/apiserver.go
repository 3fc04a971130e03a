package kube

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

var errServerEnded = errors.New("the API server ended by itself; the log of kube says why")

// readyPoll is how often a starting API server is asked whether it is ready.
const readyPoll = 50 * time.Millisecond

// serverFlags are the flags of kube-apiserver.
func serverFlags(s *stack.Stack, p *pki) ([]string, error) {
	u, err := url.Parse(s.Kube.URL)
	if err != nil {
		return nil, fmt.Errorf("read the address of the API server: %w", err)
	}
	key, err := p.accountKey()
	if err != nil {
		return nil, err
	}
	policy := p.path("audit-policy.yaml")
	if err := write(policy, auditPolicy); err != nil {
		return nil, err
	}
	return []string{
		"--etcd-servers=" + s.Kube.EtcdClient,
		"--bind-address=" + u.Hostname(), "--secure-port=" + u.Port(),
		"--tls-cert-file=" + p.path("server.crt"), "--tls-private-key-file=" + p.path("server.key"),
		"--client-ca-file=" + p.path("ca.crt"),
		"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--endpoint-reconciler-type=none", // there is no network that could reach the server's own service
		"--audit-policy-file=" + policy, "--audit-log-path=" + s.Kube.AuditLog,
		// One file to read: never rotated away under a reader.
		"--audit-log-maxsize=10000",
		"--profiling=false",
		"--shutdown-watch-termination-grace-period=0s", "--shutdown-delay-duration=0s",
	}, nil
}

// runAPIServer serves until ctx ends. It does what the kube-apiserver command does, without the
// command's signal handler and logging flags, which can be had only once in a process.
func runAPIServer(ctx context.Context, flags []string) error {
	o := options.NewServerRunOptions()
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	named := o.Flags()
	for _, f := range named.FlagSets {
		fs.AddFlagSet(f)
	}
	if err := fs.Parse(flags); err != nil {
		return fmt.Errorf("set up the API server: %w", err)
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set up the API server: %w", err)
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return fmt.Errorf("set up the API server: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("set up the API server: %w", errors.Join(errs...))
	}
	if err := app.Run(ctx, completed); err != nil {
		return fmt.Errorf("run the API server: %w", err)
	}
	if ctx.Err() == nil {
		return errServerEnded
	}
	return nil
}

// waitReady returns when the server's own checks pass: before that its default roles are not there.
func waitReady(ctx context.Context, rc *rest.Config, ended <-chan error) error {
	cs, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if _, err := cs.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			if err == nil {
				err = errServerEnded
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
