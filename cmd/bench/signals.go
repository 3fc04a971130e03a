package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsServer = "github.com/nats-io/nats-server/v2@v2.15.2"

// signalParts are measured one after the other, each with a NATS of its own behind the URL.
var signalParts = []func(ctx context.Context, r *run, url string) error{ingesting, correlating, hitting}

// signals measures the way of a signal.
func signals(ctx context.Context, r *run) error {
	for n, part := range signalParts {
		url, stop, err := startNATS(ctx, filepath.Join(r.dir, fmt.Sprint("nats", n)))
		if err != nil {
			return err
		}
		err = part(ctx, r, url)
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// installed builds a program of others, once.
func installed(ctx context.Context, module, name string) (string, error) {
	dir, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	doing("building " + module + ", once")
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	cmd.Stderr = os.Stderr
	return program, cmd.Run()
}

// startNATS runs a server with a file store as a process of its own.
func startNATS(ctx context.Context, dir string) (url string, stop func(), err error) {
	program, err := installed(ctx, natsServer, "nats-server")
	if err != nil {
		return "", nil, fmt.Errorf("build the NATS server: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	config := dir + ".conf" // the streams of all rounds ask for more together than they ever hold
	if err := os.WriteFile(config, fmt.Appendf(nil, "jetstream {store_dir: %q, max_file_store: 64GB}\n", dir), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-c", config, "-a", address.IP.String(), "-p", fmt.Sprint(address.Port))
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() } // what it holds is not kept
	url = "nats://" + address.String()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if nc, err := nats.Connect(url); err == nil {
			js, err := jetstream.New(nc)
			if err == nil {
				_, err = js.AccountInfo(ctx)
			}
			nc.Close()
			if err == nil {
				return url, stop, nil
			}
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, fmt.Errorf("NATS at %s does not answer", url)
		}
	}
}
