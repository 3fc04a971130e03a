package repo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const token = "s3cret"

// remote is a bare repository behind the smart HTTP of the real git, with a password.
type remote struct {
	t         *testing.T
	dir, home string // the bare repository, and an empty folder
	url       string
	seconds   int          // since people began; each commit takes one
	sent      atomic.Int64 // bytes of the last push
	drop      atomic.Bool  // lose the answer of the next push
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	gitPath, err := exec.LookPath("git")
	if err != nil {
		t.Skip("not run: git is not installed")
	}
	root := t.TempDir()
	r := &remote{t: t, dir: filepath.Join(root, "shop.git"), home: t.TempDir()}
	r.run(root, "", "init", "-q", "--bare", "-b", "main", r.dir)
	r.git("config", "http.receivepack", "true")
	execPath := strings.TrimSpace(r.run(root, "", "--exec-path"))
	backend := &cgi.Handler{Path: filepath.Join(execPath, "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + filepath.Dir(gitPath), "REMOTE_USER=bot"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(req.URL.Path, "git-receive-pack") {
			r.sent.Store(req.ContentLength)
			if r.drop.CompareAndSwap(true, false) {
				backend.ServeHTTP(httptest.NewRecorder(), req)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
		}
		backend.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/shop.git"
	return r
}

const began = 1_770_000_000 // Unix time

// run runs git with no configuration but its own.
func (r *remote) run(dir, stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = []string{"HOME=" + r.home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=core.fsync", "GIT_CONFIG_VALUE_0=none", "GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0",
		"GIT_AUTHOR_NAME=dana", "GIT_AUTHOR_EMAIL=dana@example.com", "GIT_COMMITTER_NAME=dana", "GIT_COMMITTER_EMAIL=dana@example.com"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (r *remote) git(args ...string) string {
	r.t.Helper()
	return strings.TrimSuffix(r.run(r.dir, "", args...), "\n")
}

// commit adds a commit of a person to the branch, straight into the bare repository; "" removes a file.
func (r *remote) commit(branch, message string, files map[string]string) string {
	r.t.Helper()
	return r.merge(branch, "", message, files)
}

// merge is commit with a second parent. The files are what the merge changes, as its first parent sees it.
func (r *remote) merge(branch, other, message string, files map[string]string) string {
	r.t.Helper()
	r.seconds++
	var in strings.Builder
	fmt.Fprintf(&in, "commit refs/heads/%s\nmark :1\ncommitter dana <dana@example.com> %d +0200\ndata %d\n%s\n", branch, began+r.seconds, len(message)+1, message)
	if r.has(branch) {
		fmt.Fprintf(&in, "from refs/heads/%s^0\n", branch)
	}
	if other != "" {
		fmt.Fprintf(&in, "merge %s^0\n", other)
	}
	for p, s := range files {
		mode := "100644"
		if strings.HasSuffix(p, ".sh") {
			mode = "100755"
		}
		if s == "" {
			fmt.Fprintf(&in, "D %s\n", p)
			continue
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, p, len(s), s)
	}
	in.WriteString("\nget-mark :1\n")
	return strings.TrimSpace(r.run(r.dir, in.String(), "fast-import", "--quiet"))
}

// has tells whether the branch is there, without a process: commits are many.
func (r *remote) has(branch string) bool {
	packed, _ := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	_, err := os.Stat(filepath.Join(r.dir, "refs/heads", branch))
	return err == nil || strings.Contains(string(packed), " refs/heads/"+branch+"\n")
}

func (r *remote) head(branch string) string { return r.git("rev-parse", branch) }

func (r *remote) branches() []string {
	return strings.Fields(r.git("branch", "--format=%(refname:short)"))
}

func (r *remote) open(dir string) *Repo {
	r.t.Helper()
	g, err := Open(context.Background(), Options{URL: r.url, Dir: dir, User: "x-access-token", Token: func() string { return token }})
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// seeded is a remote with one commit, and its mirror.
func seeded(t *testing.T) (*remote, *Repo, string) {
	r := newRemote(t)
	sha := r.commit("main", "seed", map[string]string{
		"README.md": "shop\n", "base/checkout.yaml": "memory: 256Mi\r\n", "base/cart.yaml": "replicas: 2", "scripts/run.sh": "#!/bin/sh\n",
		"overlays/production/kustomization.yaml": "resources: [../../base]\n",
	})
	return r, r.open(filepath.Join(t.TempDir(), "mirror")), sha
}

var (
	bot  = Author{"CortexOps", "bot@example.com"}
	noon = time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("CEST", 7200))
)

func (r *remote) spec(parent string, files map[string]string) CommitSpec {
	s := CommitSpec{Parent: parent, Files: map[string][]byte{}, Message: "fix: more memory\n\nCortexops-Incident: 1", Author: bot, When: noon}
	for p, c := range files {
		s.Files[p] = []byte(c)
		if c == "" {
			s.Files[p] = nil
		}
	}
	return s
}

func mustCommit(t *testing.T, g *Repo, s CommitSpec) string {
	t.Helper()
	sha, err := g.Commit(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if a, ok := got.([]string); ok {
		if !slices.Equal(a, want.([]string)) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		return
	}
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
