package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// missingPermission takes the right to patch away, before there is a pull request and after its merge.
func missingPermission(t *testing.T, h *house) {
	give := h.take(t, "patch")
	id := h.begun(t, "DRY_RUNNING")
	incident := strings.Split(id, "/")[1]
	h.held(t, incident, "held-1")
	if types := h.failures(t, id); !slices.Equal(types, []string{"Unauthorized"}) { // tried once
		t.Errorf("failures in Temporal are of types %v", types)
	}
	h.shownOf(t, incident, `verbs: [\"patch\"]`)
	if log, err := os.ReadFile(filepath.Join(h.Stack.Dir, "logs", "cortexops.log")); err != nil || !strings.Contains(string(log), `"Unauthorized: waiting for a permission, then say: cortexops retry `+incident) {
		t.Errorf("the log does not say it: %v", err)
	}
	if err := wait(t.Context(), "it to be counted as waiting there", 30*time.Second, func(context.Context) (bool, error) {
		return h.metric(t, `cortexops_remediations_open{phase="DRY_RUNNING"}`) == 1, nil
	}); err != nil {
		t.Error(err)
	}
	h.alert(t, "CortexOpsDryRunLooping", true)
	give()
	h.product(t, "retry", incident)
	p := h.pullOf(t, id)
	h.alert(t, "CortexOpsDryRunLooping", false)
	h.alert(t, "CortexOpsApprovalStuck", true)
	h.visible(t, id, p)

	give = h.take(t, "patch")
	if err := h.approved(t.Context(), h.tell, p); err != nil {
		t.Fatal(err)
	}
	h.held(t, incident, "held-2")
	if said := h.check(t, p, "cortexops/verify"); !strings.HasPrefix(said, "failure ") || !strings.Contains(said, `verbs: ["patch"]`) || !strings.Contains(said, `resources: ["deployments"]`) {
		t.Errorf("the pull request's check says %q", said)
	}
	if said := h.comments(t, p); !strings.Contains(said, "/cortexops retry") || !strings.Contains(said, `verbs: ["patch"]`) {
		t.Errorf("the pull request was told %s", said)
	}
	give()
	h.comment(t, p, "/cortexops retry")
	h.ends(t, id, "SUCCEEDED", "pass")
	h.alert(t, "CortexOpsApprovalStuck", false)
}

// take takes a verb away from CortexOps's role; give gives it back.
func (h *house) take(t *testing.T, verb string) (give func()) {
	t.Helper()
	roles := h.kube.RbacV1().ClusterRoles()
	role, err := roles.Get(t.Context(), "cortexops-worker", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole := role.DeepCopy()
	for i, r := range role.Rules {
		role.Rules[i].Verbs = slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v == verb })
	}
	if _, err := roles.Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := roles.Update(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: whole.Name}, Rules: whole.Rules}, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// held waits for the row of a remediation that waits for a permission, and wants the rule in it.
func (h *house) held(t *testing.T, incident, step string) {
	t.Helper()
	if err := wait(t.Context(), "the failure to be named", time.Minute, func(ctx context.Context) (bool, error) {
		return strings.Contains(h.product(t, "ledger", "show", incident), step), nil
	}); err != nil {
		t.Fatal(err)
	}
	if said := h.product(t, "ledger", "show", incident); !strings.Contains(said, "patch") || !strings.Contains(said, "deployments") {
		t.Errorf("the ledger does not name the rule that is missing:\n%s", said)
	}
}

// visible is what the Temporal UI shows of a remediation that waits for its approval, and finds it by.
func (h *house) visible(t *testing.T, id string, p Pull) {
	t.Helper()
	query := fmt.Sprintf(`CortexOpsPhase="APPROVAL_PENDING" AND CortexOpsIncident=%q AND CortexOpsTarget="sandbox/apps/Deployment/shop/checkout"`, strings.Split(id, "/")[1])
	if err := wait(t.Context(), "one remediation with "+query, 20*time.Second, func(ctx context.Context) (bool, error) {
		list, err := h.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: h.Stack.Temporal.Namespace, Query: query})
		return len(list.GetExecutions()) == 1, err
	}); err != nil {
		t.Error(err)
	}
	answer, err := h.temporal.QueryWorkflow(t.Context(), id, "", "__temporal_workflow_metadata") // as the UI does
	if err != nil {
		t.Fatal(err)
	}
	var shown sdkpb.WorkflowMetadata
	if err := answer.Get(&shown); err != nil {
		t.Fatal(err)
	}
	if d := shown.GetCurrentDetails(); !strings.Contains(d, p.URL) || !regexp.MustCompile(`waits for 1 approval\(s\) until \d\d:\d\d:\d\d UTC`).MatchString(d) {
		t.Errorf("the workflow's details are %q", d)
	}
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
	if rows := h.rows(t, id); strings.Contains(rows, "held-") {
		t.Errorf("people were asked about a token that was being rotated:\n%s", rows)
	}
	delete(env, "CORTEXOPS_FORGE_TOKEN_FILE")
	env["CORTEXOPS_FORGE_TOKEN"] = token
	again()
}

// failures are the types of the failed activities in a workflow's history, and after how many tries if that was not the first.
func (h *house) failures(t *testing.T, workflowID string) (types []string) {
	t.Helper()
	tries := map[int64]int32{}
	events := h.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if begun := e.GetActivityTaskStartedEventAttributes(); begun != nil {
			tries[e.GetEventId()] = begun.GetAttempt()
		}
		if f := e.GetActivityTaskFailedEventAttributes(); f != nil {
			kind := f.GetFailure().GetApplicationFailureInfo().GetType()
			if n := tries[f.GetStartedEventId()]; n != 1 {
				kind += fmt.Sprintf(" after %d tries", n)
			}
			types = append(types, kind)
		}
	}
	return types
}
