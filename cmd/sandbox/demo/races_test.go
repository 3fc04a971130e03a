package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// open is how long a pull request of the hasty playbook waits for people.
const open = 30 * time.Second

// TestRaces lets two things happen at about the same time to one pull request, and sees which of them counts.
func TestRaces(t *testing.T) {
	t.Parallel()
	h := start(t)
	policies := t.TempDir()
	if err := os.CopyFS(policies, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	undo := h.reconfigured(t, hastyPlaybook(t, open))
	for _, race := range []struct {
		name   string
		before func() // it begins
		do     func(t *testing.T, h *house, p Pull)
		phase  string
		why    string
	}{
		{"a click one second before the deadline", nil, func(t *testing.T, h *house, p Pull) {
			ts := h.shown(t, p, "cortexops_approve")
			until(t, p, open-time.Second)
			h.click(t, ts, "cortexops_approve", "U0SAM", "")
		}, "SUCCEEDED", "pass"},
		{"a merge one second before the deadline", nil, func(t *testing.T, h *house, p Pull) {
			until(t, p, open-time.Second)
			h.merge(t, p)
		}, "SUCCEEDED", "pass"},
		{"a merge one second after the deadline", nil, func(t *testing.T, h *house, p Pull) {
			until(t, p, open+time.Second)
			h.merge(t, p)
		}, "SUCCEEDED", "pass"},
		{"a merge while it is closed because its time is over", nil, mergedWhileClosing, "SUCCEEDED", "pass"},
		{"a click one second after the deadline", nil, func(t *testing.T, h *house, p Pull) {
			ts := h.shown(t, p, "cortexops_approve")
			until(t, p, open+time.Second)
			h.click(t, ts, "cortexops_approve", "U0SAM", "")
		}, "EXPIRED", "0 of 1 approvals are there, and it was open until"},
		{"a click while Temporal is away", undo, clickedWithoutTemporal, "SUCCEEDED", "pass"},
		{"a merge while Temporal is away", nil, mergedWithoutTemporal, "SUCCEEDED", "pass"},
		{"a push after the approval", nil, pushedAfterApproval, "REJECTED", "what was approved is not what would be merged"},
		{"the base moves under the same file", nil, movedUnderFile, "SUCCEEDED", "pass"},
		{"the base moves under another file", nil, movedElsewhere, "SUCCEEDED", "pass"},
		{"another owner of the field after the approval", nil, ownedByAnother, "ESCALATED", "autoscaler"},
		{"a second incident on its target", nil, secondIncident, "SUCCEEDED", "pass"},
		{"a pause between the approval and the merge", nil, pausedAfterApproval, "SUCCEEDED", "pass"},
		{"a merge of what policy denies by now", func() {
			h.reconfigured(t, func(config map[string]any) { config["policies"] = map[string]any{"directory": policies} })
		}, func(t *testing.T, h *house, p Pull) {
			deny := []byte("package cortexops.rules\n\ndenials contains \"no changes during the drill\"\n")
			if err := os.WriteFile(filepath.Join(policies, "drill.rego"), deny, 0o600); err != nil {
				t.Fatal(err)
			}
			h.reconfigured(t, func(map[string]any) {}) // it need not wait until the folder is read again
			h.merge(t, p)
		}, "ESCALATED", "merged, but policy refuses to apply it: [no changes during the drill]; merging pull request"},
	} {
		if race.before != nil {
			race.before()
		}
		if !t.Run(race.name, func(t *testing.T) {
			writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
			if err != nil {
				t.Fatal(err)
			}
			id := h.begun(t, "APPROVAL_PENDING")
			race.do(t, h, h.pullOf(t, id))
			h.ends(t, id, race.phase, race.why)
			h.settled(t, id, race.phase, writes)
		}) {
			t.FailNow() // the world is not as the next one expects it
		}
	}
}

// settled sees that exactly what the ending says has happened, and puts back what nobody was let mend.
func (h *house) settled(t *testing.T, id, phase string, before []WorkloadWrite) {
	t.Helper()
	now, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	applied, want := Applied(now)-Applied(before), 0
	if phase == "SUCCEEDED" {
		want = 1
	}
	p, merged := h.pullOf(t, id), slices.Contains([]string{"SUCCEEDED", "ESCALATED"}, phase)
	if applied != want || p.State != "closed" || (p.MergedAt != nil) != merged {
		t.Errorf("%d applies after %s of %+v", applied, phase, p)
	}
	if out, err := h.says(t, "ledger", "verify"); err != nil {
		t.Errorf("%s %v", out, err)
	}
	if phase == "EXPIRED" || phase == "REJECTED" {
		h.restored(t)
	}
}

// mergedWhileClosing keeps back what the forge says to our closing, and opens it again and merges it meanwhile.
func mergedWhileClosing(t *testing.T, h *house, p Pull) {
	if err := h.Hold(t.Context(), http.MethodPatch, fmt.Sprintf("/pulls/%d", p.Number)); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), "the product to close it", 2*time.Minute, h.Holding); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, p)
	h.merge(t, p)
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func clickedWithoutTemporal(t *testing.T, h *house, p Pull) {
	ts := h.shown(t, p, "cortexops_approve")
	h.withoutTemporal(t, func() {
		if status := h.click(t, ts, "cortexops_approve", "U0SAM", ""); status != http.StatusOK {
			t.Errorf("the click was answered %d", status)
		}
		if status, _ := h.post(t, "/webhooks/alertmanager", h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"], strings.NewReader(
			`{"version":"4","status":"resolved","receiver":"r","alerts":[{"status":"resolved","labels":{"alertname":"Meanwhile"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:01:00Z","fingerprint":"m"}]}`)); status != http.StatusAccepted {
			t.Errorf("a signal without Temporal: %d", status)
		}
	})
}

func mergedWithoutTemporal(t *testing.T, h *house, p Pull) {
	h.withoutTemporal(t, func() { h.merge(t, p) })
}

// pushedAfterApproval leaves the pull request, and what a person pushed to it, to that person.
func pushedAfterApproval(t *testing.T, h *house, p Pull) {
	var theirs string
	h.between(t, p, func() {
		sha, err := seed.MoreMemory(t.Context(), h.Stack, p.Head.Ref)
		if err != nil {
			t.Fatal(err)
		}
		theirs = sha
	})
	id := workflowOf(p.Head.Ref)
	h.ends(t, id, "REJECTED", "")
	if p = h.pullOf(t, id); p.State != "open" || p.Head.SHA != theirs {
		t.Errorf("a person had pushed %s: %+v", theirs, p)
	}
	if err := h.forge(t.Context(), "sam", http.MethodPatch, fmt.Sprintf("/pulls/%d", p.Number), map[string]string{"state": "closed"}, nil); err != nil {
		t.Fatal(err)
	}
}

func movedUnderFile(t *testing.T, h *house, p Pull) {
	h.between(t, p, func() {
		if _, err := seed.ExplainMemory(t.Context(), h.Stack); err != nil {
			t.Fatal(err)
		}
	})
	h.told(t, p, "as it was when this was planned")
	if err := wait(t.Context(), "another commit at its head, waiting for people", time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := h.Pulls(ctx)
		for _, one := range pulls {
			if one.Number == p.Number && one.Head.SHA != p.Head.SHA {
				phase, err := h.Phase(ctx, workflowOf(p.Head.Ref))
				return phase == "APPROVAL_PENDING", err
			}
		}
		return false, err
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
}

// movedElsewhere asks nobody again: the approved head is what is merged.
func movedElsewhere(t *testing.T, h *house, p Pull) {
	h.between(t, p, func() {
		if _, err := seed.MoveBase(t.Context(), h.Stack); err != nil {
			t.Fatal(err)
		}
	})
	h.told(t, p, "`MERGING` goes on")
	if now := h.pullOf(t, workflowOf(p.Head.Ref)); now.Head.SHA != p.Head.SHA {
		t.Errorf("the head was %s when it was approved, and is %s", p.Head.SHA, now.Head.SHA)
	}
}

// ownedByAnother has a vertical autoscaler, as it were, set the limit: it is not taken from it by force.
func ownedByAnother(t *testing.T, h *house, p Pull) {
	force := true
	owns := func(spec string) {
		t.Helper()
		object := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"checkout"}` + spec + `}`
		if _, err := h.kube.AppsV1().Deployments(Namespace).Patch(t.Context(), "checkout", types.ApplyPatchType, []byte(object),
			metav1.PatchOptions{FieldManager: "autoscaler", Force: &force}); err != nil {
			t.Fatal(err)
		}
	}
	h.between(t, p, func() {
		owns(`,"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"300Mi"}}}]}}}`)
	})
	h.ends(t, workflowOf(p.Head.Ref), "ESCALATED", "autoscaler")
	owns("")
}

// secondIncident begins a second remediation of what one is at work on, as another incident would.
func secondIncident(t *testing.T, h *house, p Pull) {
	id := workflowOf(p.Head.Ref)
	history, err := h.temporal.WorkflowService().GetWorkflowExecutionHistory(t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: h.Stack.Temporal.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id}, MaximumPageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	began := history.GetHistory().GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	first, other := strings.Split(id, "/")[1], "ffffffffffff"
	input := began.GetInput()
	input.Payloads[0].Data = []byte(strings.Replace(string(input.Payloads[0].Data), `"incident":"`+first+`"`, `"incident":"`+other+`"`, 1))
	second := strings.Replace(id, first, other, 1)
	_, err = h.temporal.WorkflowService().StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{Namespace: h.Stack.Temporal.Namespace,
		WorkflowId: second, WorkflowType: began.GetWorkflowType(), TaskQueue: &taskqueuepb.TaskQueue{Name: began.GetTaskQueue().GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		Input: input, RequestId: second})
	if err != nil {
		t.Fatal(err)
	}
	h.ends(t, second, "SUPERSEDED", id+" is at work on")
	h.told(t, p, "Since this was opened")
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
}

// pausedAfterApproval says so wherever people look.
func pausedAfterApproval(t *testing.T, h *house, p Pull) {
	h.says(t, "pause", "--cluster", "another") // does not concern us
	h.between(t, p, func() {
		h.becomes(t, "brakes", "failing")
		if now := h.pullOf(t, workflowOf(p.Head.Ref)); now.State != "open" {
			t.Errorf("a paused change was merged: %+v", now)
		}
	})
	h.told(t, p, "Not paused any more")
	h.told(t, p, "`MERGING` goes on")
	h.becomes(t, "brakes", "ok")
	if out, err := h.says(t, "resume"); err == nil || !strings.Contains(out, "there is no pause of every cluster") {
		t.Errorf("resumed twice: %s", out)
	}
}
