package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
)

// intakeChild serves the webhooks as cortexops serve does, with GOGC and GOMEMLIMIT as manifests/base/serve.yaml sets them.
// Args: address, URL of NATS.
func intakeChild(ctx context.Context, args []string) (any, error) {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(400 << 20)
	events, err := bus.Connect(ctx, bus.Options{URL: args[1]})
	if err != nil {
		return nil, err
	}
	defer events.Close()
	h, err := intake.New(intake.Options{Publisher: events, Cluster: "prod", Repository: "acme/shop", AlertmanagerToken: benchToken, FluxKey: "x", ForgeSecret: "x",
		Metrics: prometheus.NewRegistry()})
	if err != nil {
		return nil, err
	}
	server := intake.Server(h)
	server.Addr = args[0]
	return nil, server.ListenAndServe()
}

// publishChild publishes the finished bytes of the same signals, and nothing else. Args: URL of NATS, round.
func publishChild(ctx context.Context, args []string) (any, error) {
	round, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(args[0])
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	var all []*nats.Msg
	for post := range postsInRound {
		body, err := json.Marshal(webhookBody(1000+round, post)) // of other rounds, so that none was stored before
		if err != nil {
			return nil, err
		}
		list, err := intake.Alertmanager(body, "prod", time.Now())
		if err != nil {
			return nil, err
		}
		for i, s := range list {
			m, err := finished(s, i)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	began := time.Now()
	futures := make([]jetstream.PubAckFuture, 0, len(all))
	for _, m := range all {
		f, err := js.PublishMsgAsync(m, jetstream.WithStallWait(10*time.Second))
		if err != nil {
			return nil, err
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return nil, err
		case <-ctx.Done():
			return nil, errors.New("no answer")
		}
	}
	return map[string]float64{"PerSecond": float64(len(all)) / time.Since(began).Seconds()}, nil
}

func finished(s incident.Signal, n int) (*nats.Msg, error) {
	body, err := json.Marshal(s)
	return &nats.Msg{Subject: fmt.Sprintf("cortexops.signals.%d.alertmanager", n%bus.Partitions), Data: body, Header: nats.Header{jetstream.MsgIDHeader: {s.ID}}}, err
}
