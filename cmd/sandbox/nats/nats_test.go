package nats

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// TestRestartKeepsStreams publishes to one server and reads from the next on
// the same folder and port.
func TestRestartKeepsStreams(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := stack.Choose(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	stop := serve(ctx, t, s)
	nc, js := connect(t, s)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ACTIONS", Subjects: []string{"a.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "a.b", []byte("approved")); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	stop()

	defer serve(ctx, t, s)()
	nc, js = connect(t, s)
	defer nc.Close()
	stream, err := js.Stream(ctx, "ACTIONS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetMsg(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != "approved" {
		t.Errorf("the stream kept %q", m.Data)
	}
}

// TestStoreLimitIsKept asks for a stream larger than all may be together.
func TestStoreLimitIsKept(t *testing.T) {
	t.Parallel()
	s, err := stack.Choose(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer serve(t.Context(), t, s)()
	nc, js := connect(t, s)
	defer nc.Close()
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BIG", Subjects: []string{"big"}, MaxBytes: maxStore + 1})
	if err == nil {
		t.Error("a stream above the server's limit was accepted")
	}
}

func TestTakenPortIsSaid(t *testing.T) {
	t.Parallel()
	s, err := stack.Choose(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(s.NATS.URL, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Run(t.Context(), s, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Run on a taken port: %v", err)
	}
}

func serve(ctx context.Context, t *testing.T, s *stack.Stack) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s, slog.New(slog.DiscardHandler)) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func connect(t *testing.T, s *stack.Stack) (*client.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := client.Connect(s.NATS.URL, client.RetryOnFailedConnect(true), client.MaxReconnects(-1), client.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}
