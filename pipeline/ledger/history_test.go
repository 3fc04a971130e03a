package ledger

import (
	"fmt"
	"strings"
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
				target, playbook, revised := strings.Cut(target, " ")
				if !revised {
					playbook = "p"
				}
				e.Detail = fmt.Appendf(nil, `{"target":%q,"playbook":%q}`, target, playbook)
			}
			if step == incident.StepEnding && phase == incident.Escalated {
				e.Detail = []byte(`{"phase":"ESCALATED","untried":true}`)
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
		revised, adopted := incident.Key{Incident: "00000000000b", Attempt: 1}, incident.Key{Incident: "00000000000b", Attempt: 2}
		write(revised, "policy-plan", incident.PolicyCheck, "a", day.Add(-time.Minute).Add(time.Hour))
		write(revised, "policy-plan-1", incident.PolicyCheck, "a q", day.Add(time.Hour))
		write(revised, "policy-apply", incident.Applying, "a q", day.Add(time.Hour))
		write(adopted, "policy-apply", incident.Applying, "a q", day.Add(30*time.Minute))
		write(adopted, incident.StepEnding, incident.Escalated, "", day.Add(40*time.Minute))
		got, err := l.History(t.Context(), "a", day)
		want := []incident.Past{{Key: one, Playbook: "p", Outcome: incident.RolledBack, At: day.Add(2 * time.Hour)}, {Key: again, Playbook: "p", At: day.Add(time.Hour)},
			{Key: revised, Playbook: "q", At: day.Add(59 * time.Minute)}, {Key: adopted, Playbook: "q", Outcome: incident.Escalated, Untried: true, At: day.Add(40 * time.Minute)}}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v, %v", got, want, err)
		}
	})
}
