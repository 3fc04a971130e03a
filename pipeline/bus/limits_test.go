package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

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

// While INCIDENTS is full every process says so, and takes no signals: who joins waits for room, and what comes is not dropped behind it.
func TestNothingIsTakenWhileIncidentsAreFull(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Incidents = mib
	b, _ := open(t, limits)
	c, reg := another(t, b, limits) // which takes the webhooks
	b.still()
	c.still()
	look := func() {
		t.Helper()
		if err := c.mend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if _, err := c.PublishSignals(t.Context(), some(0, 1)); err != nil || c.Room(t.Context()) != nil {
		t.Fatalf("%v, %v, and there is room", err, c.Room(t.Context()))
	}
	j := joining(t, b)
	var list []incident.Incident
	for n := range 20 {
		list = append(list, incident.Incident{ID: fmt.Sprintf("i%d", n), State: incident.Sealed, Revision: 1, Signals: []incident.Signal{{Name: strings.Repeat("x", 60<<10)}}})
	}
	done := make(chan error, 1)
	go func() { done <- j.PublishIncidents(t.Context(), list) }()
	for c.Room(t.Context()) == nil { // until no more fits
		look()
	}
	_, err := c.PublishSignals(t.Context(), some(1, 2))
	var full *FullError
	if !errors.As(err, &full) || full.Stream != b.prefix+"-"+incidents {
		t.Fatalf("signals are taken: %v", err)
	}
	if err := c.Room(t.Context()); !strings.Contains(err.Error(), "nats stream purge "+full.Stream) {
		t.Errorf("health says %v", err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("it wants no webhooks: %v", err)
	}
	if used := metric(t, reg, "cortexops_bus_used_ratio"); used < 0.9 {
		t.Errorf("%v of it is used", used)
	}
	if _, err := c.PublishAction(t.Context(), incident.Action{Delivery: "d"}); err != nil {
		t.Errorf("an approval is refused: %v", err)
	}
	s, err := b.js.Stream(t.Context(), full.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeKeep(2)); err != nil {
		t.Fatal(err)
	}
	if err := next(t, done); err != nil {
		t.Error(err)
	}
	look()
	if _, err := c.PublishSignals(t.Context(), some(1, 2)); err != nil || c.Room(t.Context()) != nil {
		t.Errorf("%v, %v, and there is room again", err, c.Room(t.Context()))
	}
}

// Nobody knows whether another process has claimed a partition since, where FOLDS has let go of all that its owner had told.
func TestAnOwnerOfWhomNothingIsLeftClaimsAnew(t *testing.T) {
	t.Parallel()
	limits := small
	limits.Folds = 64 << 10
	b, _ := open(t, limits)
	lost := make(chan struct{})
	quiet, err := b.claimPartition(t.Context(), home+1, "quiet", sync.OnceFunc(func() { close(lost) }))
	if err != nil {
		t.Fatal(err)
	}
	foldOf(t, quiet, some(0, 1))
	p := owned(t, b, home)
	for n := range 500 {
		foldOf(t, p, some(n, n+1))
	}
	err = quiet.tell(t.Context(), some(1, 2), [][]byte{encode(t, signal(1))}, time.Time{}, func(list []incident.Signal) incident.Fold { return incident.Fold{Signals: list} })
	if !errors.Is(err, ErrLost) {
		t.Errorf("%v, want ErrLost", err)
	}
	next(t, lost)
	foldOf(t, owned(t, b, home+1), some(1, 2))
}

func TestLimitsBeyondTheServerAreRefused(t *testing.T) {
	t.Parallel()
	url := server(t)
	_, err := Connect(t.Context(), Options{URL: url, Prefix: "test-huge", Limits: Limits{Signals: 1 << 50, Actions: 1 << 50, Incidents: 1 << 50, Folds: 1 << 50, Graph: 1 << 50}})
	var storage *StorageError
	if !errors.As(err, &storage) || storage.Need != 5<<50+2*smallBytes || !strings.Contains(err.Error(), "5368709120 MiB") {
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
