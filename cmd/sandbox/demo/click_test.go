package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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

// reopen is what a person does on the page.
func (h *house) reopen(t *testing.T, p Pull) {
	t.Helper()
	if err := h.forge(t.Context(), "sam", http.MethodPatch, fmt.Sprintf("/pulls/%d", p.Number), map[string]string{"state": "open"}, nil); err != nil {
		t.Fatal(err)
	}
}

// expires lets the time of a pull request run out, then has it proposed anew.
func expires(t *testing.T, h *house) {
	undo := h.reconfigured(t, hastyPlaybook(t, 5*time.Second))
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	h.ends(t, id, "EXPIRED", "")
	h.shown(t, p, "Too late")
	if p = h.pullOf(t, id); p.State != "closed" || p.MergedAt != nil || !strings.Contains(h.comments(t, p), "`/cortexops retry`") {
		t.Errorf("%+v %s", p, h.comments(t, p))
	}
	h.reopen(t, p)
	second := next(t, id)
	again := h.pullOf(t, second)
	if again.Number == p.Number || !strings.Contains(h.comments(t, p), "Planned anew") {
		t.Errorf("pull request %d is not told that it is followed by %d", p.Number, again.Number)
	}
	h.ends(t, second, "EXPIRED", "")
	undo()
	h.comment(t, again, "/cortexops retry")
	second = next(t, second)
	again = h.pullOf(t, second)
	if err := h.Approve(t.Context(), "sam", again.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, second, "SUCCEEDED", "pass")
}

// mergedLater opens again what was rejected, and merges it before anybody can close it.
func mergedLater(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	h.comment(t, p, "/cortexops reject not on a Friday")
	h.ends(t, id, "REJECTED", "sam rejected it: not on a Friday")
	if err := wait(t.Context(), "it to be closed", 30*time.Second, func(context.Context) (bool, error) { return h.pullOf(t, id).State == "closed", nil }); err != nil {
		t.Fatal(err)
	}
	if err := h.Hold(t.Context(), http.MethodGet, fmt.Sprintf("/pulls/%d", p.Number)); err != nil { // of who looks whether it is open
		t.Fatal(err)
	}
	h.reopen(t, p)
	if err := wait(t.Context(), "the product to look at what was opened again", 30*time.Second, h.Holding); err != nil {
		t.Fatal(err)
	}
	if err := h.forge(t.Context(), "sam", http.MethodPut, fmt.Sprintf("/pulls/%d/merge", p.Number), map[string]string{"sha": p.Head.SHA}, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := next(t, id)
	if err := wait(t.Context(), "an attempt that begins with the merge", time.Minute, func(ctx context.Context) (bool, error) {
		return slices.Contains(h.remediations(t), later), nil
	}); err != nil {
		t.Fatal(err)
	}
	h.ends(t, later, "SUCCEEDED", "pass")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "512Mi" {
		t.Errorf("the limit is %s, %v", memory, err)
	}
}

// hastyPlaybook gives people so long.
func hastyPlaybook(t *testing.T, within time.Duration) func(config map[string]any) {
	t.Helper()
	return playbookWith(t, "within: 15m", "within: "+within.String())
}

// playbookWith has checkout remediated by a playbook that says something else in one place.
func playbookWith(t *testing.T, old, instead string) func(config map[string]any) {
	t.Helper()
	playbooks := filepath.Join(t.TempDir(), "playbooks")
	return func(config map[string]any) {
		which := config["playbooks"].(map[string]any)
		if err := os.CopyFS(playbooks, os.DirFS(which["directory"].(string))); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(playbooks, "raise-memory-limit", "playbook.yaml")
		text, err := os.ReadFile(file)
		now := strings.Replace(string(text), old, instead, 1)
		if err == nil && now == string(text) {
			t.Fatalf("the playbook does not say %q any more", old)
		}
		if err := errors.Join(err, os.WriteFile(file, []byte(now), 0o600)); err != nil {
			t.Fatal(err)
		}
		which["directory"] = playbooks
	}
}
