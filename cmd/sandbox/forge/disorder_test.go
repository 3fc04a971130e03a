package forge

import (
	"net/http"
	"testing"
)

// Webhooks that come twice and out of order are what a receiver has to live with.
func TestDisorderlyWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hooks.expect("push")
	open := w.hooks.block()
	disorder := func(method string) {
		var said map[string]bool
		if status := w.sandbox(method, "/disorder", "", &said); status != http.StatusOK || said["disorder"] != (method == "POST") {
			t.Fatalf("%d %v", status, said)
		}
	}
	disorder("POST")
	w.branch("cortexops/1a2b3c4d5e6f-1", "base/checkout.yaml", "memory: 256Mi\n")
	w.call("cortexops-bot", "POST", "/pulls", object{"title": "t", "head": "cortexops/1a2b3c4d5e6f-1", "base": "main"}).is(http.StatusCreated)
	open()
	got := w.hooks.expect("pull_request.opened", "push", "pull_request.opened", "push")
	if got[0].GUID != got[2].GUID || got[1].GUID != got[3].GUID || got[0].GUID == got[1].GUID {
		t.Error("what comes again must have the same delivery ID")
	}
	disorder("DELETE")
	w.call("cortexops-bot", "POST", "/issues/1/comments", object{"body": "in order again"}).is(http.StatusCreated)
	w.hooks.expect("issue_comment.created")
	w.hooks.none()
}
