package demo

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsFull lets a stranger's stream take all the memory that NATS may use, while signals are kept in memory. What is not
// stored is not taken, and all that was taken is there.
func natsFull(t *testing.T, h *house) {
	undo := h.reconfigured(t, func(config map[string]any) {
		nats := config["nats"].(map[string]any)
		nats["prefix"], nats["memory"] = "full", true
	})
	nc, err := nats.Connect(h.Stack.NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	send := func(n int) int {
		body := fmt.Sprintf(`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Full","namespace":"n%d"},
			"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"f%d"}]}`, n, n)
		status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(body))
		if status == http.StatusAccepted {
			taken++
		}
		return status
	}
	for n := range 20 {
		if status := send(n); status != http.StatusAccepted {
			t.Fatalf("with room the answer is %d", status)
		}
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "hog", Subjects: []string{"hog"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{512 << 10, 8 << 10, 100} { // to the last few bytes
		for err = nil; err == nil; {
			_, err = js.Publish(t.Context(), "hog", make([]byte, size))
		}
	}
	t.Logf("NATS is full: %v", err)
	refused := 0
	for n := range 20 {
		if status := send(20 + n); status == http.StatusServiceUnavailable {
			refused++
		} else if status != http.StatusAccepted {
			t.Errorf("without room the answer is %d, want 503", status)
		}
	}
	if err := js.DeleteStream(t.Context(), "hog"); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if status := send(40 + n); status != http.StatusAccepted {
			t.Errorf("with room again the answer is %d", status)
		}
	}
	stored := 0
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		if strings.HasPrefix(info.Config.Name, "full-SIGNALS-") {
			list, err := messages[[]StoredSignal](t.Context(), js, info)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range slices.Concat(list...) { // Alertmanager tells of its own alerts too
				if s.Name == "Full" {
					stored++
				}
			}
		}
	}
	if stored != taken || refused == 0 {
		t.Errorf("%d signals were taken, %d refused, and %d are stored", taken, refused, stored)
	}
	undo()
	for name := range js.StreamNames(t.Context()).Name() {
		if strings.HasPrefix(name, "full-") {
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
	}
}
