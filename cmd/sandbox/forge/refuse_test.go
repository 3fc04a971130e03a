package forge

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

type refused struct {
	login, method, path string
	body                any
	status              int
	says                string
}

// refusals are of the world that TestRefusals makes; clash is the head of pull
// request 2.
func refusals(clash string) map[string]refused {
	pull := func(head, base, title string) object { return object{"head": head, "base": base, "title": title} }
	return map[string]refused{
		"no such token":          {"nobody", "GET", "/pulls", nil, 401, "Requires authentication"},
		"not a call":             {"sam", "GET", "/hooks", nil, 404, "Not Found"},
		"not a method":           {"sam", "DELETE", "/pulls/1", nil, 404, "Not Found"},
		"no such pull":           {"sam", "GET", "/pulls/99", nil, 404, "Not Found"},
		"not a number":           {"sam", "GET", "/pulls/one", nil, 404, "Not Found"},
		"no such user":           {"sam", "GET", "/collaborators/nobody/permission", nil, 404, "nobody is not a user"},
		"no such ref":            {"sam", "GET", "/git/ref/heads/none", nil, 404, "Not Found"},
		"no such comment":        {"sam", "PATCH", "/issues/comments/7", object{"body": "x"}, 404, "Not Found"},
		"not an object":          {"sam", "POST", "/pulls", "text", 400, "Problems parsing JSON"},
		"taken":                  {"sam", "POST", "/pulls", pull("taken", "main", "t"), 422, "A pull request already exists for acme:taken."},
		"no commits":             {"sam", "POST", "/pulls", pull("same", "main", "t"), 422, "No commits between main and same"},
		"no such head":           {"sam", "POST", "/pulls", pull("none", "main", "t"), 422, `"field":"head"`},
		"head elsewhere":         {"sam", "POST", "/pulls", pull("evil:taken", "main", "t"), 422, `"field":"head"`},
		"no such base":           {"sam", "POST", "/pulls", pull("taken", "none", "t"), 422, `"field":"base"`},
		"no title":               {"sam", "POST", "/pulls", pull("shut", "main", " "), 422, "missing_field"},
		"body too long":          {"sam", "PATCH", "/pulls/1", object{"body": strings.Repeat("é", maxBody+1)}, 422, "is too long"},
		"own pull":               {"cortexops-bot", "POST", "/pulls/1/reviews", object{"event": "APPROVE"}, 422, "Can not approve your own pull request"},
		"nothing to change":      {"sam", "POST", "/pulls/1/reviews", object{"event": "REQUEST_CHANGES"}, 422, "can't be blank"},
		"review of another":      {"sam", "POST", "/pulls/1/reviews", object{"event": "APPROVE", "commit_id": clash}, 422, "not part of the pull request"},
		"pending review":         {"sam", "POST", "/pulls/1/reviews", object{"body": "x"}, 422, "Pending reviews"},
		"head moved":             {"sam", "PUT", "/pulls/1/merge", object{"sha": clash}, 409, "Head branch was modified"},
		"squash":                 {"sam", "PUT", "/pulls/1/merge", object{"merge_method": "squash"}, 405, "Squash merges are not allowed"},
		"conflict":               {"sam", "PUT", "/pulls/2/merge", object{}, 405, "not mergeable"},
		"merged already":         {"sam", "PUT", "/pulls/3/merge", object{}, 405, "not mergeable"},
		"closed":                 {"sam", "PUT", "/pulls/4/merge", object{}, 405, "not mergeable"},
		"reopen merged":          {"sam", "PATCH", "/pulls/3", object{"state": "open"}, 422, "cannot be reopened"},
		"status of nothing":      {"sam", "POST", "/statuses/" + strings.Repeat("0", 40), object{"state": "success"}, 422, "No commit found"},
		"status of an option":    {"sam", "POST", "/statuses/--help", object{"state": "success"}, 422, "No commit found"},
		"no such state":          {"sam", "POST", "/statuses/" + clash, object{"state": "neutral"}, 422, "not included in the list"},
		"description too long":   {"sam", "POST", "/statuses/" + clash, object{"state": "success", "description": strings.Repeat("x", 141)}, 422, "is too long"},
		"a target that runs":     {"sam", "POST", "/statuses/" + clash, object{"state": "success", "target_url": "javascript:alert(1)"}, 422, "http(s)"},
		"empty comment":          {"sam", "POST", "/issues/1/comments", object{"body": "\n"}, 422, "missing_field"},
		"comment on no pull":     {"sam", "POST", "/issues/9/comments", object{"body": "x"}, 404, "Not Found"},
		"label that is too long": {"sam", "POST", "/issues/1/labels", object{"labels": []string{strings.Repeat("x", 51)}}, 422, "invalid"},
	}
}

// What GitHub refuses is refused with its status and in its words.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.branch("taken", "base/a.yaml", "a: 1\n")
	w.open("taken") // 1
	w.git("push", "--quiet", "origin", "origin/main:refs/heads/same")
	clash := w.branch("clash", "base/checkout.yaml", "memory: 1Gi\n")
	w.branch("other", "base/checkout.yaml", "memory: 2Gi\n")
	w.open("clash") // 2
	w.open("other") // 3
	w.call("sam", "PUT", "/pulls/3/merge", object{}).is(200)
	w.branch("shut", "base/b.yaml", "b: 1\n")
	w.open("shut") // 4
	w.call("sam", "PATCH", "/pulls/4", object{"state": "closed"}).is(200)
	for name, c := range refusals(clash) {
		a := w.call(c.login, c.method, c.path, c.body)
		if a.Status != c.status || !strings.Contains(a.Raw, c.says) {
			t.Errorf("%s: %s %s answered %d %s, want %d %s", name, c.method, c.path, a.Status, a.Raw, c.status, c.says)
		}
		if a.Header.Get("X-GitHub-Request-Id") == "" || a.JSON["message"] == nil {
			t.Errorf("%s: no request ID or no message: %s", name, a.Raw)
		}
	}
	if p := w.call("sam", "GET", "/pulls/2", nil); p.at("mergeable") != false || p.at("mergeable_state") != "dirty" {
		t.Errorf("a conflicting pull request says mergeable %v (%v)", p.at("mergeable"), p.at("mergeable_state"))
	}
	if l := w.call("sam", "GET", "/pulls?state=all", nil).List; len(l) != 4 {
		t.Errorf("%d pull requests, want the 4 that were opened", len(l))
	}
	if p := w.call("sam", "GET", "/pulls/1", nil); len(p.at("labels").([]any)) != 0 || p.at("title") != "change taken" {
		t.Errorf("a refused call changed something: %s", p.Raw)
	}
}

func TestTwoMergesAtOnceAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	head := w.branch("race", "base/a.yaml", "a: 1\n")
	w.open("race")
	var wg sync.WaitGroup
	got := make(chan int, 8)
	for range cap(got) {
		wg.Go(func() { got <- w.call("sam", "PUT", "/pulls/1/merge", object{"sha": head}).Status })
	}
	wg.Wait()
	close(got)
	counts := map[int]int{}
	for status := range got {
		counts[status]++
	}
	if counts[http.StatusOK] != 1 || counts[http.StatusMethodNotAllowed] != cap(got)-1 {
		t.Errorf("answers %v, want one 200", counts)
	}
	w.git("fetch", "--quiet", "origin", "main")
	if n := w.git("rev-list", "--count", "--merges", "origin/main"); n != "1" {
		t.Errorf("%s merge commits, want one", n)
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"one", "two", "three"} {
		w.branch(name, "base/"+name+".yaml", "a: 1\n")
		w.open(name)
	}
	numbers := func(a answer) (out []float64) {
		for _, p := range a.List {
			out = append(out, p.(map[string]any)["number"].(float64))
		}
		return out
	}
	a := w.call("sam", "GET", "/pulls?per_page=2", nil).is(200)
	if n := numbers(a); len(n) != 2 || n[0] != 3 || !strings.Contains(a.Header.Get("Link"), `page=2&per_page=2>; rel="next"`) {
		t.Errorf("first page %v, links %s", n, a.Header.Get("Link"))
	}
	a = w.call("sam", "GET", "/pulls?per_page=2&page=2", nil).is(200)
	if n := numbers(a); len(n) != 1 || n[0] != 1 || strings.Contains(a.Header.Get("Link"), "next") || !strings.Contains(a.Header.Get("Link"), "prev") {
		t.Errorf("second page %v, links %s", n, a.Header.Get("Link"))
	}
	if n := numbers(w.call("sam", "GET", "/pulls?head=acme:two&base=main&state=all", nil)); len(n) != 1 || n[0] != 2 {
		t.Errorf("pull requests of one head: %v", n)
	}
	if n := numbers(w.call("sam", "GET", "/pulls?state=closed", nil)); n != nil {
		t.Errorf("closed ones: %v", n)
	}
}
