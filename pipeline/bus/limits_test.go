package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestFullStreams(t *testing.T) {
	t.Parallel()
	for kept, memory := range map[string]bool{"in memory": true, "on disk": false} {
		t.Run(kept, func(t *testing.T) { t.Parallel(); fullStreams(t, memory) })
	}
}

func fullStreams(t *testing.T, memory bool) {
	b, reg := open(t, Limits{Signals: Partitions * 64 << 10, Actions: 16 << 10, Incidents: 16 << 10, Folds: 4 * mib, Graph: mib, Memory: memory})
	// ACTIONS refuses, and keeps what it has.
	var err error
	taken := 0
	for ; err == nil && taken < 1000; taken++ {
		_, err = b.PublishAction(t.Context(), incident.Action{Delivery: fmt.Sprint(taken), Branch: strings.Repeat("x", 200)})
	}
	var api jetstream.JetStreamError
	if !errors.As(err, &api) || taken < 10 {
		t.Fatalf("after %d actions: %v, want a refusal", taken, err)
	}
	got := make(chan string, 1000)
	background(t, func(ctx context.Context) error {
		return b.ConsumeActions(ctx, func(_ context.Context, a incident.Action) error { got <- a.Delivery; return nil })
	})
	if first := next(t, got); first != "0" {
		t.Errorf("the oldest action left is %s", first)
	}
	// SIGNALS drops its oldest, and the reader counts them.
	const sent = 2000
	if _, err := b.PublishSignals(t.Context(), some(0, sent)); err != nil {
		t.Fatal(err)
	}
	batches := make(chan []incident.Signal, 1000)
	folded(t, owned(t, b, home), batches)
	received := 0
	for newest := ""; newest != signal(sent-1).ID; {
		list := next(t, batches)
		received += len(list)
		newest = list[len(list)-1].ID
	}
	if dropped := metric(t, reg, "cortexops_events_dropped_total"); received == 0 || received >= sent || int(dropped) != sent-received {
		t.Errorf("of %d signals %d came and %v were counted as dropped", sent, received, dropped)
	}
}

func TestLimitsBeyondTheServerAreRefused(t *testing.T) {
	t.Parallel()
	url := server(t)
	_, err := Connect(t.Context(), Options{URL: url, Prefix: "test-huge", Limits: Limits{Signals: 1 << 50, Actions: 1 << 50, Incidents: 1 << 50, Folds: 1 << 50, Graph: 1 << 50}})
	var storage *StorageError
	if !errors.As(err, &storage) || storage.Need != 5<<50+workersBytes || !strings.Contains(err.Error(), "5368709120 MiB") {
		t.Errorf("got %v, want a refusal with the figure", err)
	}
}

func TestRefusedWithoutAServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://user:hunter2@" + l.Addr().String()
	l.Close()
	if _, err := Connect(t.Context(), Options{URL: url}); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "is it running") {
		t.Errorf("got %v", err)
	}
	if _, err := Connect(t.Context(), Options{URL: url, Prefix: "a.b"}); err == nil || !strings.Contains(err.Error(), "letters") {
		t.Errorf("got %v", err)
	}
}
