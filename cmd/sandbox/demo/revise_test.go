package demo

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// asksAgain changes what an open pull request asks for: by the word of a person, and because the base moved under what was
// approved.
func asksAgain(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	said := func(what string) {
		t.Helper()
		if err := wait(t.Context(), "the pull request to say "+what, time.Minute, func(context.Context) (bool, error) {
			return strings.Contains(h.comments(t, p), what), nil
		}); err != nil {
			t.Fatalf("%v:\n%s", err, h.comments(t, p))
		}
	}
	another := func() {
		t.Helper()
		before := p.Head.SHA
		if err := wait(t.Context(), "another commit at its head, waiting for people", time.Minute, func(ctx context.Context) (bool, error) {
			p = h.pullOf(t, id)
			phase, err := h.Phase(ctx, id)
			return p.Head.SHA != before && phase == "APPROVAL_PENDING", err
		}); err != nil {
			t.Fatal(err)
		}
	}
	h.comment(t, p, "/cortexops explain")
	said("### Why this change")
	h.comment(t, p, "/cortexops approve memory=1Ti")
	said("1Ti is above 2Gi")
	h.comment(t, p, "/cortexops approve memory=448Mi")
	another()
	said("sam asks for memory 448Mi")
	if !strings.Contains(p.Title+p.Body, "448Mi") {
		t.Errorf("the pull request says:\n%s\n%s", p.Title, p.Body)
	}
	if _, err := seed.ExplainMemory(t.Context(), h.Stack); err != nil {
		t.Fatal(err)
	}
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	another()
	said("as it was when this was planned")
	h.comment(t, p, "/cortexops approve")
	said("say which commit is approved")
	h.comment(t, p, "/cortexops approve memory=512Mi")
	another()
	h.comment(t, p, "/cortexops approve "+p.Head.SHA[:10])
	h.ends(t, id, "SUCCEEDED", "pass")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "512Mi" {
		t.Errorf("the limit is %s, %v", memory, err)
	}
}
