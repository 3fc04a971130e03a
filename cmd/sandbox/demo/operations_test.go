package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// TestOperations breaks things, one after another, on one stack, and sees what docs/operations.md says of each.
func TestOperations(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"the alert rules are loaded", watched},
		{"alerts point at a bus that is stalled, and resolve", busStalled},
		{"health is right while a component hangs", healthWhileHanging},
		{"the counter equals what was accepted, across a restart of NATS", countedAcrossRestart},
		{"a missing permission is named, waited for, and retried", missingPermission},
		{"a token that is rotated is read anew, and nobody is asked", credentialsRotated},
		{"metrics that say nothing ask a person", silenceAsks},
		{"a click on Slack approves", approvedOnSlack},
		{"a click on Slack rejects, with its reason", rejectedOnSlack},
		{"a click that does not count is answered with why", refusedOnSlack},
		{"a click over a socket approves, once the bus has it", overSocket},
		{"what nobody approves in time expires, and is tried anew when somebody says so", expires},
		{"what is merged after its end is applied and watched", mergedLater},
		{"a model that hangs is not waited for, and one that answers is named", modelInTrouble},
		{"what people choose, and a base that moved, is asked again", asksAgain},
		{"an open pull request of somebody else goes first", rival},
		{"a change of low risk is merged without asking where policy says so", unattended},
		{"a denial ends it, before a pull request and after", denied},
		{"a workflow terminated by hand leaves no open pull request", terminatedByHand},
		{"a NATS that is full refuses, and loses nothing that was taken", natsFull},
		{"partitions move between two processes", partitionsMove},
		{"the audit log has no write without its dry-run", rehearsed},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, h) }) {
			t.FailNow() // the world is not as the next part expects it
		}
	}
}

// metric of the product itself, now.
func (h *house) metric(t *testing.T, name string) (value float64) {
	t.Helper()
	for line := range strings.Lines(h.metrics(t)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	return 0
}

func (h *house) metrics(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.Stack.Product.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pullOf waits for the pull request of a workflow.
func (h *house) pullOf(t *testing.T, workflowID string) (p Pull) {
	t.Helper()
	if err := wait(t.Context(), "a pull request", time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := h.Pulls(ctx)
		for _, one := range pulls {
			if workflowOf(one.Head.Ref) == workflowID {
				p = one
				return true, err
			}
		}
		return false, err
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// ends waits for the ending, and sees it wherever people look for it.
func (h *house) ends(t *testing.T, workflowID, phase, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := h.Outcome(ctx, workflowID)
	if err != nil || out.Phase != phase || !strings.Contains(out.Reason, why) {
		t.Fatalf("%+v %v, want %s because of %q", out, err, phase, why)
	}
	if now, err := h.Phase(t.Context(), workflowID); now != phase {
		t.Errorf("Temporal says %q, %v", now, err)
	}
	if rows := h.rows(t, workflowID); !strings.Contains(rows, `"phase":"`+phase+`"`) {
		t.Errorf("the ledger says\n%s", rows)
	}
	if !strings.Contains(h.metrics(t), "\ncortexops_remediations_total{phase=\""+phase+"\",") {
		t.Errorf("no metric counts %s", phase)
	}
	where := workflowID // on Slack
	pulls, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pulls {
		if workflowOf(p.Head.Ref) == workflowID {
			where = p.URL
			if said := h.comments(t, p); !strings.Contains(said, "### `"+phase+"`") {
				t.Errorf("pull request %d says\n%s", p.Number, said)
			}
		}
	}
	h.shownOf(t, where, endings[phase])
}

// endings are how Slack tells of them.
var endings = map[string]string{"SUCCEEDED": "It worked", "ROLLED_BACK": "It did not help, and is rolled back", "ESCALATED": "A person is needed",
	"ADVISED": "Nothing was proposed", "EXPIRED": "Too late", "REJECTED": "Rejected", "DENIED": "Policy refuses this", "SUPERSEDED": "Not needed any more"}

// product runs a command of the product and returns what it said.
func (h *house) product(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.says(t, args...)
	if err != nil {
		t.Fatalf("cortexops %v: %v: %s", args, err, out)
	}
	return out
}

// rows of the ledger about one attempt: an incident that breaks out again has several.
func (h *house) rows(t *testing.T, workflowID string) string {
	t.Helper()
	parts := strings.Split(workflowID, "/")
	var out strings.Builder
	for line := range strings.Lines(h.product(t, "ledger", "show", parts[1])) {
		if strings.Contains(line, `"attempt":`+parts[2]+",") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// next is the workflow of the attempt after this one.
func next(t *testing.T, workflowID string) string {
	t.Helper()
	at := strings.LastIndexByte(workflowID, '/') + 1
	n, err := strconv.Atoi(workflowID[at:])
	if err != nil {
		t.Fatal(err)
	}
	return workflowID[:at] + strconv.Itoa(n+1)
}

// says is what a command of the product said, and how it ended.
func (h *house) says(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), h.Stack.Product.Binary, append(args, "--config", h.Stack.Product.Config)...)
	cmd.Env = os.Environ()
	for name, value := range h.Stack.Product.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// restored is what a person does after a remediation that was not let.
func (h *house) restored(t *testing.T) {
	t.Helper()
	if _, err := seed.RestoreMemory(t.Context(), h.Stack); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the alert to resolve", time.Minute, func(ctx context.Context) (bool, error) {
		firing, err := h.Firing(ctx, "ContainerOOMKilled")
		m, memErr := h.Memory(ctx, "checkout")
		return !firing && m == "512Mi", errors.Join(err, memErr)
	}); err != nil {
		t.Fatal(err)
	}
}

// reconfigured restarts the product with some keys of its configuration changed; undo brings the former ones back.
func (h *house) reconfigured(t *testing.T, change func(config map[string]any)) (undo func()) {
	t.Helper()
	before, err := os.ReadFile(h.Stack.Product.Config)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(before, &config); err != nil {
		t.Fatal(err)
	}
	change(config)
	after, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	restart := func(content []byte) {
		if err := errors.Join(os.WriteFile(h.Stack.Product.Config, content, 0o600), h.sup.Restart("cortexops")); err != nil {
			t.Fatal(err)
		}
	}
	restart(after)
	return func() { restart(before) }
}

// comment says something on a pull request as sam.
func (h *house) comment(t *testing.T, p Pull, body string) {
	t.Helper()
	if err := h.forge(t.Context(), "sam", http.MethodPost, fmt.Sprintf("/issues/%d/comments", p.Number), map[string]string{"body": body}, nil); err != nil {
		t.Fatal(err)
	}
}

// comments are what was said on a pull request, the newest last.
func (h *house) comments(t *testing.T, p Pull) string {
	t.Helper()
	var list []struct{ Body string }
	if err := h.forge(t.Context(), "sam", http.MethodGet, fmt.Sprintf("/issues/%d/comments", p.Number), nil, &list); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, c := range list {
		all.WriteString(c.Body + "\n")
	}
	return all.String()
}

// check is the state of a check on a pull request's head, and what it says; "" where there is none.
func (h *house) check(t *testing.T, p Pull, name string) string {
	t.Helper()
	var all struct {
		Statuses []struct{ Context, State, Description string }
	}
	if err := h.forge(t.Context(), "sam", http.MethodGet, "/commits/"+p.Head.SHA+"/status", nil, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.Statuses {
		if s.Context == name {
			return s.State + " " + s.Description
		}
	}
	return ""
}
