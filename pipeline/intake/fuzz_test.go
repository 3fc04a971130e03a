package intake

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// storable: whatever a decoder lets through can be written to the bus and read back the same, and is of a bounded size.
func storable[T any](t *testing.T, v T) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%+v cannot be stored: %v", v, err)
	}
	if len(b) > 512<<10 {
		t.Fatalf("takes %d bytes", len(b))
	}
	var back T
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(b) {
		t.Fatalf("stored %s, read back %s (%v)", b, again, err)
	}
}

func onlyInvalid(t *testing.T, err error) {
	t.Helper()
	if invalid := (*Invalid)(nil); err != nil && !errors.As(err, &invalid) {
		t.Fatalf("error without a pointer: %v", err)
	}
}

func FuzzAlertmanager(f *testing.F) {
	f.Add(golden(f, "alertmanager.json"))
	f.Add([]byte(`{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"9999-12-31T23:59:59-01:00"}]}`))
	f.Add([]byte(`{"version":"4","truncatedAlerts":1,"alerts":[{"status":"resolved","labels":{"alertname":"A\u0026\n"},"annotations":{},"startsAt":"2026-03-02T10:15:04Z","endsAt":"2026-03-02T10:15:05+01:00"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		signals, _, err := decodeAlertmanager(body, "prod", at)
		onlyInvalid(t, err)
		if (err == nil) == (len(signals) == 0) {
			t.Fatalf("%d signals and error %v", len(signals), err)
		}
		again, _, slowly := slowAlertmanager(body, "prod", at)
		if !reflect.DeepEqual(signals, again) || !reflect.DeepEqual(err, slowly) {
			t.Fatalf("decoded quickly %+v %v, slowly %+v %v", signals, err, again, slowly)
		}
		for _, s := range signals {
			if s.ID == "" || s.Fingerprint == "" || s.Name == "" || s.StartsAt.IsZero() {
				t.Fatalf("incomplete: %+v", s)
			}
			storable(t, s)
		}
	})
}

func FuzzFlux(f *testing.F) {
	f.Add(golden(f, "flux.json"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeFlux(body, "prod", at)
		onlyInvalid(t, err)
		if s == nil {
			return
		}
		if err != nil || s.ID == "" || s.Subject.Name == "" {
			t.Fatalf("%+v with error %v", s, err)
		}
		storable(t, *s)
	})
}

func FuzzCloudEvents(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", []byte(ceEvent))
	f.Add("application/cloudevents-batch+json", "", "", []byte("["+ceEvent+"]"))
	f.Add("application/json", "17", "https://ci.example.com/%41", []byte(`{"labels":{"namespace":"shop","pod":"web-1"},"startsAt":"2026-03-02T10:15:04Z"}`))
	f.Add("text/plain", "17", "x", []byte("no"))
	f.Fuzz(func(t *testing.T, kind, id, from string, body []byte) {
		h := http.Header{"Content-Type": {kind}, "Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {from}, "Ce-Type": {"x"}}
		events, err := readCloudEvents(h, body)
		onlyInvalid(t, err)
		if err != nil {
			return
		}
		for _, e := range events {
			s, err := e.signal("ci", "prod", at)
			onlyInvalid(t, err)
			if err != nil {
				continue
			}
			if len(s.ID) != 32 || s.Fingerprint == "" || s.Name == "" || s.StartsAt.IsZero() || s.Labels["source"] == "" {
				t.Fatalf("incomplete: %+v", s)
			}
			storable(t, s)
		}
	})
}

// FuzzRecorded is what replay reads.
func FuzzRecorded(f *testing.F) {
	f.Add([]byte(`{"labels":{"alertname":"A","namespace":"shop","pod":"web-1"}}`))
	f.Add([]byte(`{"name":"A","status":"resolved","subject":{"kind":"Pod","name":"x"},"startsAt":"2026-03-02T10:15:04Z","endsAt":"2026-03-02T10:16:04+01:00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Recorded(body, "/signal", "prod", at)
		onlyInvalid(t, err)
		if err == nil && (s.ID == "" || s.Fingerprint == "" || s.Name == "" || s.StartsAt.IsZero()) {
			t.Fatalf("incomplete: %+v", s)
		}
	})
}

func FuzzForge(f *testing.F) {
	f.Add("pull_request_review", golden(f, "review.json"))
	f.Add("pull_request", golden(f, "merged.json"))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		a, err := decodeForge(event, body, "acme/shop")
		onlyInvalid(t, err)
		if a == nil || err != nil {
			return
		}
		if _, _, ours := incident.KeyOfBranch(a.Branch); !ours || a.Number <= 0 || a.Actor == "" || a.HeadSHA == "" {
			t.Fatalf("let through %+v", a)
		}
		storable(t, *a)
	})
}

func FuzzSlack(f *testing.F) {
	f.Add(form(string(golden(f, "slack.json"))))
	f.Add([]byte("payload={}&payload="))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, b := range [][]byte{body, form(string(body))} { // with and without a form around it
			a, err := decodeSlack(b, "acme/shop", slackUsers)
			if who := (*Stranger)(nil); errors.As(err, &who) {
				continue
			}
			onlyInvalid(t, err)
			if a == nil || err != nil {
				continue
			}
			if key, revert, ours := incident.KeyOfBranch(a.Branch); !ours || revert || key.Attempt < 1 || a.Number <= 0 || !sha(a.HeadSHA) ||
				a.Actor == "" || a.Via != incident.ViaSlack || len(a.Delivery) != 38 || utf8.RuneCountInString(a.Reason) > incident.MaxReason {
				t.Fatalf("let through %+v", a)
			}
			storable(t, *a)
		}
	})
}
