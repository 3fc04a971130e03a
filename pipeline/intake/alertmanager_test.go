package intake

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestAlertmanagerPayload(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	body := golden(t, "alertmanager.json")
	for range 2 {
		if r := post(t, url+"/webhooks/alertmanager", body, bearer(token)); r.status != http.StatusAccepted {
			t.Fatalf("got %+v", r)
		}
	}
	got, err := json.MarshalIndent(bus.signals, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/alertmanager.golden.json", append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := golden(t, "alertmanager.golden.json"); string(got)+"\n" != string(want) {
		t.Errorf("signals differ from testdata/alertmanager.golden.json (UPDATE_GOLDEN=1 rewrites it):\n%s", got)
	}
	wantValue(t, reg, "cortexops_events_ingested_total{source=alertmanager}", 3)
	wantValue(t, reg, "cortexops_events_duplicate_total{source=alertmanager}", 3)
}

func TestAlertmanagerInvalid(t *testing.T) {
	t.Parallel()
	one := func(alert string) string { return `{"version":"4","alerts":[` + alert + `]}` }
	const fine = `{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z"}`
	for name, tc := range map[string]struct{ body, pointer, why string }{
		"null":                {`null`, "", "must be an object"},
		"array":               {`[]`, "", "must be an object"},
		"trailing":            {one(fine) + "x", "", "not JSON"},
		"no version":          {`{"alerts":[` + fine + `]}`, "/version", `must be "4"`},
		"version 3":           {`{"version":"3","alerts":[` + fine + `]}`, "/version", `is "3"`},
		"version number":      {`{"version":4,"alerts":[` + fine + `]}`, "/version", "must be a string, is number"},
		"no alerts":           {`{"version":"4"}`, "/alerts", "at least one"},
		"alerts object":       {`{"version":"4","alerts":{}}`, "/alerts", "must be an array"},
		"alert null":          {one(`null`), "/alerts/0/status", "must be firing or resolved"},
		"alert string":        {one(`"x"`), "/alerts/0", "must be an object"},
		"status":              {one(`{"status":"pending","labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/status", `"pending"`},
		"no labels":           {one(`{"status":"firing","startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/alertname", "is required"},
		"empty labels":        {one(`{"status":"firing","labels":{},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/alertname", "is required"},
		"no alertname":        {one(`{"status":"firing","labels":{"a":"b"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/alertname", "is required"},
		"the second":          {one(fine + `,{"status":"firing","labels":{}}`), "/alerts/1/labels/alertname", "is required"},
		"label is a number":   {one(`{"status":"firing","labels":{"alertname":"A","n":1},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/n", "must be a string, is number"},
		"no startsAt":         {one(`{"status":"firing","labels":{"alertname":"A"}}`), "/alerts/0/startsAt", "is required"},
		"startsAt no time":    {one(`{"status":"firing","labels":{"alertname":"A"},"startsAt":"yesterday"}`), "/alerts/0/startsAt", `must be a time such as 2026-03-02T10:00:00Z, is "yesterday"`},
		"startsAt a number":   {one(`{"status":"firing","labels":{"alertname":"A"},"startsAt":17}`), "/alerts/0/startsAt", "must be a time such as"},
		"endsAt a word":       {one(`{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z","endsAt":"soon"}`), "/alerts/0/endsAt", "soon"},
		"an odd label":        {one(`{"status":"firing","labels":{"alertname":"A","app.kubernetes.io/name":{}},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/app.kubernetes.io~1name", "must be a string, is object"},
		"labels an array":     {one(`{"status":"firing","labels":["A"],"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels", "must be an object, is array"},
		"status a number":     {one(`{"status":200,"labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/status", "must be a string, is number"},
		"in another case":     {one(`{"Status":200,"labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/Status", "must be a string, is number"},
		"a byte order mark":   {"\ufeff" + one(fine), "", "byte order mark"},
		"year 10000 in UTC":   {one(`{"status":"firing","labels":{"alertname":"A"},"startsAt":"9999-12-31T23:59:59-01:00"}`), "/alerts/0/startsAt", "9998"},
		"too many labels":     {one(`{"status":"firing","labels":{"alertname":"A","x":"` + strings.Repeat("x", maxLabels) + `"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels", "bytes"},
		"endless alertname":   {one(`{"status":"firing","labels":{"alertname":"` + strings.Repeat("x", 300) + `"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/labels/alertname", "longer"},
		"endless fingerprint": {one(`{"status":"firing","fingerprint":"` + strings.Repeat("x", 300) + `","labels":{"alertname":"A"},"startsAt":"2026-03-02T10:15:04Z"}`), "/alerts/0/fingerprint", "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := &store{}
			url, _ := start(t, bus)
			r := post(t, url+"/webhooks/alertmanager", []byte(tc.body), bearer(token))
			if r.status != http.StatusBadRequest || r.Pointer != tc.pointer || !strings.Contains(r.Error, tc.why) {
				t.Errorf("got %+v, want 400, pointer %q, error with %q", r, tc.pointer, tc.why)
			}
			if len(bus.signals) != 0 {
				t.Errorf("published %v", bus.signals)
			}
		})
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		labels map[string]string
		want   incident.Resource
	}{
		"pod": {map[string]string{"namespace": "shop", "pod": "p-1"},
			incident.Resource{Version: "v1", Kind: "Pod", Namespace: "shop", Name: "p-1"}},
		"deployment before pod": {map[string]string{"namespace": "shop", "pod": "p-1", "deployment": "d"},
			incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "d"}},
		"deployment": {map[string]string{"namespace": "shop", "deployment": "d"},
			incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "d"}},
		"statefulset": {map[string]string{"namespace": "shop", "statefulset": "d"},
			incident.Resource{Group: "apps", Version: "v1", Kind: "StatefulSet", Namespace: "shop", Name: "d"}},
		"daemonset": {map[string]string{"namespace": "shop", "daemonset": "d"},
			incident.Resource{Group: "apps", Version: "v1", Kind: "DaemonSet", Namespace: "shop", Name: "d"}},
		"no namespace":       {map[string]string{"pod": "p-1"}, incident.Resource{}},
		"no workload":        {map[string]string{"namespace": "shop"}, incident.Resource{}},
		"not a name":         {map[string]string{"namespace": "shop", "pod": "../../x"}, incident.Resource{}},
		"not a pod's name":   {map[string]string{"namespace": "shop", "pod": "A B", "deployment": "d"}, incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "d"}},
		"newline at the end": {map[string]string{"namespace": "shop", "pod": "p\n"}, incident.Resource{}},
	} {
		if got := subject(tc.labels); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestAnnotationsAreCut(t *testing.T) {
	t.Parallel()
	got := bounded(map[string]string{"a": strings.Repeat("é", maxAnnotation), "b": "short"})
	if len(got["a"]) > maxAnnotation || !strings.HasSuffix(got["a"], "é…") || got["b"] != "short" {
		t.Errorf("got %d bytes ending in %q, and %q", len(got["a"]), got["a"][len(got["a"])-8:], got["b"])
	}
	many := map[string]string{}
	for _, r := range "abcdefghijkl" {
		many[string(r)] = strings.Repeat("x", maxAnnotation)
	}
	if got := bounded(many); len(got) != 3 || got["a"] == "" {
		t.Errorf("kept %d annotations of %d, want the first 3", len(got), len(many))
	}
}

// TestAGroupOfBothKinds: each alert has a status of its own, a resolution may come twice or without its firing, and what the
// sender has left out is counted.
func TestAGroupOfBothKinds(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	const body = `{"version":"4","status":"firing","truncatedAlerts":3,"alerts":[
		{"status":"firing","labels":{"alertname":"A","namespace":"shop","pod":"web-1"},"startsAt":"2026-03-02T10:15:04Z","endsAt":"2026-03-02T10:20:04Z","fingerprint":"a"},
		{"status":"resolved","labels":{"alertname":"B","namespace":"shop","pod":"web-1"},"startsAt":"2026-03-02T10:10:04Z","endsAt":"2026-03-02T10:15:00Z","fingerprint":"b"}]}`
	for range 2 {
		if r := post(t, url+"/webhooks/alertmanager", []byte(body), bearer(token)); r.status != http.StatusAccepted {
			t.Fatalf("%+v", r)
		}
	}
	if len(bus.signals) != 2 || bus.signals[0].Status != incident.Firing || !bus.signals[0].EndsAt.IsZero() || bus.signals[1].Status != incident.Resolved {
		t.Fatalf("%+v", bus.signals)
	}
	wantValue(t, reg, "cortexops_alerts_truncated_total{}", 6)
	wantValue(t, reg, "cortexops_events_duplicate_total{source=alertmanager}", 2)
}
