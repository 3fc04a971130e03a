package demo

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func temporalAway(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	ts := h.shown(t, h.pullOf(t, id), "cortexops_approve")
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	retried := h.metric(t, `cortexops_bus_retried_total{stream="ACTIONS"}`)
	if err := h.sup.Stop("temporal"); err != nil {
		t.Fatal(err)
	}
	h.becomes(t, "temporal", "failing")
	if status := h.click(t, ts, "cortexops_approve", "U0SAM", ""); status != http.StatusOK {
		t.Errorf("the click was answered %d", status)
	}
	if status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(
		`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Meanwhile"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"m"}]}`)); status != http.StatusAccepted {
		t.Errorf("a signal without Temporal: %d", status)
	}
	if now, err := WorkloadWrites(h.Stack.Kube.AuditLog); err != nil || Applied(now) != Applied(writes) {
		t.Errorf("something was applied without Temporal: %v", err)
	}
	if err := wait(t.Context(), "the click to be kept for later", time.Minute, func(context.Context) (bool, error) {
		return h.metric(t, `cortexops_bus_retried_total{stream="ACTIONS"}`) > retried, nil
	}); err != nil {
		t.Error(err)
	}
	if err := h.sup.Restart("temporal"); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	if now, err := WorkloadWrites(h.Stack.Kube.AuditLog); err != nil || Applied(now) != Applied(writes)+1 {
		t.Errorf("%d applies, %v", Applied(now)-Applied(writes), err)
	}
}

func terminatedByHand(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.temporal.TerminateWorkflow(t.Context(), id, "", "drill"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the pull request to be closed", time.Minute, func(ctx context.Context) (bool, error) {
		p = h.pullOf(t, id)
		return p.State == "closed", nil
	}); err != nil {
		t.Fatal(err)
	}
	labelled := false
	for _, l := range p.Labels {
		labelled = labelled || l.Name == "cortexops/terminated"
	}
	if said := h.comments(t, p); !labelled || p.MergedAt != nil || !strings.Contains(said, "drill") {
		t.Errorf("%+v %s", p, said)
	}
}
