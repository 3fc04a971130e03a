package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func countedAcrossRestart(t *testing.T, h *house) {
	accepted, duplicates := 0, 0
	send := func(n int) int {
		body := fmt.Sprintf(`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Counted","n":"%d"},
			"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"c%d"}]}`, n, n)
		status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(body))
		return status
	}
	before := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`)
	again := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`)
	for n := range 40 {
		if n == 20 {
			if err := h.sup.Kill("nats"); err != nil {
				t.Fatal(err)
			}
			if status := send(n); status != http.StatusServiceUnavailable {
				t.Errorf("without NATS the answer is %d, want 503", status)
			}
			if err := h.sup.Restart("nats"); err != nil {
				t.Fatal(err)
			}
		}
		if err := wait(t.Context(), "the webhook to be taken", 20*time.Second, func(context.Context) (bool, error) { return send(n) == http.StatusAccepted, nil }); err != nil {
			t.Fatal(err)
		}
		accepted++
		if n%4 == 0 {
			if status := send(n); status != http.StatusAccepted {
				t.Errorf("told again: %d", status)
			}
			duplicates++
		}
	}
	if got := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`) - before; got != float64(accepted) {
		t.Errorf("%v signals were counted, %d accepted", got, accepted)
	}
	if got := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`) - again; got < float64(duplicates) {
		t.Errorf("%v duplicates were counted, at least %d were sent", got, duplicates)
	}
}
