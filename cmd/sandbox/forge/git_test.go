package forge

import (
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyKnownUsersCloneAndPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anon := w.opt.URL + "/acme/shop.git"
	for name, url := range map[string]string{
		"nobody":      anon,
		"wrong token": strings.Replace(anon, "http://", "http://x-access-token:guess@", 1),
		"no token":    strings.Replace(anon, "http://", "http://x-access-token:@", 1),
	} {
		if out, err := w.run("", "git", "ls-remote", url); err == nil {
			t.Errorf("%s may read: %s", name, out)
		}
		if out, err := w.run(w.clone, "git", "push", url, "HEAD:refs/heads/stolen"); err == nil {
			t.Errorf("%s may push: %s", name, out)
		}
	}
	w.must("", "git", "clone", "--quiet", w.gitURL("sam"), filepath.Join(t.TempDir(), "again"))
	if out, err := w.run("", "git", "ls-remote", strings.Replace(w.gitURL("sam"), "shop.git", "other.git", 1)); err == nil {
		t.Errorf("another repository is served: %s", out)
	}
}

// More than git sends in one piece.
func TestLargePush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	noise := make([]byte, 2<<20)
	_, _ = rand.Read(noise) // never fails
	sha := w.branch("large", "big.txt", hex.EncodeToString(noise))
	if a := w.call("sam", "GET", "/git/ref/heads/large", nil).is(200); a.at("object.sha") != sha {
		t.Errorf("the branch is at %v, want %s", a.at("object.sha"), sha)
	}
}

func TestAPushMovesThePullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.branch("fix", "base/a.yaml", "a: 1\n")
	w.open("fix")
	w.call("sam", "POST", "/pulls/1/reviews", object{"event": "APPROVE"}).is(200)
	w.hooks.expect("push", "push", "pull_request.opened", "pull_request_review.submitted")

	second := w.branch("fix", "base/a.yaml", "a: 2\n") // forced
	hooks := w.hooks.expect("push", "pull_request.synchronize")
	if h := hooks[0].JSON; h["forced"] != true || h["before"] != first || h["after"] != second || h["ref"] != "refs/heads/fix" {
		t.Errorf("push says %v %v→%v of %v", h["forced"], h["before"], h["after"], h["ref"])
	}
	if h := hooks[1].JSON; h["before"] != first || h["after"] != second {
		t.Errorf("synchronize says %v→%v", h["before"], h["after"])
	}
	if p := w.call("sam", "GET", "/pulls/1", nil).is(200); p.at("head.sha") != second {
		t.Errorf("head is %v, want %s", p.at("head.sha"), second)
	}
	r := w.call("sam", "GET", "/pulls/1/reviews", nil).is(200).List[0].(map[string]any)
	if r["commit_id"] != first || r["state"] != "APPROVED" {
		t.Errorf("the review is of %v (%v), want of what was seen, %s", r["commit_id"], r["state"], first)
	}
	w.call("cortexops-bot", "PUT", "/pulls/1/merge", object{"sha": first}).is(409)

	w.git("push", "--quiet", "origin", ":fix")
	w.hooks.expect("push", "pull_request.closed")
	w.call("sam", "PATCH", "/pulls/1", object{"state": "open"}).is(422)
	w.git("push", "--quiet", "origin", second+":refs/heads/fix")
	w.call("sam", "PATCH", "/pulls/1", object{"state": "open"}).is(200)
	w.hooks.expect("push", "pull_request.reopened")
}

// A push that does not touch the branch leaves its pull request alone; one that
// holds its head merges it, as on GitHub.
func TestAPushToTheBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.branch("fix", "base/a.yaml", "a: 1\n")
	w.open("fix")
	w.hooks.expect("push", "push", "pull_request.opened")
	w.git("checkout", "--quiet", "-B", "main", "origin/main")
	w.commit("README", "hello\n", "an unrelated change")
	w.git("push", "--quiet", "origin", "main")
	h := w.hooks.expect("push")[0].JSON
	if c := h["head_commit"].(map[string]any); len(c["added"].([]any)) != 1 || c["added"].([]any)[0] != "README" || h["pusher"].(map[string]any)["name"] != "dana" {
		t.Errorf("push tells of %v by %v", c, h["pusher"])
	}
	w.hooks.none()
	w.git("merge", "--quiet", "--no-ff", "-m", "merged by hand", "fix")
	w.git("push", "--quiet", "origin", "main")
	w.hooks.expect("push", "pull_request.closed")
	p := w.call("sam", "GET", "/pulls/1", nil).is(200)
	if p.at("merged") != true || p.at("merge_commit_sha") != w.git("rev-parse", "main") || p.at("merged_by.login") != "dana" {
		t.Errorf("pull request merged by hand: %s", p.Raw)
	}
}
