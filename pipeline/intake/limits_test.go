package intake

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestTooLarge goes past the network, where a client that is still sending may see its connection closed instead of the
// answer.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body          int
		token         string
		said          bool // the length
		status, taken int
	}{
		"length said":   {20 << 20, token, true, 413, 0},
		"length unsaid": {20 << 20, token, false, 413, maxBody + 1},
		"no token":      {20 << 20, "", true, 401, 0},
		"just too long": {maxBody + 1, token, false, 413, maxBody + 1},
		"just fits":     {maxBody, token, true, 400, maxBody},
	} {
		reg := prometheus.NewRegistry()
		h, err := New(Options{Publisher: &store{}, Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret, Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		body := bytes.NewReader(make([]byte, tc.body))
		req := httptest.NewRequest(http.MethodPost, "/webhooks/alertmanager", body)
		req.Header.Set("Authorization", "Bearer "+tc.token)
		if !tc.said {
			req.ContentLength = -1
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if taken := tc.body - body.Len(); w.Code != tc.status || taken != tc.taken {
			t.Errorf("%s: got %d after %d bytes, want %d after %d", name, w.Code, taken, tc.status, tc.taken)
		}
		if w.Code == http.StatusRequestEntityTooLarge {
			wantValue(t, reg, "cortexops_events_rejected_total{reason=too_large,source=alertmanager}", 1)
		}
	}
}

func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	bus := &store{hold: make(chan struct{})}
	url, _ := start(t, bus)
	statuses := make(chan int)
	const senders = maxConcurrent + 10
	for range senders {
		go func() {
			req, _ := http.NewRequest(http.MethodPost, url+"/webhooks/alertmanager", bytes.NewReader(golden(t, "alertmanager.json")))
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	for range senders - maxConcurrent { // the others hold every slot until these have been sent away
		if got := <-statuses; got != http.StatusServiceUnavailable {
			t.Fatalf("got %d, want 503", got)
		}
	}
	body := golden(t, "review.json") // one source that is full does not keep another out
	if r := post(t, url+"/webhooks/forge", body, github("pull_request_review", "d-1", body)); r.status != http.StatusAccepted {
		t.Errorf("a review meanwhile: %+v", r)
	}
	close(bus.hold)
	for range maxConcurrent {
		if got := <-statuses; got != http.StatusAccepted {
			t.Fatalf("got %d, want 202", got)
		}
	}
}
