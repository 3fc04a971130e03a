package intake

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestFluxEvent(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	fire := string(golden(t, "flux.json"))
	heal := strings.NewReplacer(`"error"`, `"info"`, "HealthCheckFailed", "ReconciliationSucceeded", "10:20:11", "10:25:00").Replace(fire)
	progress := strings.NewReplacer(`"error"`, `"info"`, "HealthCheckFailed", "Progressing").Replace(fire)
	for _, body := range []string{fire, heal, progress, fire} {
		if r := post(t, url+"/webhooks/flux", []byte(body), map[string]string{"X-Signature": sign(key, []byte(body))}); r.status != http.StatusAccepted {
			t.Fatalf("got %+v", r)
		}
	}
	if len(bus.signals) != 2 {
		t.Fatalf("got %d signals, want a failure and a recovery", len(bus.signals))
	}
	bad, good := bus.signals[0], bus.signals[1]
	want := incident.Resource{Cluster: "prod", Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization", Namespace: "flux-system", Name: "shop"}
	if bad.Subject != want || bad.Name != "HealthCheckFailed" || bad.Status != incident.Firing || !bad.AcceptedAt.Equal(at) ||
		!bad.StartsAt.Equal(time.Date(2026, 3, 2, 10, 20, 11, 0, time.UTC)) || !bad.EndsAt.IsZero() ||
		!strings.HasPrefix(bad.Annotations["message"], "health check failed") || !strings.HasPrefix(bad.Labels["revision"], "main@sha1:") {
		t.Errorf("failure: got %+v", bad)
	}
	if good.Fingerprint != bad.Fingerprint || good.Status != incident.Resolved || good.ID == bad.ID {
		t.Errorf("the recovery %+v does not resolve %+v", good, bad)
	}
	wantValue(t, reg, "cortexops_events_ingested_total{source=flux}", 2)
	wantValue(t, reg, "cortexops_events_duplicate_total{source=flux}", 1)
}

func TestFluxInvalid(t *testing.T) {
	t.Parallel()
	fine := string(golden(t, "flux.json"))
	for name, tc := range map[string]struct{ body, pointer string }{
		"not JSON":      {`{`, ""},
		"null":          {`null`, "/involvedObject/kind"},
		"no name":       {strings.Replace(fine, `"name": "shop"`, `"name": ""`, 1), "/involvedObject/name"},
		"name a number": {strings.Replace(fine, `"name": "shop"`, `"name": 7`, 1), "/involvedObject/name"},
		"no reason":     {strings.Replace(fine, "HealthCheckFailed", "", 1), "/reason"},
		"endless":       {strings.Replace(fine, "HealthCheckFailed", strings.Repeat("x", 300), 1), "/reason"},
		"severity":      {strings.Replace(fine, `"error"`, `"fatal"`, 1), "/severity"},
		"no timestamp":  {strings.Replace(fine, `"2026-03-02T10:20:11Z"`, `null`, 1), "/timestamp"},
	} {
		_, err := decodeFlux([]byte(tc.body), "prod", at)
		if pointerOf(err) != tc.pointer {
			t.Errorf("%s: got %v, want an error at %q", name, err, tc.pointer)
		}
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{"ReconciliationSucceeded": true, "UpgradeSucceeded": true, "NewArtifact": true,
		"RollbackSucceeded": false, "Progressing": false, "DependencyNotReady": false} {
		if recovered(reason) != want {
			t.Errorf("recovered(%s) is %v", reason, !want)
		}
	}
}
