package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// impatient makes the rules that we ship fire within a test: shorter durations, nothing else.
var impatient = []struct{ from, to string }{
	{`for: [12]m`, "for: 1s"}, {`> 600`, "> 3"}, {`> 120`, "> 3"}, {`\[2m\]`, "[15s]"},
}

// watched loads the alert rules that we ship into the sandbox's Prometheus.
func watched(t *testing.T, h *house) {
	rules, err := os.ReadFile("../../../manifests/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(rules)
	for _, shorter := range impatient {
		next := regexp.MustCompile(shorter.from).ReplaceAllString(text, shorter.to)
		if next == text {
			t.Fatalf("no rule says %s any more", shorter.from)
		}
		text = next
	}
	if err := os.WriteFile(filepath.Join(h.Stack.Data("prometheus"), "cortexops.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.call(t.Context(), http.MethodPost, h.Stack.Prometheus.URL+"/-/reload", "", nil, nil); err != nil {
		t.Fatal(err)
	}
	h.alert(t, "CortexOpsComponentDown", false)
}

// alert waits until one of ours fires, and then that its page exists; or until it does not fire.
func (h *house) alert(t *testing.T, name string, fires bool) {
	t.Helper()
	if err := wait(t.Context(), fmt.Sprintf("%s to fire: %v", name, fires), time.Minute, func(ctx context.Context) (bool, error) {
		_, firing, err := h.Query(ctx, fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, name))
		return firing == fires, err
	}); err != nil {
		t.Fatal(err)
	}
	if !fires {
		return
	}
	var said struct {
		Data struct {
			Alerts []struct {
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := h.call(t.Context(), http.MethodGet, h.Stack.Prometheus.URL+"/api/v1/alerts", "", nil, &said); err != nil {
		t.Fatal(err)
	}
	for _, a := range said.Data.Alerts {
		if a.Labels["alertname"] != name {
			continue
		}
		_, page, ours := strings.Cut(a.Annotations["runbook_url"], "/blob/main/")
		if _, err := os.Stat(filepath.Join("../../..", page)); !ours || err != nil {
			t.Errorf("the runbook of %s is %q: %v", name, a.Annotations["runbook_url"], err)
		}
	}
}

// busStalled stops NATS in the middle of what it does.
func busStalled(t *testing.T, h *house) {
	if err := h.sup.Pause("nats"); err != nil {
		t.Fatal(err)
	}
	body := `{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Stalled"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"s"}]}`
	token := h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]
	if err := wait(t.Context(), "CortexOpsBusPublishSlow to fire", time.Minute, func(ctx context.Context) (bool, error) { // while somebody publishes
		if status, _ := h.post(t, "/webhooks/alertmanager", token, strings.NewReader(body)); status != http.StatusServiceUnavailable {
			t.Errorf("the webhook answers %d while the bus is stalled, want 503", status)
		}
		_, firing, err := h.Query(ctx, `ALERTS{alertname="CortexOpsBusPublishSlow",alertstate="firing"}`)
		return firing, err
	}); err != nil {
		t.Fatal(err)
	}
	h.alert(t, "CortexOpsBusPublishSlow", true)
	h.alert(t, "CortexOpsComponentDown", true)
	if err := h.sup.Resume("nats"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the webhook to be taken", 20*time.Second, func(context.Context) (bool, error) {
		status, _ := h.post(t, "/webhooks/alertmanager", token, strings.NewReader(body))
		return status == http.StatusAccepted, nil
	}); err != nil {
		t.Fatal(err)
	}
	h.alert(t, "CortexOpsBusPublishSlow", false)
	h.alert(t, "CortexOpsComponentDown", false)
}
