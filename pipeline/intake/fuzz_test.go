package intake

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

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

// punctual: nothing begins or ends further ahead than clocks differ.
func punctual(t *testing.T, s incident.Signal) {
	t.Helper()
	for _, when := range []time.Time{s.StartsAt, s.EndsAt} {
		if when.Sub(at) > clockSkew || !when.IsZero() && !Sane(when) {
			t.Fatalf("accepted at %v: %+v", at, s)
		}
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
		timed, err := alertmanager(Options{Cluster: "prod"}).decode(nil, body, at)
		onlyInvalid(t, err)
		for _, s := range timed.signals {
			punctual(t, s)
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
		punctual(t, *s)
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
			punctual(t, s)
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
		if err != nil {
			return
		}
		if s.ID == "" || s.Fingerprint == "" || s.Name == "" || s.StartsAt.IsZero() {
			t.Fatalf("incomplete: %+v", s)
		}
		if _, err := json.Marshal(s); err != nil { // a file is not bounded as what strangers send is
			t.Fatalf("%+v: %v", s, err)
		}
	})
}

func FuzzForge(f *testing.F) {
	f.Add("pull_request_review", golden(f, "review.json"))
	f.Add("pull_request", golden(f, "merged.json"))
	f.Add("issue_comment", []byte(`{"action":"created","issue":{"number":12,"pull_request":{}},"comment":{"body":"/cortexops retry","author_association":"MEMBER","user":{"login":"sam"}},"repository":{"full_name":"acme/shop"}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		a, err := decodeForge(event, body, "acme/shop")
		onlyInvalid(t, err)
		if a == nil || err != nil {
			return
		}
		if event == "issue_comment" { // it names no branch and no commit
			if a.Kind != incident.Answer && a.Kind != incident.Retry || a.Number <= 0 || a.Actor == "" {
				t.Fatalf("let through %+v", a)
			}
			storable(t, *a)
			return
		}
		_, _, ours := incident.KeyOfBranch(a.Branch)
		if _, restores := incident.KeyOfRestore(a.Branch); !ours && !restores || a.Number <= 0 || a.Actor == "" || a.HeadSHA == "" {
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

// FuzzKubernetes is of objects as the API server sends them, whose status and Events whoever has the right for it may write.
func FuzzKubernetes(f *testing.F) {
	kinds := []struct {
		kind schema.GroupVersionKind
		new  func() metav1.Object
	}{
		{kPod, func() metav1.Object { return &corev1.Pod{} }}, {kNode, func() metav1.Object { return &corev1.Node{} }},
		{kDeploy, func() metav1.Object { return &appsv1.Deployment{} }}, {kSet, func() metav1.Object { return &appsv1.StatefulSet{} }},
		{kDaemon, func() metav1.Object { return &appsv1.DaemonSet{} }}, {kHPA, func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} }},
		{kEvent, func() metav1.Object { return &eventsv1.Event{} }},
	}
	for i, o := range []any{kpod(ended(waiting("CrashLoopBackOff"), "OOMKilled", at)), nodeWith("Ready", "False"), deploymentWith("Progressing", "False", "Deadline"),
		stateful(1, false), &appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 2}}, autoscalerWith("ScalingActive", "False", "FailedGetScale"),
		warned("FailedCreatePodSandBox", 3, at, at)} {
		b, err := json.Marshal(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		one := kinds[int(which)%len(kinds)]
		o := one.new()
		if json.Unmarshal(body, o) != nil {
			return
		}
		c := &hands{at}
		k := watched(c)
		k.Put(one.kind, o)
		fired := tell(t, k)
		c.wait(10 * time.Minute) // what is told after waiting
		fired = append(fired, tell(t, k)...)
		open := map[string]incident.Signal{}
		for _, s := range fired {
			if s.ID == "" || s.Fingerprint == "" || s.Name == "" || s.StartsAt.After(c.Time) || s.EndsAt.After(c.Time) || !Sane(s.StartsAt) {
				t.Fatalf("told %+v", s)
			}
			storable(t, s)
			if open[s.Fingerprint] = s; s.Status == incident.Resolved {
				delete(open, s.Fingerprint)
			}
		}
		next := watched(c)
		for _, s := range open {
			next.Resume([]incident.Signal{s})
		}
		next.Sweep(func(schema.GroupKind, string) bool { return true })
		if over := tell(t, next); len(over) != len(open) {
			t.Fatalf("%d fire, and a new watch that finds nothing any more resolves %d", len(open), len(over))
		}
	})
}
