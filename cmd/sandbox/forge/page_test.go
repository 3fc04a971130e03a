package forge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// elements are those of a page, in order; it fails if one could run a script.
func elements(t *testing.T, page string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		out = append(out, n)
		if slices.Contains([]string{"script", "iframe", "object", "embed", "base", "style"}, n.Data) {
			t.Errorf("the page has a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(value, "javascript:") || a.Key == "style" || a.Key == "srcdoc" {
				t.Errorf("the page has <%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	return out
}

func buttons(t *testing.T, page string) (names []string, disabled int) {
	t.Helper()
	for _, n := range elements(t, page) {
		if n.Data != "button" {
			continue
		}
		names = append(names, n.FirstChild.Data)
		if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "disabled" }) {
			disabled++
		}
	}
	return names, disabled
}

func (w *world) press(action, head string, change func(*http.Request)) (int, string) {
	w.t.Helper()
	form := url.Values{"head": {head}}
	req, err := http.NewRequest("POST", w.opt.URL+"/acme/shop/pull/1/"+action, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", w.opt.URL)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if change != nil {
		change(req)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows nothing
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Location")
}

func TestTheButtons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	head := w.branch("fix", "base/checkout.yaml", "memory: 256Mi\n")
	w.open("fix")
	w.hooks.expect("push", "push", "pull_request.opened")
	_, page := w.page("/acme/shop/pull/1")
	if names, off := buttons(t, page); !slices.Equal(names, []string{"Approve", "Request changes", "Merge", "Close"}) || off != 0 {
		t.Errorf("buttons %v, %d of them off", names, off)
	}
	if !strings.Contains(page, `http-equiv="refresh"`) {
		t.Error("an open pull request's page does not refresh itself")
	}
	for name, change := range map[string]func(*http.Request){
		"another origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.test"); r.Header.Del("Sec-Fetch-Site") },
		"another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another name":   func(r *http.Request) { r.Host = "evil.test"; r.Header.Set("Origin", "http://evil.test") },
	} {
		if status, _ := w.press("merge", head, change); status != http.StatusForbidden && status != http.StatusMisdirectedRequest {
			t.Errorf("%s may press: %d", name, status)
		}
	}
	if status, _ := w.press("approve", w.git("rev-parse", "main"), nil); status != http.StatusConflict {
		t.Errorf("an approval of what is no longer the head: %d", status)
	}
	if status, _ := w.press("explode", head, nil); status != http.StatusNotFound {
		t.Errorf("no such button: %d", status)
	}
	w.hooks.none()
	for _, one := range []struct{ action, hook string }{
		{"approve", "pull_request_review.submitted"}, {"request-changes", "pull_request_review.submitted"}, {"close", "pull_request.closed"},
	} {
		if status, to := w.press(one.action, head, nil); status != http.StatusSeeOther || to != "/acme/shop/pull/1" {
			t.Errorf("%s: %d to %s", one.action, status, to)
		}
		if h := w.hooks.expect(one.hook)[0]; h.JSON["sender"].(map[string]any)["login"] != "sam" {
			t.Errorf("%s was done by %v", one.action, h.JSON["sender"])
		}
	}
	if status, _ := w.press("merge", head, nil); status != http.StatusConflict {
		t.Errorf("merge of a closed one: %d", status)
	}
	_, page = w.page("/acme/shop/pull/1")
	if _, off := buttons(t, page); off != 4 || strings.Contains(page, `http-equiv="refresh"`) {
		t.Errorf("a closed one has %d buttons off of 4, or refreshes itself", off)
	}
	w.call("sam", "PATCH", "/pulls/1", object{"state": "open"}).is(200)
	if status, _ := w.press("merge", head, nil); status != http.StatusSeeOther {
		t.Errorf("merge: %d", status)
	}
	w.git("fetch", "--quiet", "origin", "main")
	if got := w.git("log", "-1", "--format=%an: %s", "origin/main"); got != "sam: Merge pull request #1 from acme/fix" {
		t.Errorf("merged as %q", got)
	}
}

// Titles, branches, paths, file contents, commit messages and Markdown are a
// stranger's.
func TestNothingOnThePageRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const evil = `"><script>alert(1)</script><img/src=x/onerror=alert(1)>`
	branch := `x"><img/src=1/onerror=alert(1)>;$(touch/pwned)`
	w.git("checkout", "--quiet", "-b", branch, "origin/main")
	w.commit(`base/<img src=x onerror=alert(1)>.yaml`, "a: </td></table>"+evil+"\n", "subject "+evil+"\n\nbody "+evil)
	head := w.git("rev-parse", "HEAD")
	w.git("push", "--quiet", "origin", "HEAD:refs/heads/"+branch)
	w.call("dana", "POST", "/pulls", object{"title": evil, "head": branch, "base": "main", "body": evil + "\n\n[x](javascript:alert(1)) <a href='JaVaScRiPt:alert(1)'>x</a>"}).is(201)
	w.call("dana", "POST", "/issues/1/comments", object{"body": "<svg onload=alert(1)>\n\n```mermaid\nflowchart LR\n  a[\"<script>alert(1)</script>\"] --> b\n```"}).is(201)
	w.call("dana", "POST", "/issues/1/labels", object{"labels": []string{`"><b onclick=alert(1)>`}}).is(200)
	w.call("dana", "POST", "/statuses/"+head, object{"state": "failure", "context": evil, "description": evil, "target_url": "http://x.test/" + evil}).is(201)
	w.call("sam", "POST", "/pulls/1/reviews", object{"event": "COMMENT", "body": evil}).is(200)

	for _, path := range []string{"/", "/acme/shop/pull/1", "/acme/shop/pull/1/commits", "/deliveries"} {
		status, page := w.page(path)
		if status != 200 {
			t.Fatalf("%s answered %d", path, status)
		}
		elements(t, page)
		if path == "/acme/shop/pull/1" && strings.Count(page, "&lt;script&gt;") < 5 {
			t.Error("what was written is not shown as text")
		}
	}
	res, err := http.Get(w.opt.URL + "/acme/shop/pull/1.diff")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "text/plain; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a diff is served as %q", ct)
	}
}
