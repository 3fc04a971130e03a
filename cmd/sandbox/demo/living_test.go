package demo

import (
	"context"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// paused holds an approved change until resume, and says so wherever people look.
func paused(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	h.product(t, "pause", "--reason", "the auditors are here")
	h.says(t, "pause", "--cluster", "another") // does not concern us
	told := func(what string) {
		t.Helper()
		if err := wait(t.Context(), "the pull request to say "+what, time.Minute, func(context.Context) (bool, error) {
			return strings.Contains(h.comments(t, p), what), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	told("the auditors are here. An approval is kept")
	h.becomes(t, "brakes", "failing")
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	told("`MERGING` waits")
	if p = h.pullOf(t, id); p.State != "open" {
		t.Errorf("a paused change was merged: %+v", p)
	}
	h.product(t, "resume")
	told("Not paused any more")
	h.ends(t, id, "SUCCEEDED", "pass")
	told("`MERGING` goes on")
	h.becomes(t, "brakes", "ok")
	if out, err := h.says(t, "resume"); err == nil || !strings.Contains(out, "there is no pause of every cluster") {
		t.Errorf("resumed twice: %s", out)
	}
}

// twoOnOneTarget begins a second remediation of what one is at work on, as another incident would.
func twoOnOneTarget(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
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
	if err := wait(t.Context(), "the pull request to tell of it", time.Minute, func(context.Context) (bool, error) {
		return strings.Contains(h.comments(t, p), "Since this was opened"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
}
