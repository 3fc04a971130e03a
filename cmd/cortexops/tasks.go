package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/cortexops/cortexops/pipeline/remediation"
)

// lookEvery is how often the queue that all clusters had in common is looked at.
const lookEvery = time.Minute

// nameable refuses what no query of Temporal can name.
func (c *Config) nameable() error {
	for _, of := range []struct{ key, value string }{{"cluster", c.Cluster}, {"temporal.taskQueue", c.Temporal.TaskQueue}} {
		if strings.ContainsFunc(of.value, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune("'\"`\\", r) }) {
			return fmt.Errorf("%s is %q: write it without quotes and backslashes", of.key, of.value)
		}
	}
	return nil
}

// queues of Temporal, by cluster.
func (c *Config) queues() remediation.Queues {
	return remediation.Queues{Base: c.Temporal.TaskQueue, Own: c.Cluster}
}

// identity is who we are in Temporal's histories: the cluster, then the host, which is the pod, and the process.
func (c *Config) identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%s/%d", c.Cluster, host, os.Getpid())
}

// tasks carries out what is on the queue of our cluster.
type tasks struct {
	temporal client.Client
	queues   remediation.Queues
	do       remediation.Activities
	running  []worker.Worker
}

func (t *tasks) poll(queue string) error {
	w := worker.New(t.temporal, queue, worker.Options{DisableRegistrationAliasing: true})
	remediation.Register(w, t.do)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the Temporal worker: %w", hinted(err))
	}
	t.running = append(t.running, w)
	return nil
}

// former polls the queue that all clusters had in common, too, as soon as something of our cluster is there: what began before a
// cluster had a queue of its own goes on, under the same identity as before.
func (t *tasks) former(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	look := t.queues.Former(t.temporal)
	for {
		ours, err := look(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "whether something is left on the former queue cannot be told, trying again", "error", err)
		case ours:
			slog.InfoContext(ctx, "what began on the former queue goes on there", "queue", t.queues.Base)
			return t.stay(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (t *tasks) stay(ctx context.Context) error {
	if err := t.poll(t.queues.Base); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (t *tasks) stop() {
	for _, w := range t.running {
		w.Stop()
	}
}
