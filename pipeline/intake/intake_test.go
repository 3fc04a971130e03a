package intake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	token  = "a-token"
	key    = "a-key"
	secret = "a-secret"
)

var at = time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC)

// store is a bus that recognises what it has seen, and can be away.
type store struct {
	mu      sync.Mutex
	seen    map[string]bool
	signals []incident.Signal
	actions []incident.Action
	err     error
	hold    chan struct{} // when set, a publish waits for it
}

func (s *store) PublishSignals(_ context.Context, list []incident.Signal) (int, error) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	duplicates := 0
	for _, x := range list {
		if s.err != nil {
			return 0, s.err
		}
		if s.seen[x.ID] {
			duplicates++
			continue
		}
		s.seen[x.ID] = true
		s.signals = append(s.signals, x)
	}
	return duplicates, nil
}

func (s *store) PublishAction(_ context.Context, a incident.Action) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	again := s.seen[a.Delivery]
	if s.seen[a.Delivery] = true; !again {
		s.actions = append(s.actions, a)
	}
	return again, nil
}

// start serves intake over real HTTP.
func start(t *testing.T, bus *store) (url string, reg *prometheus.Registry) {
	t.Helper()
	bus.seen = map[string]bool{}
	reg = prometheus.NewRegistry()
	h, err := New(Options{Publisher: bus, Cluster: "prod", Repository: "acme/shop",
		AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret, Metrics: reg, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = Server(h)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, reg
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// reply of a webhook.
type reply struct {
	status  int
	retry   string
	Error   string
	Pointer string
}

func post(t *testing.T, url string, body []byte, headers map[string]string) reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: res.StatusCode, retry: res.Header.Get("Retry-After")}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("the answer %q is not JSON: %v", out, err)
	}
	return r
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
}

func github(event, delivery string, body []byte) map[string]string {
	return map[string]string{"X-GitHub-Event": event, "X-GitHub-Delivery": delivery,
		"X-Hub-Signature-256": sign(secret, body), "Content-Type": "application/json"}
}

// value of one series, such as cortexops_events_ingested_total{source=flux}.
func value(t *testing.T, reg *prometheus.Registry, series string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			if f.GetName()+"{"+strings.Join(labels, ",")+"}" == series {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no series %s", series)
	return 0
}

// pointerOf an Invalid, "?" for any other error.
func pointerOf(err error) string {
	if invalid := (*Invalid)(nil); errors.As(err, &invalid) {
		return invalid.Pointer
	}
	return "?"
}

func wantValue(t *testing.T, reg *prometheus.Registry, series string, want float64) {
	t.Helper()
	if got := value(t, reg, series); got != want {
		t.Errorf("%s is %v, want %v", series, got, want)
	}
}

func TestEmptySecretIsRefused(t *testing.T) {
	t.Parallel()
	full := Options{Publisher: &store{}, Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret}
	for name, empty := range map[string]func(*Options){
		"CORTEXOPS_ALERTMANAGER_TOKEN":   func(o *Options) { o.AlertmanagerToken = "" },
		"CORTEXOPS_FLUX_HMAC_KEY":        func(o *Options) { o.FluxKey = " " },
		"CORTEXOPS_FORGE_WEBHOOK_SECRET": func(o *Options) { o.ForgeSecret = "" },
	} {
		o := full
		empty(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error that names %s", err, name)
		}
	}
	if _, err := New(full); err != nil {
		t.Error(err)
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	am, fl, fo := url+"/webhooks/alertmanager", url+"/webhooks/flux", url+"/webhooks/forge"
	good := golden(t, "alertmanager.json")
	for name, tc := range map[string]struct {
		url     string
		body    []byte
		headers map[string]string
		status  int
	}{
		"no token":            {am, good, nil, 401},
		"wrong token":         {am, good, bearer("a-tokex"), 401},
		"longer token":        {am, good, bearer(token + "x"), 401},
		"basic auth":          {am, good, map[string]string{"Authorization": "Basic " + token}, 401},
		"no flux signature":   {fl, golden(t, "flux.json"), nil, 401},
		"wrong flux key":      {fl, golden(t, "flux.json"), map[string]string{"X-Signature": sign("x", golden(t, "flux.json"))}, 401},
		"sha1":                {fl, golden(t, "flux.json"), map[string]string{"X-Signature": "sha1=00"}, 401},
		"not hex":             {fl, golden(t, "flux.json"), map[string]string{"X-Signature": "sha256=zz"}, 401},
		"no forge signature":  {fo, golden(t, "review.json"), nil, 401},
		"signature of others": {fo, golden(t, "review.json"), github("pull_request_review", "1", []byte("x")), 401},
		"no delivery":         {fo, golden(t, "review.json"), github("pull_request_review", "", golden(t, "review.json")), 400},
		"not JSON":            {am, []byte("alert!"), bearer(token), 400},
		"no body":             {am, nil, bearer(token), 400},
	} {
		if r := post(t, tc.url, tc.body, tc.headers); r.status != tc.status || r.Error == "" {
			t.Errorf("%s: got %+v, want status %d and a reason", name, r, tc.status)
		}
	}
	if len(bus.signals)+len(bus.actions) != 0 {
		t.Errorf("published %v %v from rejected payloads", bus.signals, bus.actions)
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unauthorized,source=alertmanager}", 4)
	wantValue(t, reg, "cortexops_events_rejected_total{reason=invalid,source=alertmanager}", 2)
	wantValue(t, reg, "cortexops_events_ingested_total{source=alertmanager}", 0)
}

func TestBusAway(t *testing.T) {
	t.Parallel()
	bus := &store{err: errors.New("no servers")}
	url, reg := start(t, bus)
	body := golden(t, "review.json")
	for name, r := range map[string]reply{
		"alerts": post(t, url+"/webhooks/alertmanager", golden(t, "alertmanager.json"), bearer(token)),
		"action": post(t, url+"/webhooks/forge", body, github("pull_request_review", "d1", body)),
	} {
		if r.status != http.StatusServiceUnavailable || r.retry == "" {
			t.Errorf("%s: got %+v, want 503 and Retry-After", name, r)
		}
	}
	wantValue(t, reg, "cortexops_events_rejected_total{reason=unavailable,source=forge}", 1)
	wantValue(t, reg, "cortexops_events_ingested_total{source=alertmanager}", 0)
}
