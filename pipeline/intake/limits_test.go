package intake

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestTooLarge goes past the network, where a client that is still sending may see its connection closed instead of the
// answer.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		source        string
		body          int
		token         string
		said          bool // the length
		status, taken int
		why           string
	}{
		"length said":                {"alertmanager", 20 << 20, token, true, 413, 0, "max_alerts"},
		"length unsaid":              {"alertmanager", 20 << 20, token, false, 413, maxGroup + 1, "max_alerts"},
		"no token":                   {"alertmanager", 20 << 20, "", true, 401, 0, "token"},
		"just too long":              {"alertmanager", maxGroup + 1, token, false, 413, maxGroup + 1, "max_alerts"},
		"just fits":                  {"alertmanager", maxGroup, token, true, 400, maxGroup, "not JSON"},
		"just fits, length unsaid":   {"alertmanager", maxGroup, token, false, 400, maxGroup, "not JSON"},
		"an event":                   {"cloudevents/ci", maxBody, token, true, 400, maxBody, "/specversion"},
		"an event, just too long":    {"cloudevents/ci", maxBody + 1, token, true, 413, 0, "1048576 bytes"},
		"an event that says nothing": {"cloudevents/ci", 20 << 20, token, false, 413, maxBody + 1, "1048576 bytes"},
	} {
		reg := prometheus.NewRegistry()
		h, err := New(Options{Publisher: &store{}, Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret,
			CloudEvents: []CloudEvents{{Name: "ci", Secret: token}}, Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		body := bytes.NewReader(make([]byte, tc.body))
		req := httptest.NewRequest(http.MethodPost, "/webhooks/"+tc.source, body)
		req.Header.Set("Authorization", "Bearer "+tc.token)
		if !tc.said {
			req.ContentLength = -1
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if taken := tc.body - body.Len(); w.Code != tc.status || taken != tc.taken || !strings.Contains(w.Body.String(), tc.why) {
			t.Errorf("%s: got %d after %d bytes, want %d after %d: %s", name, w.Code, taken, tc.status, tc.taken, w.Body)
		}
		if w.Code == http.StatusRequestEntityTooLarge {
			wantValue(t, reg, "cortexops_events_rejected_total{reason=too_large,source="+tc.source+"}", 1)
		}
	}
}

// group of Alertmanager, of more than a MiB.
func group(alerts int) []byte {
	var list [][]byte
	for i := range alerts {
		list = append(list, fmt.Appendf(nil, `{"status":"firing","labels":{"alertname":"A","namespace":"shop","pod":"web-%d"},"annotations":{"description":%q},"startsAt":"2026-03-02T10:15:04Z"}`,
			i, strings.Repeat("x", 1000)))
	}
	return append(append([]byte(`{"version":"4","alerts":[`), bytes.Join(list, []byte(","))...), "]}"...)
}

// TestALargeGroupIsTaken, since Alertmanager cannot send it in parts; and so few at once that there is memory for them. What is
// small is taken beside them.
func TestALargeGroupIsTaken(t *testing.T) {
	t.Parallel()
	bus := &store{hold: make(chan struct{})}
	url, _ := start(t, bus)
	body := group(2000)
	if len(body) < 2*maxBody {
		t.Fatal(len(body))
	}
	answers := make(chan reply, maxLarge+2)
	send := func(body []byte) { answers <- post(t, url+"/webhooks/alertmanager", body, bearer(token)) }
	for range maxLarge + 1 {
		go send(body)
	}
	if r := <-answers; r.status != http.StatusServiceUnavailable || r.retry == "" { // the others hold every slot until the bus answers
		t.Errorf("%+v, want 503 and when to send it again", r)
	}
	go send(golden(t, "alertmanager.json"))
	close(bus.hold)
	for range maxLarge + 1 {
		if r := <-answers; r.status != http.StatusAccepted {
			t.Errorf("%+v", r)
		}
	}
	if r := post(t, url+"/webhooks/alertmanager", body, bearer(token)); r.status != http.StatusAccepted { // the slots are free again
		t.Errorf("%+v", r)
	}
	if len(bus.signals) != 2003 {
		t.Errorf("%d signals", len(bus.signals))
	}
}

// TestABodyThatIsCutOff is answered so that its sender sends it again.
func TestABodyThatIsCutOff(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /webhooks/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nContent-Length: 100\r\n\r\n{\"version\""); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %s, want 503 and when to send it again", res.Status)
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unread,source=alertmanager}", 1)
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
