package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// TestOperations breaks things, one after another, on one stack, and sees what docs/operations.md says of each.
func TestOperations(t *testing.T) {
	h := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"health is right while a component hangs", healthWhileHanging},
		{"the counter equals what was accepted, across a restart of NATS", countedAcrossRestart},
		{"a missing permission is named, waited for, and retried", missingPermission},
		{"metrics that say nothing ask a person", silenceAsks},
		{"a click while Temporal is away counts", temporalAway},
		{"a workflow terminated by hand leaves no open pull request", terminatedByHand},
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
	out, err := exec.CommandContext(t.Context(), h.Stack.Product.Binary, append(args, "--config", h.Stack.Product.Config)...).CombinedOutput()
	if err != nil {
		t.Fatalf("cortexops %v: %v: %s", args, err, out)
	}
	return string(out)
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
	if n := h.metric(t, `cortexops_remediations_open{phase="DRY_RUNNING"}`); n != 1 {
		t.Errorf("%v remediations are counted as waiting there", n)
	}
	whole.ResourceVersion = ""
	if _, err := roles.Update(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: whole.Name}, Rules: whole.Rules}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	h.product(t, "retry", incident)
	p := h.pullOf(t, id)
	if err := h.approved(t.Context(), h.tell, p); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
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
