package demo

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// whispered waits for what one person alone was told on Slack. It returns how many whispers that person has.
func (h *house) whispered(t *testing.T, user, says string) (n int) {
	t.Helper()
	if err := wait(t.Context(), "Slack to tell "+user+" "+says, time.Minute, func(ctx context.Context) (found bool, err error) {
		var list []struct{ User, Text string }
		n = 0
		if err := h.call(ctx, http.MethodGet, h.Stack.Slack.URL+"/whispers", "", nil, &list); err != nil {
			return false, err
		}
		for _, w := range list {
			if w.User == user {
				n++
				found = found || strings.Contains(w.Text, says)
			}
		}
		return found, nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// refusedOnSlack clicks as somebody who may not push, as somebody whom policy does not count, and too late.
func refusedOnSlack(t *testing.T, h *house) {
	policies := filepath.Join(t.TempDir(), "policies")
	if err := os.CopyFS(policies, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(policies, "approvers.rego"), []byte("package cortexops.people\n\napprovers.shop contains \"sam\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	undo := h.reconfigured(t, func(config map[string]any) {
		config["policies"] = map[string]any{"directory": policies}
		config["slack"].(map[string]any)["users"] = map[string]any{"U0SAM": "sam", "U0DANA": "mallory"}
	})
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	ts := h.shown(t, p, "cortexops_approve")
	if status := h.click(t, ts, "cortexops_approve", "U0DANA", ""); status != http.StatusOK {
		t.Errorf("the click was answered %d", status)
	}
	before := h.whispered(t, "U0DANA", "mallory, your login on the forge, may not push to acme/shop")
	h.reconfigured(t, func(config map[string]any) {
		config["slack"].(map[string]any)["users"] = map[string]any{"U0SAM": "sam", "U0DANA": "dana"}
	})
	h.click(t, ts, "cortexops_approve", "U0DANA", "")
	if n := h.whispered(t, "U0DANA", "Policy counts only the approvals of sam here"); n != before+1 {
		t.Errorf("%d whispers after %d: the first click was told again", n, before)
	}
	if now, err := h.Phase(t.Context(), id); err != nil || now != "APPROVAL_PENDING" {
		t.Errorf("%s, %v", now, err)
	}
	history := h.temporal.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		if e, err := history.Next(); err != nil || strings.Contains(e.String(), "U0DANA") {
			t.Errorf("%v, a user of Slack in %v", err, e)
		}
	}
	if rows := h.rows(t, id); strings.Count(rows, `"step":"refused-slack-`) != 2 {
		t.Errorf("the ledger says\n%s", rows)
	}
	if err := h.temporal.TerminateWorkflow(t.Context(), id, "", "drill"); err != nil { // its message on Slack keeps its buttons
		t.Fatal(err)
	}
	h.click(t, ts, "cortexops_approve", "U0SAM", "")
	h.whispered(t, "U0SAM", "does not count. It has ended.")
	if err := wait(t.Context(), "the pull request to be closed", time.Minute, func(context.Context) (bool, error) {
		return h.pullOf(t, id).State == "closed", nil
	}); err != nil {
		t.Fatal(err)
	}
	undo()
	h.restored(t)
}

// overSocket takes Slack's clicks over Socket Mode.
func overSocket(t *testing.T, h *house) {
	undo := h.reconfigured(t, func(config map[string]any) { config["slack"].(map[string]any)["mode"] = "socket" })
	opened := h.socketed(t, 0)
	h.becomes(t, "slack", "ok")
	id := h.begun(t, "APPROVAL_PENDING")
	ts := h.shown(t, h.pullOf(t, id), "cortexops_approve")
	for _, reason := range []string{"warning", "refresh_requested"} {
		if err := h.call(t.Context(), http.MethodPost, h.Stack.Slack.URL+"/disconnect", "", map[string]string{"reason": reason}, nil); err != nil {
			t.Fatal(err)
		}
		opened = h.socketed(t, opened)
	}
	if err := h.sup.Stop("nats"); err != nil {
		t.Fatal(err)
	}
	h.becomes(t, "nats", "failing")
	if status := h.click(t, ts, "cortexops_approve", "U0SAM", ""); status != 0 {
		t.Errorf("a click that the bus does not have was answered %d", status)
	}
	if err := h.sup.Restart("nats"); err != nil {
		t.Fatal(err)
	}
	h.becomes(t, "nats", "ok")
	if now, err := h.Phase(t.Context(), id); err != nil || now != "APPROVAL_PENDING" {
		t.Errorf("%s, %v", now, err)
	}
	if status := h.click(t, ts, "cortexops_approve", "U0SAM", ""); status != http.StatusOK {
		t.Errorf("the click was answered %d", status)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	undo()
}

// socketed waits until the product holds one connection that was not there before, and returns how many there were.
func (h *house) socketed(t *testing.T, before int) int {
	t.Helper()
	var now struct{ Open, Opened int }
	if err := wait(t.Context(), "a socket", time.Minute, func(ctx context.Context) (bool, error) {
		err := h.call(ctx, http.MethodGet, h.Stack.Slack.URL+"/socket", "", nil, &now)
		return now.Open == 1 && now.Opened > before, err
	}); err != nil {
		t.Fatal(err)
	}
	return now.Opened
}
