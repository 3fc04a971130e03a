package demo

import (
	"context"
	"strings"
	"testing"
	"time"
)

func silenceAsks(t *testing.T, h *house) {
	id := h.begun(t, "APPROVAL_PENDING")
	p := h.pullOf(t, id)
	if err := h.approved(t.Context(), h.tell, p); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, id, "VERIFYING")
	if err := h.sup.Pause("prometheus"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.sup.Resume("prometheus") })
	if err := wait(t.Context(), "the question", 2*time.Minute, func(context.Context) (bool, error) {
		return strings.Contains(h.comments(t, p), "/cortexops keep"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.sup.Resume("prometheus"); err != nil {
		t.Fatal(err)
	}
	h.comment(t, p, "/cortexops keep")
	h.ends(t, id, "SUCCEEDED", "sam looked and kept it")
}
