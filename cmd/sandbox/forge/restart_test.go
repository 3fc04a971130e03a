package forge

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestARestartLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	head := w.branch("fix", "base/a.yaml", "a: 1\n")
	w.hooks.expect("push", "push")
	open := w.hooks.block()
	w.open("fix") // its webhook is on the way when the forge dies
	w.call("sam", "POST", "/issues/1/comments", object{"body": "kept"}).is(201)
	w.call("sam", "POST", "/statuses/"+head, object{"state": "success"}).is(201)

	bare := filepath.Join(w.opt.Dir, "acme", "shop.git")
	w.restart(func() {
		// As if it had died between moving main and storing that it did.
		w.git("checkout", "--quiet", "-B", "main", "origin/main")
		w.git("merge", "--quiet", "--no-ff", "-m", "merge", "fix")
		w.git("push", "--quiet", bare, "main")
		open()
	})
	w.hooks.expect("pull_request.opened", "issue_comment.created", "push", "pull_request.closed")
	if p := w.call("sam", "GET", "/pulls/1", nil).is(200); p.at("merged") != true || p.at("comments") != 1.0 || p.at("merge_commit_sha") != w.git("rev-parse", "main") {
		t.Errorf("after the restart: %s", p.Raw)
	}
	if s := w.call("sam", "GET", "/commits/"+head+"/status", nil).is(200); s.at("state") != "success" {
		t.Errorf("statuses after the restart: %s", s.Raw)
	}
	w.restart(nil)
	w.hooks.none()
	w.branch("second", "base/b.yaml", "b: 1\n")
	if n := w.open("second"); n != 2 {
		t.Errorf("the next pull request is %d, want 2", n)
	}
}

// sandbox calls what GitHub does not have.
func (w *world) sandbox(method, path, body string, into any) int {
	w.t.Helper()
	req, err := http.NewRequest(method, w.opt.URL+"/_sandbox"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode
}

// until asks again and again, and gives up after a while.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("never: %s", what)
		}
	}
}

func TestWebhooksAreRetriedOnceAndRedelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hooks.expect("push")
	w.hooks.failNext(1)
	w.branch("one", "base/a.yaml", "a: 1\n")
	if h := w.hooks.expect("push", "push"); h[0].GUID != h[1].GUID || string(h[0].Raw) != string(h[1].Raw) {
		t.Errorf("the retry is another delivery: %s, %s", h[0].GUID, h[1].GUID)
	}
	w.hooks.failNext(2)
	w.open("one")
	lost := w.hooks.expect("pull_request.opened", "pull_request.opened")[0]
	w.branch("two", "base/b.yaml", "b: 1\n")
	w.hooks.expect("push") // it is not waited for

	var list []delivery
	find := func() (d delivery) {
		w.sandbox("GET", "/deliveries", "", &list)
		for _, one := range list {
			if one.GUID == lost.GUID {
				d = one
			}
		}
		return d
	}
	w.until("the lost delivery is listed", func() bool { return len(find().Attempts) == 2 })
	if d := find(); d.Delivered() || d.Event != "pull_request" || d.Attempts[0].StatusCode != 503 {
		t.Errorf("the lost delivery is listed as %+v", d)
	}
	var nothing any
	if status := w.sandbox("POST", "/deliveries/"+strconv.FormatInt(find().ID, 10)+"/attempts", "", &nothing); status != http.StatusAccepted {
		t.Errorf("redelivery answered %d", status)
	}
	if h := w.hooks.expect("pull_request.opened")[0]; h.GUID != lost.GUID || string(h.Raw) != string(lost.Raw) {
		t.Errorf("redelivered %s, want %s unchanged", h.GUID, lost.GUID)
	}
	w.until("the redelivery is listed", func() bool { return find().Delivered() && find().Attempts[2].Redelivery })
	if status := w.sandbox("POST", "/deliveries/1/attempts", "", &nothing); status != http.StatusNotFound {
		t.Errorf("redelivery of nothing answered %d", status)
	}
	if status, page := w.page("/deliveries"); status != 200 || !strings.Contains(page, lost.GUID) {
		t.Errorf("the page of deliveries (%d) does not show %s", status, lost.GUID)
	}
}

// comment posts one in the background; 0 is a client that got no answer.
func (w *world) comment(ctx context.Context) <-chan int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", w.opt.URL+"/api/v3/repos/acme/shop/issues/1/comments", strings.NewReader(`{"body":"said"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+users["sam"])
	answered := make(chan int, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	return answered
}

func TestHeldAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.branch("fix", "base/a.yaml", "a: 1\n")
	var hold struct {
		Armed, Holding bool
		Method, Path   string
		Status         int
	}
	holding := func() bool { w.sandbox("GET", "/hold", "", &hold); return hold.Holding }
	w.open("fix")
	for name, end := range map[string]func(cancel func()){
		"client goes": func(cancel func()) { cancel() },
		"released":    func(func()) { w.sandbox("DELETE", "/hold", "", &hold) },
	} {
		before := len(w.call("sam", "GET", "/issues/1/comments", nil).List)
		if status := w.sandbox("POST", "/hold", `{"method":"POST","path":"/comments"}`, &hold); status != 201 || !hold.Armed {
			t.Fatalf("%s: arming answered %d %+v", name, status, hold)
		}
		ctx, cancel := context.WithCancel(context.Background())
		answered := w.comment(ctx)
		w.until("the answer is held", holding)
		if hold.Armed || hold.Status != 201 || hold.Path != "/api/v3/repos/acme/shop/issues/1/comments" {
			t.Errorf("%s: while held: %+v", name, hold)
		}
		if n := len(w.call("sam", "GET", "/issues/1/comments", nil).List); n != before+1 {
			t.Errorf("%s: %d comments while held, want it stored", name, n)
		}
		select {
		case status := <-answered:
			t.Errorf("%s: answered %d although held", name, status)
		default:
		}
		end(cancel)
		if status := <-answered; (name == "released") != (status == 201) {
			t.Errorf("%s: the client got %d", name, status)
		}
		w.until("nothing is held", func() bool { return !holding() })
		cancel()
	}
	if status := w.sandbox("POST", "/hold", `{"path":"pulls"}`, &struct{}{}); status != 422 {
		t.Errorf("a hold of nothing answered %d", status)
	}
}
