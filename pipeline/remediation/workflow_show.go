package remediation

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// attributes are shown from the start: an upsert is an event of the history.
func (s Start) attributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(incidentAttribute.ValueSet(s.Key.Incident), targetAttribute.ValueSet(s.Target), phaseAttribute.ValueSet(string(incident.Planning)))
}

// enter makes the phase visible: search attribute and the details of the Temporal UI.
func (f *flow) enter(ctx workflow.Context, phase incident.Phase, details string) {
	if began := phase == incident.Planning && f.phase == phase && !f.entered; !began {
		if err := workflow.UpsertTypedSearchAttributes(ctx, phaseAttribute.ValueSet(string(phase))); err != nil {
			workflow.GetLogger(ctx).Error("show phase", "phase", phase, "error", err)
		}
	}
	f.phase, f.entered = phase, true
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
