package demo

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
)

// TestDrill tells what `make demo-failure` does, then starts the sandbox anew on what it kept, where all is still there.
func TestDrill(t *testing.T) {
	t.Parallel()
	h := start(t)
	var sent []string
	if !t.Run("everything is done once, while things break", func(t *testing.T) {
		var err error
		if sent, err = Drill(t.Context(), h.Stack, h.sup, &Teller{Out: testWriter{t}, Auto: true}); err != nil {
			t.Fatal(err)
		}
	}) {
		t.FailNow()
	}
	t.Run("what is kept is there after a restart", func(t *testing.T) {
		before, err := h.Gather(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		deployment, err := h.Deployment(t.Context(), "cart")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.sup.Close(); err != nil {
			t.Fatal(err)
		}
		sup, err := supervisor.Start(t.Context(), supervisor.Options{Dir: h.Stack.Dir, Keep: true, Bin: h.bin, Executable: h.bin + "/sandbox",
			Progress: func(s string) { t.Log(s) }})
		if err != nil {
			t.Fatal(err)
		}
		defer sup.Close()
		then, err := json.Marshal(h.Stack)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := json.Marshal(sup.Stack()); err != nil || !bytes.Equal(now, then) {
			t.Errorf("addresses or secrets changed, %v", err)
		}
		w, err := NewWorld(sup.Stack())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		after, err := w.Gather(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		for what, n := range map[string][2]int{"pull requests": {len(before.Pulls), len(after.Pulls)}, "commits": {len(before.Commits), len(after.Commits)},
			"workflows": {len(before.Runs), len(after.Runs)}, "ledger rows": {len(before.Rows), len(after.Rows)},
			"incidents": {len(before.Incidents), len(after.Incidents)}, "writes in the audit log": {len(before.Writes), len(after.Writes)}} {
			if n[0] == 0 || n[1] < n[0] {
				t.Errorf("%d %s before, %d after", n[0], what, n[1])
			}
		}
		if len(after.Signals) < len(before.Signals) {
			t.Errorf("%d signals before, %d after", len(before.Signals), len(after.Signals))
		}
		if now, err := w.Deployment(t.Context(), "cart"); err != nil || now.UID != deployment.UID {
			t.Errorf("the deployment is another one: %v", err)
		}
		if _, wrong := Check(after); len(wrong) > 0 {
			t.Errorf("%v", wrong)
		}
	})
}
