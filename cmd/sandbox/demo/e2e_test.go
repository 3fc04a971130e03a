package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
)

// house is one running sandbox with the product in it.
type house struct {
	*World
	sup  *supervisor.Supervisor
	tell *Teller
	bin  string
}

// start builds nothing: make does, and `sandbox test` checks it.
func start(t *testing.T) *house {
	t.Helper()
	return startIn(t, t.TempDir())
}

// startIn starts it in a folder, as a stack that is saved there says.
func startIn(t *testing.T, dir string) *house {
	t.Helper()
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sandbox", "cortexops", "prometheus", "alertmanager"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Skipf("not run: bin/%s is not built: run make test", name)
		}
	}
	sup, err := supervisor.Start(t.Context(), supervisor.Options{Dir: dir, Bin: bin, Executable: filepath.Join(bin, "sandbox"),
		Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"cortexops", "forge", "deployer"} {
				log, _ := os.ReadFile(filepath.Join(sup.Stack().Dir, "logs", name+".log"))
				t.Logf("%s.log ends:\n%s", name, log[max(0, len(log)-6000):])
			}
		}
		if err := sup.Close(); err != nil {
			t.Error(err)
		}
	})
	w, err := NewWorld(sup.Stack())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &house{w, sup, &Teller{Out: testWriter{t}, Auto: true}, bin}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// TestStories runs on one stack what the product promises; each part goes on from where the one before left the world.
func TestStories(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"bad input changes nothing", badInput},
		{"a limit below the working set is raised", outOfMemory},
		{"the same payload a hundred times is one incident", hundredTimes},
		{"killed when the forge has stored the pull request", killedAtPull},
		{"killed when the API server has our patch", killedAtPatch},
		{"killed when verification has begun", killedAtVerify},
		{"a fix that does not help is reverted", noHelp},
		{"a database restart waits for two people on Slack", databaseRestart},
		{"the audit log has no write without its dry-run", rehearsed},
		{"git log tells the story", gitLog},
		{"the ledger is intact", ledgerIntact},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, h) }) {
			t.FailNow() // the world is not as the next part expects it
		}
	}
}

func outOfMemory(t *testing.T, h *house) {
	if _, err := OutOfMemory(t.Context(), h.World, h.tell); err != nil {
		t.Fatal(err)
	}
}

func noHelp(t *testing.T, h *house) {
	r, err := NoHelp(t.Context(), h.World, h.tell)
	if err != nil {
		t.Fatal(err)
	}
	escalated := false
	pulls, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pulls {
		for _, l := range p.Labels {
			escalated = escalated || p.Number == r.Pull.Number && l.Name == "cortexops/escalated"
		}
	}
	if !escalated {
		t.Error("the pull request does not say that a person is needed")
	}
}

func databaseRestart(t *testing.T, h *house) {
	r, err := DatabaseRestart(t.Context(), h.World, h.tell)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Pull.Body, "no way back by a revert") || strings.Contains(r.Pull.Body, "clean revert") {
		t.Errorf("the pull request does not say that there is no way back:\n%s", r.Pull.Body)
	}
	log, err := h.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range log {
		if c.SHA == r.Pull.MergeSHA && (!strings.Contains(c.Body, "Approved-by: sam\n") || !strings.Contains(c.Body, "Approved-by: dana\n")) {
			t.Errorf("the merge does not say who approved it:\n%s", c.Body)
		}
	}
}

// post sends body to a webhook of the product and returns the status and the answer.
func (h *house) post(t *testing.T, path, token string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.Stack.Product.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(answer)
}

func badInput(t *testing.T, h *house) {
	token := h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]
	for name, c := range map[string]struct {
		token, body string
		status      int
		says        string
	}{
		"not JSON":      {token, "{", 400, `"pointer"`},
		"wrong version": {token, `{"version":"3","alerts":[]}`, 400, "/version"},
		"no labels":     {token, `{"version":"4","status":"firing","receiver":"r","alerts":[{"status":"firing","labels":{},"startsAt":"2026-01-01T00:00:00Z"}]}`, 400, "/alerts/0/labels"},
		"bad token":     {"wrong", `{}`, 401, ""},
		"20 MB":         {token, strings.Repeat(" ", 20<<20), 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := h.post(t, "/webhooks/alertmanager", c.token, strings.NewReader(c.body))
			if status != c.status || !strings.Contains(answer, c.says) {
				t.Errorf("%d %s; want %d with %q", status, answer, c.status, c.says)
			}
		})
	}
	if pulls, err := h.Pulls(t.Context()); err != nil || len(pulls) != 0 {
		t.Errorf("%d pull requests, %v", len(pulls), err)
	}
}

// hundredTimes sends one alert that Prometheus never had; it has its own target, so that no other story meets it.
func hundredTimes(t *testing.T, h *house) {
	before, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	body := fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","receiver":"cortexops","groupLabels":{},"commonLabels":{},"commonAnnotations":{},
		"externalURL":"http://alertmanager","alerts":[{"status":"firing","labels":{"alertname":"ContainerOOMKilled","namespace":"shop-staging",
		"deployment":"checkout","container":"app","severity":"critical"},"annotations":{},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z",
		"generatorURL":"http://prometheus","fingerprint":"00112233aabbccdd"}]}`, now)
	token := h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10 {
				if status, answer := h.post(t, "/webhooks/alertmanager", token, bytes.NewReader([]byte(body))); status/100 != 2 {
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	wg.Wait()
	var pull Pull
	if err := wait(t.Context(), "the pull request", time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := h.Pulls(ctx)
		if len(pulls) > len(before) {
			pull = pulls[len(before)]
		}
		return pull.Number != 0, err
	}); err != nil {
		t.Fatal(err)
	}
	// Settled: the workflow waits, so everything that could start has started.
	if err := wait(t.Context(), "the workflow to wait", time.Minute, func(ctx context.Context) (bool, error) {
		phase, err := h.Phase(ctx, workflowOf(pull.Head.Ref))
		return phase == "APPROVAL_PENDING", err
	}); err != nil {
		t.Fatal(err)
	}
	count, err := h.Workflows(t.Context(), "shop-staging")
	if err != nil || count != 1 {
		t.Errorf("%d workflows, %v", count, err)
	}
	pulls, err := h.Pulls(t.Context())
	if err != nil || len(pulls) != len(before)+1 {
		t.Errorf("%d new pull requests, %v", len(pulls)-len(before), err)
	}
	// Closing it is a person's no.
	if err := h.forge(t.Context(), "sam", http.MethodPatch, fmt.Sprintf("/pulls/%d", pull.Number), map[string]string{"state": "closed"}, nil); err != nil {
		t.Fatal(err)
	}
	out, err := h.Outcome(t.Context(), workflowOf(pull.Head.Ref))
	if err != nil || out.Phase != "REJECTED" {
		t.Errorf("%+v %v", out, err)
	}
}

func rehearsed(t *testing.T, h *house) {
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	pulls, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	merges := Merges(pulls)
	if Applied(writes) != len(merges) {
		t.Errorf("%d applies for %d merges", Applied(writes), len(merges))
	}
	for _, bad := range Unrehearsed(writes, merges) {
		t.Errorf("not preceded by its dry-run: %s", bad)
	}
}

func gitLog(t *testing.T, h *house) {
	log, err := h.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range log {
		switch {
		case c.Trailer("Cortexops-Reverts") != "":
			found["revert"] = c.Trailer("Cortexops-Verdict") == "failed" && strings.Contains(c.Body, "This reverts commit")
		case c.Trailer("Cortexops-Incident") != "":
			found["remediation"] = true
			for _, key := range []string{"Cortexops-Attempt", "Cortexops-Playbook", "Cortexops-Workflow", "Cortexops-Diff-Hash"} {
				if c.Trailer(key) == "" {
					t.Errorf("%s lacks the trailer %s:\n%s", c.SHA, key, c.Body)
				}
			}
		case c.Trailer("Cortexops-Head") != "":
			found["merge"] = true
			if !strings.Contains(c.Body, "Approved-by: sam\n") || len(c.Parents) != 2 || c.Parents[1] != c.Trailer("Cortexops-Head") {
				t.Errorf("merge %s does not say who approved which head:\n%s", c.SHA, c.Body)
			}
		}
	}
	for _, kind := range []string{"remediation", "merge", "revert"} {
		if !found[kind] {
			t.Errorf("git log shows no %s commit as it should be", kind)
		}
	}
}

func ledgerIntact(t *testing.T, h *house) {
	out, err := exec.CommandContext(t.Context(), h.Stack.Product.Binary, "ledger", "verify", "--config", h.Stack.Product.Config).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "chain intact") {
		t.Errorf("%v %s", err, out)
	}
}
