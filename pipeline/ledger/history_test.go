package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		write := func(key incident.Key, step string, phase incident.Phase, target string, at time.Time) {
			t.Helper()
			e := incident.Entry{Incident: key.Incident, Attempt: key.Attempt, Phase: phase, Step: step, Kind: incident.Event, Actor: "a", At: at}
			if target != "" {
				e.Detail = fmt.Appendf(nil, `{"target":%q,"playbook":"p"}`, target)
			}
			if _, err := l.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		again := incident.Key{Incident: one.Incident, Attempt: 2}
		old := incident.Key{Incident: "00000000000a", Attempt: 1}
		write(old, "policy-plan", incident.PolicyCheck, "a", day.Add(-time.Second))
		write(one, "policy-plan", incident.PolicyCheck, "a", day)
		write(two, "policy-plan", incident.PolicyCheck, "b", day)
		write(one, incident.StepEnding, incident.RolledBack, "", day.Add(2*time.Hour))
		write(again, "policy-plan", incident.PolicyCheck, "a", day.Add(time.Hour))
		write(again, "policy_violation", incident.Merging, "a", day.Add(time.Hour))
		got, err := l.History(t.Context(), "a", day)
		want := []incident.Past{{Key: one, Playbook: "p", Outcome: incident.RolledBack, At: day.Add(2 * time.Hour)}, {Key: again, Playbook: "p", At: day.Add(time.Hour)}}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v, %v", got, want, err)
		}
	})
}
