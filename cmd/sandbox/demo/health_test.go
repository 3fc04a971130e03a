package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// health is what /debug/healthz says of one component.
func (w *World) health(ctx context.Context, component string) (status string, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // it answers within that, whatever hangs
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Stack.Product.URL+"/debug/healthz", nil)
	if err != nil {
		return "", 0, err
	}
	began := time.Now()
	res, err := w.http.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	var said struct {
		Components []struct{ Name, Status string }
	}
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil {
		return "", 0, err
	}
	for _, c := range said.Components {
		if c.Name == component {
			return c.Status, time.Since(began), nil
		}
	}
	return "", 0, fmt.Errorf("/debug/healthz does not know %q", component)
}

func (h *house) becomes(t *testing.T, component, status string) {
	t.Helper()
	if err := wait(t.Context(), component+" to be "+status, 20*time.Second, func(ctx context.Context) (bool, error) {
		now, _, err := h.health(ctx, component)
		return now == status, err
	}); err != nil {
		t.Fatal(err)
	}
}

// healthWhileHanging stops one component after the other, and asks the whole product and a `serve` beside it, to which
// only NATS matters.
func healthWhileHanging(t *testing.T, h *house) {
	whole, serve := h.Stack.Product.URL, h.beside(t, "serve").url
	h.healthy(t, serve, true)
	for part, component := range map[string]string{"temporal": "temporal", "nats": "nats", "forge": "forge", "prometheus": "prometheus", "kube": "kubernetes"} {
		h.becomes(t, component, "ok")
		if err := h.sup.Pause(part); err != nil {
			t.Fatal(err)
		}
		h.becomes(t, component, "failing")
		h.answers(t, whole, "/debug/healthz", false)
		h.answers(t, whole, "/livez", true)
		h.answers(t, whole, "/readyz", component != "nats")
		h.healthy(t, serve, component != "nats")
		if err := h.sup.Resume(part); err != nil {
			t.Fatal(err)
		}
		h.becomes(t, component, "ok")
	}
	h.healthy(t, whole, true)
}

func (h *house) healthy(t *testing.T, url string, is bool) {
	t.Helper()
	h.answers(t, url, "/debug/healthz", is)
	h.answers(t, url, "/readyz", is)
	h.answers(t, url, "/livez", true)
}

// answers waits for the word of a page: 200 or 503, in a second, and without our secrets.
func (h *house) answers(t *testing.T, url, page string, well bool) {
	t.Helper()
	var text string
	if err := wait(t.Context(), fmt.Sprintf("%s to say that all is well: %v", url+page, well), 20*time.Second, func(ctx context.Context) (_ bool, err error) {
		text, err = h.get(ctx, url+page)
		if err != nil && strings.HasSuffix(err.Error(), "503 Service Unavailable") {
			return !well, nil
		}
		return err == nil && well, err
	}); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, value := range h.Stack.Product.Env {
		if len(value) > 8 && strings.Contains(text, value) {
			t.Errorf("%s shows %s", url+page, name)
		}
	}
}
