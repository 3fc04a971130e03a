package intake

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func senders(t *testing.T, bus *store, senders ...CloudEvents) (string, *prometheus.Registry) {
	t.Helper()
	bus.seen = map[string]bool{}
	reg := prometheus.NewRegistry()
	h, err := New(Options{Publisher: bus, Cluster: "prod", Repository: "acme/shop", CloudEvents: senders,
		AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret, Metrics: reg, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL, reg
}

var ci = CloudEvents{Name: "ci", Secret: token, Sources: []string{"https://ci.example.com/"}}

// with adds headers to those of a sender.
func with(kind string, more map[string]string) map[string]string {
	h := map[string]string{"Authorization": "Bearer " + token, "Content-Type": kind}
	for k, v := range more {
		h[k] = v
	}
	return h
}

var ceHeaders = map[string]string{"ce-specversion": "1.0", "ce-id": "17", "ce-source": "https://ci.example.com/shop", "ce-type": "com.example.deploy.failed",
	"ce-time": "2026-03-02T10:15:04Z", "ce-subject": "apps/namespaces/shop/Deployment/checkout", "ce-severity": "critical"}

const ceEvent = `{"specversion":"1.0","id":"17","source":"https://ci.example.com/shop","type":"com.example.deploy.failed","time":"2026-03-02T10:15:04Z",` +
	`"subject":"apps/namespaces/shop/Deployment/checkout","severity":"critical","datacontenttype":"application/json","data":{"annotations":{"message":"exit 1"}}}`

// TestTheThreeModes say the same.
func TestTheThreeModes(t *testing.T) {
	t.Parallel()
	var first *incident.Signal
	for name, c := range map[string]struct {
		kind    string
		headers map[string]string
		body    string
	}{
		"binary":             {"application/json", ceHeaders, `{"annotations":{"message":"exit 1"}}`},
		"binary, with UTF-8": {"application/json; charset=utf-8", ceHeaders, `{"annotations":{"message":"exit 1"}}`},
		"text":               {"text/plain", ceHeaders, `exit 1`},
		"structured":         {"application/cloudevents+json; charset=utf-8", nil, ceEvent},
		"batch":              {"application/cloudevents-batch+json", nil, "[" + ceEvent + "]"},
		"base64":             {"application/cloudevents+json", nil, strings.Replace(ceEvent, `"data":{"annotations":{"message":"exit 1"}}`, `"data_base64":"eyJhbm5vdGF0aW9ucyI6eyJtZXNzYWdlIjoiZXhpdCAxIn19"`, 1)},
		"escaped":            {"application/json", map[string]string{"ce-source": "https://ci.example.com/%73hop"}, `{"annotations":{"message":"exit 1"}}`},
	} {
		bus := &store{}
		url, _ := senders(t, bus, ci)
		headers := with(c.kind, c.headers)
		if name == "escaped" {
			headers = with(c.kind, ceHeaders)
			headers["ce-source"] = c.headers["ce-source"]
		}
		for range 2 {
			if r := post(t, url+"/webhooks/cloudevents/ci", []byte(c.body), headers); r.status != http.StatusAccepted {
				t.Fatalf("%s: %+v", name, r)
			}
		}
		if len(bus.signals) != 1 {
			t.Fatalf("%s: %d signals of one event sent twice", name, len(bus.signals))
		}
		s := bus.signals[0]
		if first == nil {
			first = &s
		}
		got, _ := json.Marshal(s)
		want, _ := json.Marshal(first)
		if string(got) != string(want) {
			t.Errorf("%s: %s, and another mode %s", name, got, want)
		}
	}
	if first.Name != "com.example.deploy.failed" || first.Subject.String() != "Deployment shop/checkout" || first.Subject.Cluster != "prod" || first.Severity != "critical" ||
		first.Status != incident.Firing || first.Annotations["message"] != "exit 1" || first.Labels["source"] != "https://ci.example.com/shop" || first.StartsAt.IsZero() {
		t.Errorf("%+v", first)
	}
}

// TestARecoveryHasTheFingerprintOfItsFailure although it is another event.
func TestARecoveryHasTheFingerprintOfItsFailure(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := senders(t, bus, ci)
	over := strings.NewReplacer(`"id":"17"`, `"id":"18"`, `"data":{`, `"data":{"status":"resolved",`).Replace(ceEvent)
	if r := post(t, url+"/webhooks/cloudevents/ci", []byte("["+ceEvent+","+over+"]"), with("application/cloudevents-batch+json", nil)); r.status != http.StatusAccepted {
		t.Fatalf("%+v", r)
	}
	if len(bus.signals) != 2 || bus.signals[0].Fingerprint != bus.signals[1].Fingerprint || bus.signals[1].Status != incident.Resolved || bus.signals[0].ID == bus.signals[1].ID {
		t.Errorf("%+v", bus.signals)
	}
	wantValue(t, reg, "cortexops_events_ingested_total{source=cloudevents/ci}", 2)
}

// TestNobodyEndsTheAlertOfAnother, nor keeps its event out by having sent the same before: not under the source of the other, and
// not with its fingerprint.
func TestNobodyEndsTheAlertOfAnother(t *testing.T) {
	t.Parallel()
	const one = "application/cloudevents+json"
	given := strings.Replace(ceEvent, `"data":{`, `"data":{"fingerprint":"f1",`, 1)
	labelled := strings.Replace(ceEvent, `"data":{`, `"data":{"labels":{"namespace":"shop"},`, 1)
	for name, event := range map[string]string{"given": given, "of labels": labelled, "of type and subject": ceEvent} {
		bus := &store{}
		url, _ := senders(t, bus, CloudEvents{Name: "ci", Secret: token}, CloudEvents{Name: "other", Secret: key, HMAC: true})
		over := strings.Replace(event, `"data":{`, `"data":{"status":"resolved",`, 1)
		of := func(source, id, event string) []byte {
			return []byte(strings.NewReplacer(`"id":"17"`, `"id":"`+id+`"`, "ci.example.com/shop", source).Replace(event))
		}
		byOther := of("ci.example.com/shop", "17", over)
		for _, r := range []reply{
			post(t, url+"/webhooks/cloudevents/other", byOther, map[string]string{"Content-Type": one, "X-Signature": sign(key, byOther)}),
			post(t, url+"/webhooks/cloudevents/ci", of("ci.example.com/shop", "17", event), with(one, nil)),
			post(t, url+"/webhooks/cloudevents/ci", of("elsewhere.example.com", "18", over), with(one, nil)),
			post(t, url+"/webhooks/cloudevents/ci", of("ci.example.com/shop", "18", over), with(one, nil)),
		} {
			if r.status != http.StatusAccepted {
				t.Fatalf("%s: %+v", name, r)
			}
		}
		if len(bus.signals) != 4 {
			t.Fatalf("%s: %d signals of 4 events: %+v", name, len(bus.signals), bus.signals)
		}
		other, fired, elsewhere, ended := bus.signals[0], bus.signals[1], bus.signals[2], bus.signals[3]
		if ended.Fingerprint != fired.Fingerprint || ended.Status != incident.Resolved {
			t.Errorf("%s: %+v does not end %+v", name, ended, fired)
		}
		if other.Fingerprint == fired.Fingerprint || elsewhere.Fingerprint == fired.Fingerprint || len(fired.Fingerprint) != 16 {
			t.Errorf("%s: %q by another sender, %q of another source, and %q", name, other.Fingerprint, elsewhere.Fingerprint, fired.Fingerprint)
		}
	}
}

func TestCloudEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	const one, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
	without := func(part string) string { return strings.Replace(ceEvent, part, "", 1) }
	replaced := func(part, by string) string { return strings.Replace(ceEvent, part, by, 1) }
	big := make([]byte, maxBody+1)
	for name, c := range map[string]struct {
		headers map[string]string
		body    string
		status  int
		pointer string
	}{
		"no id":               {with(one, nil), without(`"id":"17",`), 400, "/id"},
		"an empty type":       {with(one, nil), replaced(`com.example.deploy.failed`, ``), 400, "/type"},
		"version 0.3":         {with(one, nil), replaced(`"specversion":"1.0"`, `"specversion":"0.3"`), 400, "/specversion"},
		"an odd attribute":    {with(one, nil), replaced(`"severity"`, `"sever-ity"`), 400, "/sever-ity"},
		"a slash in a name":   {with(one, nil), replaced(`"severity"`, `"a/b"`), 400, "/a~1b"},
		"an object":           {with(one, nil), replaced(`"severity":"critical"`, `"severity":{}`), 400, "/severity"},
		"data twice":          {with(one, nil), replaced(`"data":`, `"data_base64":"eA==","data":`), 400, "/data_base64"},
		"not Base64":          {with(one, nil), replaced(`"data":{"annotations":{"message":"exit 1"}}`, `"data_base64":"?"`), 400, "/data_base64"},
		"no time":             {with(one, nil), replaced(`2026-03-02T10:15:04Z`, `today`), 400, "/time"},
		"a number as status":  {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"status":200`), 400, "/data/status"},
		"a number as a label": {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"labels":{"a":7}`), 400, "/data/labels/a"},
		"a word as a time":    {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"startsAt":"soon"`), 400, "/data/startsAt"},
		"a byte order mark":   {with("application/json", ceHeaders), "\ufeff{}", 400, "/data"},
		"a number as labels":  {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"labels":7`), 400, "/data/labels"},
		"no status":           {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"status":"odd"`), 400, "/data/status"},
		"a fingerprint":       {with(one, nil), replaced(`"annotations":{"message":"exit 1"}`, `"fingerprint":"`+strings.Repeat("x", maxID+1)+`"`), 400, "/data/fingerprint"},
		"the second":          {with(batch, nil), "[" + ceEvent + "," + without(`"id":"17",`) + "]", 400, "/1/id"},
		"no batch":            {with(batch, nil), ceEvent, 400, ""},
		"null":                {with(batch, nil), "null", 400, ""},
		"Avro":                {with("application/cloudevents+avro", nil), ceEvent, 400, ""},
		"binary, no source":   {with("application/json", map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-type": "x"}), "{}", 400, "/source"},
		"bad percent":         {with("application/json", map[string]string{"ce-id": "%zz"}), "{}", 400, "/id"},
		"no event at all":     {with("application/json", nil), "{}", 400, "/specversion"},
		"another's source":    {with(one, nil), replaced(`https://ci.example.com/shop`, `https://elsewhere.example.com/`), 403, "/source"},
		"too large":           {with(one, nil), string(big), 413, ""},
		"no token":            {map[string]string{"Content-Type": one}, ceEvent, 401, ""},
		"a wrong token":       {map[string]string{"Content-Type": one, "Authorization": "Bearer x"}, ceEvent, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := &store{}
			url, _ := senders(t, bus, ci)
			r := post(t, url+"/webhooks/cloudevents/ci", []byte(c.body), c.headers)
			if r.status != c.status || r.Pointer != c.pointer || len(bus.signals) > 0 {
				t.Errorf("%+v and %d signals, want %d at %q", r, len(bus.signals), c.status, c.pointer)
			}
		})
	}
}

func TestASenderThatSigns(t *testing.T) {
	t.Parallel()
	bus := &store{}
	signer := CloudEvents{Name: "signs", Secret: key, HMAC: true}
	url, _ := senders(t, bus, ci, signer)
	headers := map[string]string{"Content-Type": "application/cloudevents+json", "X-Signature": sign(key, []byte(ceEvent))}
	if r := post(t, url+"/webhooks/cloudevents/signs", []byte(ceEvent), headers); r.status != http.StatusAccepted {
		t.Errorf("signed: %+v", r)
	}
	if r := post(t, url+"/webhooks/cloudevents/signs", []byte(ceEvent+" "), headers); r.status != http.StatusUnauthorized {
		t.Errorf("changed: %+v", r)
	}
	if r := post(t, url+"/webhooks/cloudevents/signs", []byte(ceEvent), with("application/cloudevents+json", nil)); r.status != http.StatusUnauthorized {
		t.Errorf("with the token of another: %+v", r)
	}
}

func TestTooManyCloudEventsAtOnce(t *testing.T) {
	t.Parallel()
	bus := &store{hold: make(chan struct{})}
	url, _ := senders(t, bus, ci)
	answers := make(chan reply, maxConcurrent+1)
	for range maxConcurrent + 1 {
		go func() {
			answers <- post(t, url+"/webhooks/cloudevents/ci", []byte(ceEvent), with("application/cloudevents+json", nil))
		}()
	}
	if r := <-answers; r.status != http.StatusTooManyRequests || r.retry == "" {
		t.Errorf("%+v, want 429 and when to send it again", r)
	}
	close(bus.hold)
	for range maxConcurrent {
		if r := <-answers; r.status != http.StatusAccepted {
			t.Errorf("%+v", r)
		}
	}
}

func TestASenderWithoutASecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []CloudEvents{{Name: "ci"}, {Name: "../x", Secret: "x"}} {
		_, err := New(Options{Publisher: &store{}, Repository: "acme/shop", AlertmanagerToken: token, FluxKey: key, ForgeSecret: secret, CloudEvents: []CloudEvents{c}})
		if err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
