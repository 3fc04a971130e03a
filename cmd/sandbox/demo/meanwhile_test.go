package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// until waits until so long after the pull request was opened.
func until(t *testing.T, p Pull, after time.Duration) {
	t.Helper()
	left := time.Until(p.CreatedAt.Add(after))
	if left < 0 {
		t.Fatalf("it is %s too late already", -left)
	}
	time.Sleep(left)
}

func (h *house) merge(t *testing.T, p Pull) {
	t.Helper()
	if err := h.forge(t.Context(), "sam", http.MethodPut, fmt.Sprintf("/pulls/%d/merge", p.Number), map[string]string{"sha": p.Head.SHA}, nil); err != nil {
		t.Fatal(err)
	}
}

// withoutTemporal does something that Temporal is to hear of, and does not until it is back.
func (h *house) withoutTemporal(t *testing.T, do func()) {
	t.Helper()
	retried := h.metric(t, `cortexops_bus_retried_total{stream="ACTIONS"}`)
	if err := h.sup.Stop("temporal"); err != nil {
		t.Fatal(err)
	}
	h.becomes(t, "temporal", "failing")
	do()
	if err := wait(t.Context(), "it to be kept for later", time.Minute, func(context.Context) (bool, error) {
		return h.metric(t, `cortexops_bus_retried_total{stream="ACTIONS"}`) > retried, nil
	}); err != nil {
		t.Error(err)
	}
	if err := h.sup.Restart("temporal"); err != nil {
		t.Fatal(err)
	}
}

// between approves it during a pause, does something, and ends the pause.
func (h *house) between(t *testing.T, p Pull, do func()) {
	t.Helper()
	h.product(t, "pause", "--reason", "the auditors are here")
	h.told(t, p, "the auditors are here. An approval is kept")
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.told(t, p, "`MERGING` waits")
	do()
	h.product(t, "resume")
}

// told waits for something to be said on the pull request.
func (h *house) told(t *testing.T, p Pull, what string) {
	t.Helper()
	if err := wait(t.Context(), "the pull request to say "+what, time.Minute, func(context.Context) (bool, error) {
		return strings.Contains(h.comments(t, p), what), nil
	}); err != nil {
		t.Fatalf("%v:\n%s", err, h.comments(t, p))
	}
}
