package intake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var (
	future = at.Add(2 * time.Hour)
	never  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

func text(t time.Time) string { return t.Format(time.RFC3339) }

// TestABeginningAhead of our clock would be another episode to correlation, and another each time that it is told.
func TestABeginningAhead(t *testing.T) {
	t.Parallel()
	alert := func(status, starts, ends string) string {
		return fmt.Sprintf(`{"status":%q,"labels":{"alertname":"A"},"startsAt":%q,"endsAt":%q,"fingerprint":"f"}`, status, starts, ends)
	}
	for name, tc := range map[string]struct {
		alert   string
		pointer string // "": it is taken
		ends    time.Time
	}{
		"just ahead":              {alert("firing", text(at.Add(clockSkew)), text(time.Time{})), "", time.Time{}},
		"ahead":                   {alert("firing", text(at.Add(clockSkew+time.Second)), text(time.Time{})), "/alerts/1/startsAt", time.Time{}},
		"resolved, begins ahead":  {alert("resolved", text(future), text(future)), "/alerts/1/startsAt", time.Time{}},
		"in the year 9999":        {alert("firing", text(never), text(time.Time{})), "/alerts/1/startsAt", time.Time{}},
		"to be given up ahead":    {alert("firing", text(at), text(future)), "", time.Time{}},
		"never to be given up":    {alert("firing", text(at), text(never)), "", time.Time{}},
		"resolved, ends ahead":    {alert("resolved", text(at), text(future)), "", at},
		"resolved, ends just now": {alert("resolved", text(at), text(at.Add(time.Minute))), "", at.Add(time.Minute)},
		"resolved, never ends":    {alert("resolved", text(at), text(never)), "/alerts/1/endsAt", time.Time{}},
	} {
		bus := &store{}
		url, _ := start(t, bus)
		body := `{"version":"4","alerts":[` + alert("firing", text(at), text(time.Time{})) + `,` + tc.alert + `]}`
		r := post(t, url+"/webhooks/alertmanager", []byte(body), bearer(token))
		if tc.pointer != "" {
			if r.status != http.StatusBadRequest || r.Pointer != tc.pointer || len(bus.signals) > 0 {
				t.Errorf("%s: got %+v, want 400 at %s", name, r, tc.pointer)
			}
			continue
		}
		got := bus.signals[len(bus.signals)-1]
		if r.status != http.StatusAccepted || !got.EndsAt.Equal(tc.ends) {
			t.Errorf("%s: got %+v, ends at %v, want %v", name, r, got.EndsAt, tc.ends)
		}
		if name == "resolved, ends ahead" && got.ID != incident.SignalID("alertmanager", "prod f", incident.Resolved, at, future) {
			t.Error("told again it would have another ID")
		}
	}
}

func TestTimesOfCloudEvents(t *testing.T) {
	t.Parallel()
	timed := func(attribute, data string) string {
		return strings.NewReplacer(`"time":"2026-03-02T10:15:04Z",`, attribute, `"data":{`, `"data":{`+data).Replace(ceEvent)
	}
	for name, tc := range map[string]struct {
		event, pointer string
		starts, ends   time.Time
	}{
		"time, far east":          {timed(`"time":"2026-03-03T10:00:00+24:00",`, ``), "", at.Add(-30 * time.Minute), time.Time{}},
		"time, ahead":             {timed(`"time":"`+text(future)+`",`, ``), "/time", at, at},
		"time, in the year 9999":  {timed(`"time":"`+text(never)+`",`, ``), "/time", at, at},
		"begins ahead":            {timed(``, `"startsAt":"`+text(future)+`",`), "/data/startsAt", at, at},
		"begins in the year 9999": {timed(``, `"startsAt":"`+text(never)+`",`), "/data/startsAt", at, at},
		"ends ahead":              {timed(``, `"status":"resolved","endsAt":"`+text(future)+`",`), "", at, at},
		"fires, and ends":         {timed(``, `"endsAt":"`+text(never)+`",`), "", at, time.Time{}},
	} {
		bus := &store{}
		url, _ := senders(t, bus, ci)
		r := post(t, url+"/webhooks/cloudevents/ci", []byte(tc.event), with("application/cloudevents+json", nil))
		if tc.pointer != "" {
			if r.status != http.StatusBadRequest || r.Pointer != tc.pointer {
				t.Errorf("%s: got %+v, want 400 at %s", name, r, tc.pointer)
			}
			continue
		}
		if r.status != http.StatusAccepted || len(bus.signals) != 1 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		s := bus.signals[0]
		if _, err := json.Marshal(s); err != nil || !s.StartsAt.Equal(tc.starts) || !s.EndsAt.Equal(tc.ends) {
			t.Errorf("%s: from %v to %v, want %v to %v (%v)", name, s.StartsAt, s.EndsAt, tc.starts, tc.ends, err)
		}
	}
}

// TestAnEventOfFluxFromAClockThatIsAhead has happened all the same, and it is not told again.
func TestAnEventOfFluxFromAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	body := string(golden(t, "flux.json"))
	var said struct{ Timestamp, Severity, Reason string }
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	for severity, ended := range map[string]bool{"error": false, "info": true} {
		event := strings.NewReplacer(said.Timestamp, text(future), `"`+said.Severity+`"`, `"`+severity+`"`, `"`+said.Reason+`"`, `"ReconciliationSucceeded"`).Replace(body)
		s, err := decodeFlux([]byte(event), "prod", at)
		if err != nil || !s.StartsAt.Equal(at) || ended != s.EndsAt.Equal(at) || ended == s.EndsAt.IsZero() {
			t.Fatalf("%s: %+v, %v", severity, s, err)
		}
		later, err := decodeFlux([]byte(event), "prod", at.Add(time.Minute))
		if err != nil || later.ID != s.ID {
			t.Errorf("%s: delivered again it is %+v, %v", severity, later, err)
		}
	}
}

// TestTimesOfTheCluster: whoever may write an Event, or a status, chooses its times.
func TestTimesOfTheCluster(t *testing.T) {
	t.Parallel()
	c := &hands{at}
	k := watched(c)
	k.Put(kEvent, warned("FailedCreatePodSandBox", 1, never, never))
	old := kpod(waiting("CrashLoopBackOff"))
	old.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(time.Date(1066, 1, 1, 0, 0, 0, 0, time.UTC))}}
	k.Put(kPod, old)
	for _, s := range says(t, k, "firing FailedCreatePodSandBox Pod shop/web-1 app", "firing CrashLoopBackOff Pod shop/checkout-5d9-abcde app") {
		if !s.StartsAt.Equal(at) {
			t.Errorf("%s since %v, want %v", s.Name, s.StartsAt, at)
		}
	}
	k.Put(kPod, kpod(running(never)))
	c.wait(5 * time.Minute)
	says(t, k, "resolved FailedCreatePodSandBox Pod shop/web-1 app", "resolved CrashLoopBackOff Pod shop/checkout-5d9-abcde app")
}
