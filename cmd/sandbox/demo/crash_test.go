package demo

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// killed runs the first story and kills the product, with SIGKILL, when at says so; then starts it again.
func (h *house) killed(t *testing.T, what string, at func(context.Context) (bool, error)) {
	t.Helper()
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	before, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, 1)
	go func() {
		err := poll(t.Context(), what, 3*time.Minute, 5*time.Millisecond, at)
		if err == nil {
			err = h.sup.Kill("cortexops")
		}
		if err == nil {
			h.tell.say("kill -9 of CortexOps: %s", what)
			err = h.Release(t.Context())
		}
		if err == nil {
			err = h.sup.Restart("cortexops")
		}
		killed <- err
	}()
	_, story := OutOfMemory(t.Context(), h.World, h.tell)
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if story != nil {
		t.Fatal(story)
	}
	after, err := h.Pulls(t.Context())
	if err != nil || len(after) != len(before)+1 {
		t.Errorf("%d new pull requests, %v", len(after)-len(before), err)
	}
	now, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil || Applied(now) != Applied(writes)+1 {
		t.Errorf("%d applies, %v", Applied(now)-Applied(writes), err)
	}
}

func killedAtPull(t *testing.T, h *house) {
	if err := h.Hold(t.Context(), http.MethodPost, "/pulls"); err != nil {
		t.Fatal(err)
	}
	h.killed(t, "the forge has stored the pull request and holds its answer", func(ctx context.Context) (bool, error) { return h.Holding(ctx) })
}

func killedAtPatch(t *testing.T, h *house) {
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	h.killed(t, "the audit log shows our patch", func(context.Context) (bool, error) {
		now, err := WorkloadWrites(h.Stack.Kube.AuditLog)
		return Applied(now) > Applied(writes), err
	})
}

func killedAtVerify(t *testing.T, h *house) {
	before, err := h.VerificationQueries("checkout")
	if err != nil {
		t.Fatal(err)
	}
	h.killed(t, "Prometheus has received our first verification query", func(context.Context) (bool, error) {
		now, err := h.VerificationQueries("checkout")
		return now > before, err
	})
}
