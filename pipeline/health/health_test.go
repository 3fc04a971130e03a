package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// serve starts the checks, quickly repeated, and returns a getter.
func serve(t *testing.T, checks map[string]func(context.Context) error, ready ...string) func(path string) (int, string) {
	t.Helper()
	reg := prometheus.NewRegistry()
	hits := prometheus.NewCounter(prometheus.CounterOpts{Name: "hits_total", Help: "Hits."})
	reg.MustRegister(hits)
	h, err := New(Options{Checks: checks, Ready: ready, Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	h.every, h.patience = time.Millisecond, 20*time.Millisecond
	mux := http.NewServeMux()
	h.Register(mux)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := get("/readyz"); len(ready) > 0 && code != http.StatusServiceUnavailable {
		t.Errorf("ready before anything was asked: %d", code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { h.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return get
}

type answer struct {
	Status     string
	Components []Component
}

// until the answer is as wanted.
func until(t *testing.T, get func(string) (int, string), is func(int, answer) bool) answer {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		code, body := get("/debug/healthz")
		var a answer
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if is(code, a) {
			return a
		}
		select {
		case <-deadline:
			t.Fatalf("never as wanted, last %d %s", code, body)
		case <-tick.C:
		}
	}
}

func TestHealthz(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	get := serve(t, map[string]func(context.Context) error{
		"nats": func(context.Context) error { return nil },
		"ledger": func(context.Context) error {
			if broken.Load() {
				return errors.New("dial postgres://cortex:hunter2@db:5432/ledger: refused")
			}
			return nil
		},
	}, "nats")
	a := until(t, get, func(code int, a answer) bool {
		return code == http.StatusServiceUnavailable && a.Components[1].Status == ok && a.Components[0].LastError != "not asked yet"
	})
	if a.Status != failing || a.Components[0].Name != "ledger" || a.Components[0].LastError != "dial postgres://xxx@db:5432/ledger: refused" {
		t.Errorf("got %+v", a)
	}
	if code, body := get("/readyz"); code != http.StatusOK {
		t.Errorf("not ready although only the ledger fails: %d %s", code, body)
	}
	since := a.Components[0].Since
	broken.Store(false)
	a = until(t, get, func(code int, _ answer) bool { return code == http.StatusOK })
	if c := a.Components[0]; c.Status != ok || !c.Since.After(since) || !strings.Contains(c.LastError, "refused") {
		t.Errorf("got %+v", c)
	}
}

func TestAHangingComponent(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	release := make(chan struct{})
	get := serve(t, map[string]func(context.Context) error{
		"forge": func(context.Context) error { // heeds no deadline
			running.Add(1)
			<-release
			return nil
		},
		"nats": func(context.Context) error { return nil },
	}, "forge")
	a := until(t, get, func(_ int, a answer) bool {
		return a.Components[1].Status == ok && strings.Contains(a.Components[0].LastError, "no answer within")
	})
	if a.Components[0].Status != failing || running.Load() != 1 {
		t.Errorf("got %+v, %d checks running", a.Components[0], running.Load())
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "forge is failing") {
		t.Errorf("got %d %s", code, body)
	}
	if code, _ := get("/livez"); code != http.StatusOK {
		t.Error("not alive")
	}
	close(release)
	until(t, get, func(code int, _ answer) bool { return code == http.StatusOK })
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	if code, body := serve(t, nil)("/metrics"); code != http.StatusOK || !strings.Contains(body, "hits_total 0") {
		t.Errorf("got %d %s", code, body)
	}
}

func TestUnknownReadiness(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Ready: []string{"nats"}, Metrics: prometheus.NewRegistry()}); err == nil {
		t.Error("no error")
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nats://u:p@h:4222: no servers":                    "nats://xxx@h:4222: no servers",
		"two nats://a:b@h,nats://c:d@i/x":                  "two nats://xxx@h,nats://xxx@i/x",
		`Get "https://x-access-token:ghs_1@forge/a": EOF`:  `Get "https://xxx@forge/a": EOF`,
		"https://h/path@with/at is fine":                   "https://h/path@with/at is fine",
		"host=db user=u password=hunter2 sslmode=require":  "host=db user=u password=xxx sslmode=require",
		"GET /q?token=abc&x=1":                             "GET /q?token=xxx&x=1",
		"header Authorization: Bearer abc.def was refused": "header Authorization: Bearer xxx was refused",
		"nothing to hide here":                             "nothing to hide here",
		"does not let this token do that (401)":            "does not let this token do that (401)",
		"token: abc123, expired":                           "token: xxx expired",
		"http://user:p@ss@host/":                           "http://xxx@host/",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

// TestOptional components degrade the whole, and no more.
func TestOptional(t *testing.T) {
	t.Parallel()
	away := func(context.Context) error { return errors.New("away") }
	for name, c := range map[string]struct {
		broken, status string
		code           int
	}{"the model": {"llm", degraded, http.StatusOK}, "the bus": {"nats", failing, http.StatusServiceUnavailable}} {
		checks := map[string]func(context.Context) error{"llm": func(context.Context) error { return nil }, "nats": func(context.Context) error { return nil }}
		checks[c.broken] = away
		h, err := New(Options{Checks: checks, Optional: []string{"llm"}, Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		for component, check := range checks {
			h.ask(t.Context(), component, check)
		}
		w := httptest.NewRecorder()
		h.healthz(w, nil)
		var a answer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Status != c.status || w.Code != c.code {
			t.Errorf("without %s: %d %+v %v", name, w.Code, a, err)
		}
	}
}
