package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var users = map[string]string{"cortexops-bot": "tok-bot", "sam": "tok-sam", "dana": "tok-dana"}

// world is a forge with a seeded repository, a clone of it and a webhook receiver.
type world struct {
	t     *testing.T
	opt   Options
	forge *Forge
	srv   *httptest.Server
	hooks *receiver
	clone string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	restSpec()
	hookSpec() // loaded before anything is waited for
	w := &world{t: t, hooks: newReceiver(t)}
	w.opt = Options{
		Dir: t.TempDir(), Owner: "acme", Repo: "shop", Users: users, Reviewer: "sam",
		Webhook: w.hooks.srv.URL, WebhookSecret: receiverSecret, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	w.clone = filepath.Join(t.TempDir(), "clone")
	w.must("", "git", "clone", "--quiet", w.gitURL("dana"), w.clone)
	w.git("checkout", "--quiet", "-b", "main")
	w.commit("base/checkout.yaml", "memory: 128Mi\n", "seed the repository")
	w.git("push", "--quiet", "origin", "main")
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.forge.ServeHTTP(rw, r) }))
	w.opt.URL = "http://" + w.srv.Listener.Addr().String()
	f, err := New(context.Background(), w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	f.hook.retryAfter = time.Millisecond
	w.forge = f
	w.srv.Start()
}

func (w *world) stop() {
	w.srv.Close()
	w.forge.Close()
}

// restart begins again from what is on disk, at another address; do is done
// while no forge runs.
func (w *world) restart(do func()) {
	w.t.Helper()
	w.stop()
	if do != nil {
		do()
	}
	w.start()
	w.git("remote", "set-url", "origin", w.gitURL("dana"))
}

func (w *world) gitURL(login string) string {
	return strings.Replace(w.opt.URL, "http://", "http://x-access-token:"+users[login]+"@", 1) + "/acme/shop.git"
}

// run is a stock git, with no configuration of this machine's.
func (w *world) run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=dana", "GIT_AUTHOR_EMAIL=dana@acme.test", "GIT_COMMITTER_NAME=dana", "GIT_COMMITTER_EMAIL=dana@acme.test")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) must(dir, name string, args ...string) string {
	w.t.Helper()
	out, err := w.run(dir, name, args...)
	if err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	return w.must(w.clone, "git", args...)
}

func (w *world) commit(path, content, message string) string {
	w.t.Helper()
	full := filepath.Join(w.clone, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.git("add", ".")
	w.git("commit", "--quiet", "-m", message)
	return w.git("rev-parse", "HEAD")
}

// branch pushes a branch off main that changes one file, and returns its tip.
func (w *world) branch(name, path, content string) string {
	w.t.Helper()
	w.git("fetch", "--quiet", "origin", "main")
	w.git("checkout", "--quiet", "-B", name, "origin/main")
	sha := w.commit(path, content, "change "+path)
	w.git("push", "--quiet", "--force", "origin", "HEAD:refs/heads/"+name)
	return sha
}

// open opens a pull request for a branch and returns its number.
func (w *world) open(branch string) int {
	w.t.Helper()
	a := w.call("cortexops-bot", "POST", "/pulls", object{"title": "change " + branch, "head": branch, "base": "main", "body": "why"})
	a.is(http.StatusCreated)
	return int(a.JSON["number"].(float64))
}

// answer is one of the API's.
type answer struct {
	t      *testing.T
	Status int
	Header http.Header
	JSON   object
	List   []any
	Raw    string
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("answered %d, want %d: %s", a.Status, status, a.Raw)
	}
	return a
}

// at is the value at a path such as head.sha.
func (a answer) at(path string) any {
	a.t.Helper()
	var v any = map[string]any(a.JSON)
	for key := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			a.t.Fatalf("no %s in %s", path, a.Raw)
		}
		v = m[key]
	}
	return v
}

// call calls the API; request and answer are held against GitHub's description
// when it is at hand.
func (w *world) call(login, method, path string, body any) answer {
	w.t.Helper()
	return w.callPath(login, method, "/repos/acme/shop"+path, body)
}

func (w *world) callPath(login, method, path string, body any) answer {
	w.t.Helper()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, w.opt.URL+"/api/v3"+path, bytes.NewReader(sent))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+users[login])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{t: w.t, Status: res.StatusCode, Header: res.Header, Raw: string(raw)}
	if strings.HasPrefix(a.Raw, "[") {
		err = json.Unmarshal(raw, &a.List)
	} else {
		err = json.Unmarshal(raw, &a.JSON)
	}
	if err != nil {
		w.t.Fatalf("%s %s answers %q: %v", method, path, raw, err)
	}
	checkExchange(w.t, exchange{method: method, url: req.URL, sent: sent, status: res.StatusCode, got: raw})
	return a
}

// page fetches a page as a browser does.
func (w *world) page(path string) (int, string) {
	w.t.Helper()
	res, err := http.Get(w.opt.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
