package remediation

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// enter makes the phase visible: search attribute and the details of the Temporal UI.
func (f *flow) enter(ctx workflow.Context, phase incident.Phase, details string) {
	f.phase = phase
	if err := workflow.UpsertTypedSearchAttributes(ctx, phaseAttribute.ValueSet(string(phase))); err != nil {
		workflow.GetLogger(ctx).Error("show phase", "phase", phase, "error", err)
	}
	workflow.GetLogger(ctx).Info("phase", "phase", phase, "incident", f.start.Key.Incident, "target", f.start.Target, "details", details)
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** %s\n\n%s", phase, f.start.Target, details))
}

func explainVerdict(v incident.Verdict) string {
	s := "verification: " + v.Result
	if v.Reason != "" {
		s += ", " + v.Reason
	}
	for _, c := range v.Checks {
		s += fmt.Sprintf("; %s: %s (%s, must be %s)", c.Name, c.Result, c.Value, c.Must)
	}
	return s
}
