package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// TestOperations breaks things, one after another, on one stack, and sees what docs/operations.md says of each.
func TestOperations(t *testing.T) {
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
		{"a click while Temporal is away counts", temporalAway},
		{"a click on Slack approves", approvedOnSlack},
		{"a click on Slack rejects, with its reason", rejectedOnSlack},
		{"a model that hangs is not waited for, and one that answers is named", modelInTrouble},
		{"a denial ends it, before a pull request and after", denied},
		{"a workflow terminated by hand leaves no open pull request", terminatedByHand},
		{"a NATS that is full refuses, and loses nothing that was taken", natsFull},
		{"partitions move between two processes", partitionsMove},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, h) }) {
			t.FailNow() // the world is not as the next part expects it
		}
	}
}

// health is what /debug/healthz says of one component.
func (w *World) health(ctx context.Context, component string) (status string, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // it answers within that, whatever hangs
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Stack.Product.URL+"/debug/healthz", nil)
	if err != nil {
		return "", 0, err
	}
	began := time.Now()
	res, err := w.http.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	var said struct {
		Components []struct{ Name, Status string }
	}
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil {
		return "", 0, err
	}
	for _, c := range said.Components {
		if c.Name == component {
			return c.Status, time.Since(began), nil
		}
	}
	return "", 0, fmt.Errorf("/debug/healthz does not know %q", component)
}

func (h *house) becomes(t *testing.T, component, status string) {
	t.Helper()
	if err := wait(t.Context(), component+" to be "+status, 20*time.Second, func(ctx context.Context) (bool, error) {
		now, _, err := h.health(ctx, component)
		return now == status, err
	}); err != nil {
		t.Fatal(err)
	}
}

func healthWhileHanging(t *testing.T, h *house) {
	for part, component := range map[string]string{"temporal": "temporal", "nats": "nats", "forge": "forge", "prometheus": "prometheus", "kube": "kubernetes"} {
		h.becomes(t, component, "ok")
		if err := h.sup.Pause(part); err != nil {
			t.Fatal(err)
		}
		h.becomes(t, component, "failing")
		if err := h.sup.Resume(part); err != nil {
			t.Fatal(err)
		}
		h.becomes(t, component, "ok")
	}
}

func countedAcrossRestart(t *testing.T, h *house) {
	accepted, duplicates := 0, 0
	send := func(n int) int {
		body := fmt.Sprintf(`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Counted","n":"%d"},
			"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"c%d"}]}`, n, n)
		status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(body))
		return status
	}
	before := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`)
	again := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`)
	for n := range 40 {
		if n == 20 {
			if err := h.sup.Kill("nats"); err != nil {
				t.Fatal(err)
			}
			if status := send(n); status != http.StatusServiceUnavailable {
				t.Errorf("without NATS the answer is %d, want 503", status)
			}
			if err := h.sup.Restart("nats"); err != nil {
				t.Fatal(err)
			}
		}
		if err := wait(t.Context(), "the webhook to be taken", 20*time.Second, func(context.Context) (bool, error) { return send(n) == http.StatusAccepted, nil }); err != nil {
			t.Fatal(err)
		}
		accepted++
		if n%4 == 0 {
			if status := send(n); status != http.StatusAccepted {
				t.Errorf("told again: %d", status)
			}
			duplicates++
		}
	}
	if got := h.metric(t, `cortexops_events_ingested_total{source="alertmanager"}`) - before; got != float64(accepted) {
		t.Errorf("%v signals were counted, %d accepted", got, accepted)
	}
	if got := h.metric(t, `cortexops_events_duplicate_total{source="alertmanager"}`) - again; got < float64(duplicates) {
		t.Errorf("%v duplicates were counted, at least %d were sent", got, duplicates)
	}
}

// metric of the product itself, now.
func (h *house) metric(t *testing.T, name string) (value float64) {
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
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	return 0
}

// begun lowers checkout's limit and waits until its remediation is in the phase.
func (h *house) begun(t *testing.T, phase string) (workflowID string) {
	t.Helper()
	known := h.remediations(t)
	if _, err := seed.LowerMemory(t.Context(), h.Stack); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "a remediation to be "+phase, 2*time.Minute, func(ctx context.Context) (bool, error) {
		for _, id := range h.remediations(t) {
			if !slices.Contains(known, id) {
				workflowID = id
				now, err := h.Phase(ctx, id)
				return now == phase, err
			}
		}
		return false, nil
	}); err != nil {
		t.Fatal(err)
	}
	return workflowID
}

func (h *house) remediations(t *testing.T) (ids []string) {
	t.Helper()
	list, err := h.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: h.Stack.Temporal.Namespace,
		Query: `WorkflowType="Remediate"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.GetExecutions() {
		ids = append(ids, e.GetExecution().GetWorkflowId())
	}
	return ids
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

func (h *house) ends(t *testing.T, workflowID, phase, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := h.Outcome(ctx, workflowID)
	if err != nil || out.Phase != phase || !strings.Contains(out.Reason, why) {
		t.Fatalf("%+v %v, want %s because of %q", out, err, phase, why)
	}
}

// product runs a command of the product and returns what it said.
func (h *house) product(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.says(t, args...)
	if err != nil {
		t.Fatalf("cortexops %v: %v: %s", args, err, out)
	}
	return out
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

func missingPermission(t *testing.T, h *house) {
	roles := h.kube.RbacV1().ClusterRoles()
	role, err := roles.Get(t.Context(), "cortexops-worker", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole := role.DeepCopy()
	for i, r := range role.Rules {
		role.Rules[i].Verbs = slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v == "patch" })
	}
	if _, err := roles.Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	id := h.begun(t, "DRY_RUNNING")
	incident := strings.Split(id, "/")[1]
	if err := wait(t.Context(), "the failure to be named", time.Minute, func(ctx context.Context) (bool, error) {
		return strings.Contains(h.product(t, "ledger", "show", incident), "held-1"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if said := h.product(t, "ledger", "show", incident); !strings.Contains(said, "patch") || !strings.Contains(said, "deployments") {
		t.Errorf("the ledger does not name the rule that is missing:\n%s", said)
	}
	if types := h.failures(t, id); !slices.Contains(types, "Unauthorized") {
		t.Errorf("failures in Temporal are of types %v", types)
	}
	h.shownOf(t, incident, `verbs: [\"patch\"]`)
	if err := wait(t.Context(), "it to be counted as waiting there", 30*time.Second, func(context.Context) (bool, error) {
		return h.metric(t, `cortexops_remediations_open{phase="DRY_RUNNING"}`) == 1, nil
	}); err != nil {
		t.Error(err)
	}
	h.alert(t, "CortexOpsDryRunLooping", true)
	whole.ResourceVersion = ""
	if _, err := roles.Update(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: whole.Name}, Rules: whole.Rules}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	h.product(t, "retry", incident)
	p := h.pullOf(t, id)
	h.alert(t, "CortexOpsDryRunLooping", false)
	h.alert(t, "CortexOpsApprovalStuck", true)
	if err := h.approved(t.Context(), h.tell, p); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	h.alert(t, "CortexOpsApprovalStuck", false)
}

// credentialsRotated takes the forge's token away and gives it back within the two minutes in which nobody is asked.
func credentialsRotated(t *testing.T, h *house) {
	file, env := filepath.Join(t.TempDir(), "token"), h.Stack.Product.Env
	token := env["CORTEXOPS_FORGE_TOKEN"]
	holds := func(s string) {
		if err := os.WriteFile(file, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := func() {
		if err := h.sup.Restart("cortexops"); err != nil {
			t.Fatal(err)
		}
	}
	holds(token)
	delete(env, "CORTEXOPS_FORGE_TOKEN")
	env["CORTEXOPS_FORGE_TOKEN_FILE"] = file
	again()
	holds("of yesterday")
	id := h.begun(t, "PLANNING")
	if err := wait(t.Context(), "the failure in Temporal", time.Minute, func(context.Context) (bool, error) {
		return slices.Contains(h.failures(t, id), "Unauthorized"), nil
	}); err != nil {
		t.Fatal(err)
	}
	holds(token)
	if err := h.Approve(t.Context(), "sam", h.pullOf(t, id).Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	if rows := h.product(t, "ledger", "show", strings.Split(id, "/")[1]); strings.Contains(rows, "held-") {
		t.Errorf("people were asked about a token that was being rotated:\n%s", rows)
	}
	delete(env, "CORTEXOPS_FORGE_TOKEN_FILE")
	env["CORTEXOPS_FORGE_TOKEN"] = token
	again()
}

// failures are the types of the failed activities in a workflow's history.
func (h *house) failures(t *testing.T, workflowID string) (types []string) {
	t.Helper()
	events := h.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f := e.GetActivityTaskFailedEventAttributes(); f != nil {
			types = append(types, f.GetFailure().GetApplicationFailureInfo().GetType())
		}
	}
	return types
}

func silenceAsks(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.approved(t.Context(), h.tell, p); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the verification", time.Minute, func(ctx context.Context) (bool, error) {
		now, err := h.Phase(ctx, id)
		return now == "VERIFYING", err
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.sup.Pause("prometheus"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.sup.Resume("prometheus") })
	var question string
	if err := wait(t.Context(), "the question", 2*time.Minute, func(ctx context.Context) (bool, error) {
		var comments []struct{ Body string }
		err := h.forge(ctx, "sam", http.MethodGet, fmt.Sprintf("/issues/%d/comments", p.Number), nil, &comments)
		for _, c := range comments {
			if strings.Contains(c.Body, "/cortexops keep") {
				question = c.Body
			}
		}
		return question != "", err
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.sup.Resume("prometheus"); err != nil {
		t.Fatal(err)
	}
	if err := h.forge(t.Context(), "sam", http.MethodPost, fmt.Sprintf("/issues/%d/comments", p.Number), map[string]string{"body": "/cortexops keep"}, nil); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "sam looked and kept it")
}

func temporalAway(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.sup.Pause("temporal"); err != nil {
		t.Fatal(err)
	}
	h.becomes(t, "temporal", "failing")
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	if status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(
		`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Meanwhile"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"m"}]}`)); status != http.StatusAccepted {
		t.Errorf("a signal without Temporal: %d", status)
	}
	if now, err := WorkloadWrites(h.Stack.Kube.AuditLog); err != nil || Applied(now) != Applied(writes) {
		t.Errorf("something was applied without Temporal: %v", err)
	}
	if err := h.sup.Resume("temporal"); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	if now, err := WorkloadWrites(h.Stack.Kube.AuditLog); err != nil || Applied(now) != Applied(writes)+1 {
		t.Errorf("%d applies, %v", Applied(now)-Applied(writes), err)
	}
}

func terminatedByHand(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.temporal.TerminateWorkflow(t.Context(), id, "", "drill"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the pull request to be closed", time.Minute, func(ctx context.Context) (bool, error) {
		p = h.pullOf(t, id)
		return p.State == "closed", nil
	}); err != nil {
		t.Fatal(err)
	}
	labelled := false
	for _, l := range p.Labels {
		labelled = labelled || l.Name == "cortexops/terminated"
	}
	var comments []struct{ Body string }
	if err := h.forge(t.Context(), "sam", http.MethodGet, fmt.Sprintf("/issues/%d/comments", p.Number), nil, &comments); err != nil {
		t.Fatal(err)
	}
	if !labelled || p.MergedAt != nil || len(comments) == 0 || !strings.Contains(comments[len(comments)-1].Body, "drill") {
		t.Errorf("%+v %v", p, comments)
	}
}

// shown waits for the message of a pull request on Slack, in the words of conversations.history.
func (h *house) shown(t *testing.T, p Pull, says string) (ts string) {
	t.Helper()
	return h.shownOf(t, p.URL, says)
}

// shownOf waits for a message on Slack that holds both texts.
func (h *house) shownOf(t *testing.T, of, says string) (ts string) {
	t.Helper()
	if err := wait(t.Context(), "Slack to say "+says, time.Minute, func(ctx context.Context) (bool, error) {
		var err error
		ts, err = h.Message(ctx, of, says)
		return ts != "", err
	}); err != nil {
		t.Fatal(err)
	}
	return ts
}

// click presses a button as a person on Slack and returns what the product answered.
func (h *house) click(t *testing.T, ts, button, user, reason string) int {
	t.Helper()
	var answer struct{ Status int }
	if err := h.call(t.Context(), http.MethodPost, h.Stack.Slack.URL+"/click", "", map[string]string{"ts": ts, "action_id": button, "user": user, "reason": reason}, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status
}

func approvedOnSlack(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	ts := h.shown(t, p, "cortexops_approve")
	if status := h.click(t, ts, "cortexops_approve", "U0SAM", ""); status != http.StatusOK {
		t.Errorf("the click was answered %d", status)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	h.shown(t, p, "It worked")
	log, err := h.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	merge := h.pullOf(t, id).MergeSHA
	for _, c := range log {
		if c.SHA == merge && c.Trailer("Approved-by") != "sam" {
			t.Errorf("the merge does not say who approved it: %+v", c)
		}
	}
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

func rejectedOnSlack(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	ts := h.shown(t, p, "cortexops_reject")
	h.click(t, ts, "cortexops_reject", "U0SAM", "not on a Friday")
	h.ends(t, id, "REJECTED", "not on a Friday")
	if p = h.pullOf(t, id); p.State != "closed" || p.MergedAt != nil {
		t.Errorf("%+v", p)
	}
	h.shown(t, p, "Rejected")
	h.restored(t)
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

// modelInTrouble holds a pull request's words to a model that never answers, and to one that answers well.
func modelInTrouble(t *testing.T, h *house) {
	asked := make(chan struct{}, 100)
	var well atomic.Bool
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
			if !well.Load() {
				<-r.Context().Done()
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		content := `{"cause":"The limit is below what the model saw.","evidence":[{"alert":"ContainerOOMKilled","says":"it is killed again and again"}]}`
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "1", "object": "chat.completion", "created": 1, "model": "test",
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": content}}},
			"usage":   map[string]any{"prompt_tokens": 321, "completion_tokens": 12, "total_tokens": 333}})
	}))
	t.Cleanup(model.Close)
	undo := h.reconfigured(t, func(config map[string]any) {
		config["llm"] = map[string]any{"baseURL": model.URL + "/v1", "model": "test", "deadline": "2s"}
	})
	for _, c := range []struct {
		well bool
		by   string
	}{{false, "Words by heuristics"}, {true, "Words by llm (test)"}} {
		well.Store(c.well)
		id := h.begun(t, "APPROVAL_PENDING")
		p := h.pullOf(t, id)
		if !strings.Contains(p.Body, c.by) || len(asked) == 0 {
			t.Errorf("asked %d times; the pull request does not say %q:\n%.1500s", len(asked), c.by, p.Body)
		}
		if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
			t.Fatal(err)
		}
		h.ends(t, id, "SUCCEEDED", "pass")
	}
	if n := h.metric(t, `cortexops_llm_tokens_total{kind="prompt",model="test"}`); n != 321 {
		t.Errorf("%v prompt tokens are counted", n)
	}
	h.panels(t)
	undo()
}

// panels asks Prometheus what each panel of the dashboard shows: some number, for each of its queries.
func (h *house) panels(t *testing.T) {
	t.Helper()
	res, err := h.http.Post(h.Stack.Product.URL+"/webhooks/alertmanager", "application/json", strings.NewReader("{")) // so that something was rejected
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	var dashboard struct {
		Panels []panel `json:"panels"`
	}
	data, err := os.ReadFile("../../../manifests/grafana/cortexops.json")
	if err == nil {
		err = json.Unmarshal(data, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for len(dashboard.Panels) > 0 {
		p := dashboard.Panels[0]
		dashboard.Panels = append(dashboard.Panels[1:], p.Panels...)
		for _, target := range p.Targets {
			asked++
			query := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			if err := wait(t.Context(), p.Title+" to show something", time.Minute, func(ctx context.Context) (bool, error) {
				value, ok, err := h.Query(ctx, query)
				return ok && value != "NaN", err
			}); err != nil {
				t.Errorf("%v: %s", err, query)
			}
		}
	}
	if asked < 20 {
		t.Errorf("the dashboard has %d queries", asked)
	}
}

type panel struct {
	Title   string  `json:"title"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

// denied tells of a policy that refuses before there is a pull request, and of one that refuses what was approved.
func denied(t *testing.T, h *house) {
	policies := filepath.Join(t.TempDir(), "policies")
	if err := os.CopyFS(policies, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	deny := []byte("package cortexops.rules\n\ndenials contains \"no changes during the drill\"\n")
	withPolicies := func(config map[string]any) { config["policies"] = map[string]any{"directory": policies} }

	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := os.WriteFile(filepath.Join(policies, "drill.rego"), deny, 0o600); err != nil {
		t.Fatal(err)
	}
	undo := h.reconfigured(t, withPolicies)
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "DENIED", "no changes during the drill")
	if p = h.pullOf(t, id); p.State != "closed" || p.MergedAt != nil {
		t.Errorf("%+v", p)
	}
	var checks struct {
		Statuses []struct{ Context, State string }
	}
	if err := h.forge(t.Context(), "sam", http.MethodGet, "/commits/"+p.Head.SHA+"/status", nil, &checks); err != nil {
		t.Fatal(err)
	}
	for _, s := range checks.Statuses {
		if s.Context == "cortexops/policy" && s.State != "failure" {
			t.Errorf("the policy check of a denied change is %s", s.State)
		}
	}

	h.restored(t)
	before, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id = h.begun(t, "DENIED")
	if after, err := h.Pulls(t.Context()); err != nil || len(after) != len(before) {
		t.Errorf("a denied plan made %d pull requests, %v", len(after)-len(before), err)
	}
	if rows := h.product(t, "ledger", "show", strings.Split(id, "/")[1]); !strings.Contains(rows, "policy_violation") || strings.Contains(rows, "push-branch") {
		t.Errorf("the ledger says:\n%s", rows)
	}
	undo()
	h.restored(t)
}
