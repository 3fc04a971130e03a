package remediation

import (
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// TestSavedHistoriesReplay holds the workflow to what it decided in real runs: a change that breaks one of these would
// break the remediations that are open when it is rolled out, and needs workflow.GetVersion.
func TestSavedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/history-*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d saved histories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r := worker.NewWorkflowReplayer()
			r.RegisterWorkflowWithOptions(Remediate, workflow.RegisterOptions{Name: WorkflowName})
			r.RegisterWorkflowWithOptions(Expiry, workflow.RegisterOptions{Name: ExpiryName})
			if err := r.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
				t.Error(err)
			}
		})
	}
}
