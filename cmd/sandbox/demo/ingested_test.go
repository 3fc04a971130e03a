package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countedAcrossRestart kills NATS under the load of several senders, who send what was refused again, as Alertmanager
// does. Whatever was accepted is stored, and counted once.
func countedAcrossRestart(t *testing.T, h *house) {
	const senders, each, alerts = 6, 60, 100
	before := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`)
	again := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`)
	var taken, refused atomic.Int64
	send := func(sender, n int) int {
		var list []string
		for a := range alerts {
			list = append(list, fmt.Sprintf(`{"status":"resolved","labels":{"alertname":"Counted","namespace":"n%d"},
				"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"c%d-%d-%d"}`, a%10, sender, n, a))
		}
		status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(
			`{"version":"4","status":"resolved","receiver":"r","alerts":[`+strings.Join(list, ",")+`]}`))
		switch status {
		case http.StatusAccepted:
			taken.Add(1)
		case http.StatusServiceUnavailable:
			refused.Add(1)
		default:
			t.Errorf("the answer is %d, want 202 or 503", status)
		}
		return status
	}
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for n := range each {
				if err := wait(t.Context(), "the webhook to be taken", time.Minute, func(context.Context) (bool, error) { return send(sender, n) == http.StatusAccepted, nil }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if err := wait(t.Context(), "a third of them to be taken", time.Minute, func(context.Context) (bool, error) { return taken.Load() > senders*each/3, nil }); err != nil {
		t.Fatal(err)
	}
	if err := h.sup.Kill("nats"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "one to be refused", 20*time.Second, func(context.Context) (bool, error) { return refused.Load() > 0, nil }); err != nil {
		t.Error(err)
	}
	if err := h.sup.Restart("nats"); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if status := send(0, 0); status != http.StatusAccepted {
		t.Errorf("told again: %d", status)
	}

	if got := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`) - before; got != senders*each*alerts {
		t.Errorf("%v signals were counted, %d accepted", got, senders*each*alerts)
	}
	if got := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`) - again; got < alerts {
		t.Errorf("%v duplicates were counted, at least %d were sent", got, alerts)
	}
	var e Evidence
	if err := h.jetStream(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for _, s := range e.Signals {
		stored[s.Fingerprint] = true
	}
	for sender := range senders {
		for n := range each {
			for a := range alerts {
				if one := fmt.Sprintf("c%d-%d-%d", sender, n, a); !stored[one] && e.Dropped == 0 {
					t.Fatalf("signal %s was accepted, and is not stored", one)
				}
			}
		}
	}
	t.Logf("%d webhooks of %d signals were taken, %d refused, %d signals dropped as the oldest", taken.Load(), alerts, refused.Load(), e.Dropped)
}
