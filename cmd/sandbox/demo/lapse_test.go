package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// lapses lets the time of a fix run out twice. What one merge restores is the trouble again, which is remediated again, and that
// fix is kept.
func lapses(t *testing.T, h *house) {
	undo := h.reconfigured(t, playbookWith(t, "rollback: revert", "rollback: revert\nttl: 1m"))
	before, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	id := h.begun(t, "APPROVAL_PENDING")
	restored := h.offered(t, id)
	known := h.remediations(t)
	h.merge(t, restored)
	h.lapsed(t, id, restored, "restored", "merged by sam")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "256Mi" {
		t.Errorf("what was there before is restored, and the limit is %s, %v", memory, err)
	}

	again := h.another(t, known, "APPROVAL_PENDING")
	kept := h.offered(t, again)
	if err := h.forge(t.Context(), "sam", http.MethodPatch, fmt.Sprintf("/pulls/%d", kept.Number), map[string]string{"state": "closed"}, nil); err != nil {
		t.Fatal(err)
	}
	h.lapsed(t, again, kept, "kept", "closed by sam")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "512Mi" {
		t.Errorf("the fix is kept, and the limit is %s, %v", memory, err)
	}
	after, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if n := Applied(after) - Applied(before); err != nil || n != 3 {
		t.Errorf("%d applies of two fixes and what was there before one of them, %v", n, err)
	}
	undo()
}

// offered approves a remediation, and waits until its time is over and people are asked.
func (h *house) offered(t *testing.T, id string) (offer Pull) {
	t.Helper()
	p := h.pullOf(t, id)
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	if err := wait(t.Context(), "people to be asked whether it stays", 3*time.Minute, func(ctx context.Context) (bool, error) {
		pulls, err := h.Pulls(ctx)
		i := slices.IndexFunc(pulls, func(o Pull) bool { return o.Head.Ref == p.Head.Ref+"-restore" })
		if err != nil || i < 0 {
			return false, err
		}
		offer = pulls[i]
		return strings.HasPrefix(h.check(t, offer, "cortexops/approval"), "success"), nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("#%d was a fix for **1m**", p.Number), "`512Mi`", "**`256Mi`**", "| no restarts |"} {
		if !strings.Contains(offer.Body, want) {
			t.Errorf("%q is not in the offer:\n%s", want, offer.Body)
		}
	}
	for _, check := range []string{"cortexops/dry-run", "cortexops/policy"} {
		if said := h.check(t, offer, check); !strings.HasPrefix(said, "success") {
			t.Errorf("%s is %q", check, said)
		}
	}
	return offer
}

// lapsed waits for what becomes of the fix, and sees it wherever people look for it.
func (h *house) lapsed(t *testing.T, id string, offer Pull, word, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // it looks once in a minute
	defer cancel()
	var end struct{ Word, Why string }
	err := h.temporal.GetWorkflow(ctx, strings.Replace(id, "remediation/", "expiry/", 1), "").Get(ctx, &end)
	if err != nil || end.Word != word || end.Why != why {
		t.Fatalf("%+v %v, want %s because %s", end, err, word, why)
	}
	if said := h.comments(t, offer); !strings.Contains(said, "### `"+strings.ToUpper(word)+"`") {
		t.Errorf("pull request %d says\n%s", offer.Number, said)
	}
	if rows := h.rows(t, id); !strings.Contains(rows, `"step":"ttl-over"`) {
		t.Errorf("the ledger says\n%s", rows)
	}
}
