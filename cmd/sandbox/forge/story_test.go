package forge

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// The calls of one pull request's life, each held against GitHub's description.
func TestLifeOfAPullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hooks.expect("push")
	main := w.git("rev-parse", "main")
	head := w.branch("cortexops/1a2b3c4d5e6f-1", "base/checkout.yaml", "memory: 256Mi\n")
	w.hooks.expect("push")

	p := w.call("cortexops-bot", "POST", "/pulls", object{
		"title": "fix(checkout): raise memory", "head": "acme:cortexops/1a2b3c4d5e6f-1", "base": "main", "body": "**why**",
	}).is(http.StatusCreated)
	for path, want := range map[string]any{
		"number": 1.0, "state": "open", "merged": false, "mergeable": true, "head.sha": head, "base.sha": main, "head.ref": "cortexops/1a2b3c4d5e6f-1",
		"user.login": "cortexops-bot", "commits": 1.0, "additions": 1.0, "deletions": 1.0, "changed_files": 1.0, "html_url": w.opt.URL + "/acme/shop/pull/1",
	} {
		if got := p.at(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	w.hooks.expect("pull_request.opened")

	w.call("cortexops-bot", "POST", "/statuses/"+head, object{"state": "pending", "context": "cortexops/dry-run", "description": "asking"}).is(201)
	w.call("cortexops-bot", "POST", "/statuses/"+head, object{"state": "success", "context": "cortexops/dry-run", "target_url": "http://127.0.0.1/x"}).is(201)
	if s := w.call("sam", "GET", "/commits/"+head+"/status", nil).is(200); s.at("state") != "success" || s.at("total_count") != 1.0 {
		t.Errorf("combined status %s", s.Raw)
	}
	if l := w.call("sam", "GET", "/commits/"+head+"/statuses", nil).is(200).List; len(l) != 2 {
		t.Errorf("%d statuses, want both", len(l))
	}
	if l := w.call("cortexops-bot", "POST", "/issues/1/labels", object{"labels": []string{"cortexops", "risk/low"}}).is(200).List; len(l) != 2 {
		t.Errorf("labels %v", l)
	}
	c := w.call("cortexops-bot", "POST", "/issues/1/comments", object{"body": "first"}).is(201)
	if h := w.hooks.expect("issue_comment.created")[0]; h.JSON["comment"].(map[string]any)["body"] != "first" {
		t.Errorf("the webhook of a comment says %v", h.JSON["comment"])
	}
	w.call("cortexops-bot", "PATCH", "/issues/comments/"+jsonNumber(c.at("id")), object{"body": "second"}).is(200)
	l := w.call("sam", "GET", "/issues/1/comments", nil).is(200).List
	if len(l) != 1 || l[0].(map[string]any)["body"] != "second" {
		t.Errorf("comments %v", l)
	}
	files := w.call("sam", "GET", "/pulls/1/files", nil).is(200).List
	if len(files) != 1 || files[0].(map[string]any)["filename"] != "base/checkout.yaml" || files[0].(map[string]any)["patch"] != "@@ -1 +1 @@\n-memory: 128Mi\n+memory: 256Mi" {
		t.Errorf("files %v", files)
	}
	w.call("cortexops-bot", "PATCH", "/pulls/1", object{"title": "fix(checkout): raise memory limit", "body": "better"}).is(200)

	r := w.call("sam", "POST", "/pulls/1/reviews", object{"event": "APPROVE", "commit_id": head}).is(200)
	if r.at("state") != "APPROVED" || r.at("commit_id") != head || r.at("user.login") != "sam" {
		t.Errorf("review %s", r.Raw)
	}
	if h := w.hooks.expect("pull_request_review.submitted")[0]; h.JSON["review"].(map[string]any)["state"] != "approved" {
		t.Errorf("the webhook of a review says %v", h.JSON["review"])
	}
	if l := w.call("cortexops-bot", "GET", "/pulls/1/reviews", nil).is(200).List; len(l) != 1 {
		t.Errorf("reviews %v", l)
	}

	w.mergeFirst(main, head)
}

// Files that come, go, change their names and are no text, each held against GitHub's description.
func TestFilesOfAPullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("gone.yaml", "a: 1\n", "one that will be removed")
	w.commit("old.yaml", strings.Repeat("b: 2\n", 20), "one that will be renamed")
	w.git("push", "--quiet", "origin", "main")
	w.git("checkout", "--quiet", "-b", "topic")
	w.git("rm", "--quiet", "gone.yaml")
	w.git("mv", "old.yaml", "new.yaml")
	w.commit("more.yaml", "c: 3\n", "another")
	w.commit("picture", "\x00\x01", "no text")
	w.git("push", "--quiet", "origin", "topic")
	w.git("checkout", "--quiet", "main")
	w.open("topic")
	got := ""
	for _, one := range w.call("cortexops-bot", "GET", "/pulls/1/files?per_page=100", nil).is(200).List {
		o := one.(map[string]any)
		got += fmt.Sprint(o["status"], " ", o["filename"], " ", o["previous_filename"], " ", o["changes"], " ", o["patch"], "; ")
	}
	if want := "removed gone.yaml <nil> 1 @@ -1 +0,0 @@\n-a: 1; added more.yaml <nil> 1 @@ -0,0 +1 @@\n+c: 3; renamed new.yaml old.yaml 0 <nil>; added picture <nil> 0 <nil>; "; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// mergeFirst merges pull request 1 and looks at what that left behind.
func (w *world) mergeFirst(main, head string) {
	t := w.t
	t.Helper()
	m := w.call("cortexops-bot", "PUT", "/pulls/1/merge", object{"sha": head, "merge_method": "merge", "commit_title": "Merge it", "commit_message": "Approved-by: sam"}).is(200)
	hooks := w.hooks.expect("push", "pull_request.closed")
	if pr := hooks[1].JSON["pull_request"].(map[string]any); pr["merged"] != true || pr["merge_commit_sha"] != m.at("sha") || hooks[0].JSON["after"] != m.at("sha") {
		t.Errorf("webhooks do not tell of the merge %v", m.at("sha"))
	}
	if may := w.call("sam", "GET", "/collaborators/sam/permission", nil).is(200); may.at("permission") != "write" {
		t.Errorf("sam may %v", may.at("permission"))
	}
	if ref := w.call("sam", "GET", "/git/ref/heads/main", nil).is(200); ref.at("object.sha") != m.at("sha") {
		t.Errorf("main is at %s", ref.Raw)
	}
	w.git("fetch", "--quiet", "origin", "main")
	got := w.git("log", "-1", "--format=%an|%P|%B", "origin/main")
	if want := "cortexops-bot|" + main + " " + head + "|Merge it\n\nApproved-by: sam"; got != want {
		t.Errorf("merge commit %q, want %q", got, want)
	}
	if p := w.call("sam", "GET", "/pulls/1", nil).is(200); p.at("merged") != true || p.at("merged_by.login") != "cortexops-bot" || p.at("changed_files") != 1.0 {
		t.Errorf("merged pull request %s", p.Raw)
	}
	if i := w.call("cortexops-bot", "GET", "/issues/1", nil).is(200); i.at("closed_by.login") != "cortexops-bot" || i.at("state") != "closed" {
		t.Errorf("as an issue: %s", i.Raw)
	}
	w.call("sam", "GET", "", nil).is(200)
	w.hooks.none()
}

func jsonNumber(v any) string { return strconv.FormatInt(int64(v.(float64)), 10) }
