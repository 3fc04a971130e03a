package remediation

import (
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestAnOutbreakDuringTheEnding is told to a remediation that has come to its end and is not over: its Close waits for the forge.
func TestAnOutbreakDuringTheEnding(t *testing.T) {
	t.Parallel()
	later := opened.Add(time.Hour)
	for name, c := range map[string]struct {
		hears []Evidence
		want  bool
	}{
		"it broke out again":                 {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: later}}, true},
		"and healed":                         {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: later}, {Outbreak: 1, Healed: later, AsOf: later}}, false},
		"that is what it ended":              {[]Evidence{{Incident: "late", AsOf: later}}, false},
		"before it ended, as its verdict is": {[]Evidence{{Outbreak: 1, Incident: "again", AsOf: opened}}, false},
		"another incident":                   {[]Evidence{{ID: "ba9876543210", Outbreak: 1, Incident: "other", AsOf: later}}, false},
		"nothing":                            {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			var next []Start
			w.later = func(env *testsuite.TestWorkflowEnvironment) {
				w.closing = func() {
					w.closing = nil
					for _, e := range c.hears {
						if e.ID == "" {
							e.ID = "0123456789ab"
						}
						env.SignalWorkflow(EvidenceSignal, e)
					}
				}
				env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
					var s Start
					if err := args.Get(&s); err != nil {
						t.Error(err)
					}
					next = append(next, s)
				})
			}
			if got := w.play(t); got.Phase != incident.Succeeded || (len(next) == 1) != c.want {
				t.Fatalf("%+v, then %+v", got, next)
			}
			if c.want && (next[0].Key.Attempt != 2 || next[0].Incident != "again" || *next[0].Outbreak != 1 || next[0].Target != "t") {
				t.Errorf("then %+v", next[0])
			}
		})
	}
}
