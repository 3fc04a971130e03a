package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const receiverSecret = "it's a secret"

// receiver takes webhooks and refuses those that are not signed well.
type receiver struct {
	t    *testing.T
	srv  *httptest.Server
	got  chan hooked
	mu   sync.Mutex
	fail int // that many more are refused
	gate chan struct{}
}

type hooked struct {
	Event, GUID string
	JSON        map[string]any
	Raw         []byte
}

// name is such as pull_request.opened.
func (h hooked) name() string {
	if a, ok := h.JSON["action"].(string); ok {
		return h.Event + "." + a
	}
	return h.Event
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, got: make(chan hooked, 1000)}
	r.srv = httptest.NewServer(r)
	t.Cleanup(r.srv.Close)
	return r
}

func (r *receiver) failNext(n int) { r.mu.Lock(); r.fail = n; r.mu.Unlock() }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the forge was stopped while it sent it: not a delivery, it sends it again
	}
	mac := hmac.New(sha256.New, []byte(receiverSecret))
	mac.Write(body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); req.Header.Get("X-Hub-Signature-256") != want {
		r.t.Errorf("signature %q, want %q", req.Header.Get("X-Hub-Signature-256"), want)
	}
	h := hooked{Event: req.Header.Get("X-GitHub-Event"), GUID: req.Header.Get("X-GitHub-Delivery"), Raw: body}
	if err := json.Unmarshal(body, &h.JSON); err != nil {
		r.t.Error(err)
	}
	checkHook(r.t, h)
	r.mu.Lock()
	gate, fail := r.gate, r.fail > 0
	if fail {
		r.fail--
	}
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-req.Context().Done():
			return
		}
	}
	if fail {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	r.got <- h
}

// block holds every delivery until the returned function is called.
func (r *receiver) block() (open func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	r.gate = gate
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		r.gate = nil
		r.mu.Unlock()
		close(gate)
	}
}

// next is the next one that arrives.
func (r *receiver) next() hooked {
	r.t.Helper()
	select {
	case h := <-r.got:
		return h
	case <-time.After(30 * time.Second):
		r.t.Fatal("no webhook came")
		return hooked{}
	}
}

// expect reads as many as there are names and wants them in this order.
func (r *receiver) expect(names ...string) []hooked {
	r.t.Helper()
	var out []hooked
	for _, name := range names {
		h := r.next()
		if h.name() != name {
			r.t.Fatalf("webhook %s came, want %s", h.name(), name)
		}
		out = append(out, h)
	}
	return out
}

// none fails if one came that nobody asked for.
func (r *receiver) none() {
	r.t.Helper()
	select {
	case h := <-r.got:
		r.t.Fatalf("webhook %s came, want none", h.name())
	default:
	}
}
