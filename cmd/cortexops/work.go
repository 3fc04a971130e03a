package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/writeup"
)

// work is the role that correlates and remediates.
type work struct {
	components map[string]func(context.Context) error // for /debug/healthz
	details    map[string]func() string               // likewise
	jobs       []job
	opened     []func()
}

// close undoes newWork, the last first.
func (w *work) close() {
	for i := len(w.opened) - 1; i >= 0; i-- {
		w.opened[i]()
	}
}

func newWork(ctx context.Context, c Config, events *bus.Bus, log *slog.Logger) (_ *work, err error) {
	w := &work{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	at, err := c.ledger(os.Getenv)
	if err != nil {
		return nil, err
	}
	book, err := ledger.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	w.opened = append(w.opened, func() { _ = book.Close() }) // every row was committed when it was written
	temporal, err := client.DialContext(ctx, client.Options{HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace, Identity: c.identity(),
		Logger: temporallog.NewStructuredLogger(log)})
	if err != nil {
		return nil, fmt.Errorf("dial Temporal at %s: %w", c.Temporal.Address, hinted(err))
	}
	w.opened = append(w.opened, temporal.Close)
	outside, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	w.opened = append(w.opened, func() { _ = outside.memory.Close() })
	if outside.charts, err = chartRenderer(); err != nil {
		return nil, err
	}
	w.opened = append(w.opened, outside.charts.Close)
	outside.near = dependencies(events.Graph, c.Cluster)
	refused, queues := c.refused(book, outside.slack), c.queues()
	tasks := &tasks{temporal: temporal, queues: queues, do: activities(c, book, outside, remediation.Later(temporal, queues), refused)}
	if err := tasks.poll(queues.Of(c.Cluster)); err != nil {
		return nil, err
	}
	w.opened = append(w.opened, tasks.stop)
	starter := &remediation.Starter{Temporal: temporal, Queues: queues, Book: book, Ended: book.Ended, Newest: events.Incident, Holder: book.Claims().Holder, Branch: outside.branch, MayWrite: outside.forge.MayWrite, Merged: acted(book), Shut: outside.shut, Followed: outside.followed, Refused: refused}
	pauses := func(ctx context.Context) ([]incident.Pause, error) { return book.Brakes().Pauses(ctx, c.Cluster) }
	if outside.pager != nil {
		starter.Healed = c.paging(book, outside.pager).Healed
	}
	keeper := &remediation.Keeper{Temporal: temporal, Queues: queues, Bot: c.Forge.User, Book: book, Forge: outside.forge, Writer: writeup.Writer{},
		Claims: book.Claims(), Pauses: pauses}
	unattended := &remediation.Unattended{Temporal: temporal, Queues: queues}
	join := &joining{settle: c.Correlate.Settle, windows: c.windows(), metrics: correlate.NewMetrics(prometheus.DefaultRegisterer), log: log}
	follow, err := newFollower(c, outside, log)
	if err != nil {
		return nil, err
	}
	w.details = map[string]func() string{"graph": join.detail}
	w.components = map[string]func(context.Context) error{
		"ledger": book.Ping, "kubernetes": outside.cluster.Ping, "graph": join.check, "correlation": join.advances, "watch": follow.Check, "forge": outside.forge.Ping,
		"prometheus": outside.prometheus.Ping, "policy": outside.policy.Ping, "policy-source": outside.policy.Current, "memory": outside.memory.Ping,
		"brakes": braked(pauses), "clusters": unattended.Check,
		"temporal": func(ctx context.Context) error {
			_, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		},
	}
	if outside.slack != nil {
		w.components["slack"] = seldom(outside.slack.Ping)
	}
	if outside.llm != nil {
		w.components["llm"] = seldom(outside.llm.Ping)
	}
	w.jobs = []job{
		tasks.former,
		func(ctx context.Context) error { keeper.Run(ctx); return nil },
		func(ctx context.Context) error { unattended.Run(ctx); return nil },
		func(ctx context.Context) error { outside.policy.Run(ctx); return nil },
		func(ctx context.Context) error {
			return events.Own(ctx, bus.Shares{Join: join.run, Cluster: c.Cluster, Follow: follow.follow(events), Fold: func(ctx context.Context, p *bus.Partition) error {
				return correlate.Fold(ctx, p, join.metrics)
			}})
		},
		func(ctx context.Context) error { return events.ConsumeIncidents(ctx, starter.Incident) },
		func(ctx context.Context) error { return events.ConsumeActions(ctx, starter.Action) },
	}
	if refused != nil {
		w.jobs = append(w.jobs, func(ctx context.Context) error { refused.Run(ctx); return nil })
	}
	return w, nil
}

// hinted says what to do about a namespace of Temporal that is not there.
func hinted(err error) error {
	if none := new(serviceerror.NamespaceNotFound); errors.As(err, &none) {
		return fmt.Errorf("temporal.namespace is not there, manifests/compose/temporal-namespace.sh makes it: %w", err)
	}
	return err
}

// seldom asks what is paid for or counts calls once a minute, and repeats its word in between.
func seldom(check func(context.Context) error) func(context.Context) error {
	var last error
	var asked time.Time
	return func(ctx context.Context) error { // by one goroutine
		if time.Since(asked) > time.Minute {
			asked, last = time.Now(), check(ctx)
		}
		return last
	}
}
