package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

func TestMirrorFollowsTheRemote(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	r.commit("topic", "a topic", map[string]string{"x": "1"})
	second := r.commit("main", "second", map[string]string{"base/cart.yaml": "replicas: 3"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	head, err := g.Head("main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "main", head, second)
	if _, err := g.Head("topic"); err != nil {
		t.Error(err)
	}
	parents, err := g.Parents(second)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "parents", parents, []string{first})
	message, err := g.Message(second)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "message", message, "second\n")
	for _, tt := range []struct {
		a, b string
		want bool
	}{{first, second, true}, {second, first, false}, {first, first, true}} {
		if got, err := g.IsAncestor(tt.a, tt.b); err != nil || got != tt.want {
			t.Errorf("%s before %s: %v, %v", tt.a, tt.b, got, err)
		}
	}
	r.git("branch", "-D", "topic")
	r.git("update-ref", "refs/heads/main", first) // a forced push
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	if head, err = g.Head("main"); err != nil || head != first {
		t.Errorf("after a forced push: %s, %v", head, err)
	}
	if _, err := g.Head("topic"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("a deleted branch: %v", err)
	}
	if _, err := g.Parents(strings.Repeat("0", 40)); !errors.Is(err, ErrNoCommit) {
		t.Errorf("no commit: %v", err)
	}
	if _, err := g.Snapshot("main"); !errors.Is(err, ErrNoCommit) {
		t.Errorf("no SHA: %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	r.commit("main", "later", map[string]string{"base/cart.yaml": "replicas: 9"})
	s, err := g.Snapshot(first)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.ReadFile("base/checkout.yaml")
	if err != nil || string(data) != "memory: 256Mi\r\n" {
		t.Errorf("%q, %v", data, err)
	}
	for _, p := range []string{"base", "base/nope.yaml", "nope/x", "README.md/x", "", ".", "../x", "/README.md", "base//cart.yaml"} {
		if _, err := s.ReadFile(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", p, err)
		}
	}
	for dir, want := range map[string][]string{
		"base": {"base/cart.yaml", "base/checkout.yaml"}, "nope": {}, "README.md": {},
		".": {"README.md", "base/cart.yaml", "base/checkout.yaml", "overlays/production/kustomization.yaml", "scripts/run.sh"},
	} {
		got, err := s.List(dir)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		equal(t, dir, got, want)
	}
}

func TestOpenRepairs(t *testing.T) {
	t.Parallel()
	r, _, sha := seeded(t)
	for name, breakIt := range map[string]func(t *testing.T, dir string){
		"nothing is wrong": func(*testing.T, string) {},
		"an empty folder": func(t *testing.T, dir string) {
			remove(t, dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"no configuration": func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "config")) },
		"no objects":       func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "objects")) },
		"left by a crash": func(t *testing.T, dir string) {
			if err := os.Rename(dir, dir+".new-123"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "a", "mirror")
			r.open(dir)
			breakIt(t, dir)
			g := r.open(dir)
			if head, err := g.Head("main"); err != nil || head != sha {
				t.Errorf("%s, %v", head, err)
			}
			if _, err := g.Snapshot(sha); err != nil {
				t.Error(err)
			}
			left, _ := filepath.Glob(dir + ".new-*")
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("another remote", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "mirror")
		r.open(dir)
		other := newRemote(t)
		want := other.commit("main", "other", map[string]string{"x": "y"})
		if head, err := other.open(dir).Head("main"); err != nil || head != want {
			t.Errorf("%s, %v", head, err)
		}
	})
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	r, _, _ := seeded(t)
	dir := filepath.Join(t.TempDir(), "mirror")
	_, err := Open(ctx, Options{URL: r.url, Dir: dir, User: "x", Token: func() string { return "wrong" }})
	var u *Unauthorized
	if !errors.As(err, &u) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	if text := (&Unauthorized{URL: r.url, Err: errors.New("authentication required:\r\nlog in\n")}).Error(); !strings.Contains(text, "required: log in: check") {
		t.Errorf("the server's text is given as %q", text)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a mirror was left: %v", err)
	}
}

// TestAURLWithASecretIsRefused before it is quoted: what we are not allowed is told on pull requests.
func TestAURLWithASecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"https://x:ghp_secret@127.0.0.1:1/a/b.git", "https://ghp_secret@127.0.0.1:1/a/b.git", "https://x:ghp_sec%ret@127.0.0.1:1/a/b.git"} {
		_, err := Open(ctx, Options{URL: at, Dir: filepath.Join(t.TempDir(), "mirror")})
		if err == nil || strings.Contains(err.Error(), "ghp_sec") {
			t.Errorf("%v", err)
		}
	}
}

func TestCommitIsAFunctionOfItsSpec(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	spec := r.spec(first, map[string]string{"base/checkout.yaml": "memory: 512Mi\r\n", "new/deep/a.yaml": "a: 1\n", "scripts/run.sh": "#!/bin/sh\nexit\n", "base/cart.yaml": ""})
	sha := mustCommit(t, g, spec)
	other := r.open(filepath.Join(t.TempDir(), "mirror"))
	spec.When = noon.UTC()
	equal(t, "the same commit elsewhere, another day", mustCommit(t, other, spec), sha)
	if err := g.Push(ctx, "cortexops/1-1", "", sha); err != nil {
		t.Fatal(err)
	}
	r.git("fsck", "--strict")
	equal(t, "changes", r.git("diff", "--name-status", first, sha), "D\tbase/cart.yaml\nM\tbase/checkout.yaml\nA\tnew/deep/a.yaml\nM\tscripts/run.sh")
	equal(t, "mode", strings.Fields(r.git("ls-tree", sha, "scripts/run.sh"))[0], "100755")
	equal(t, "who and when", r.git("log", "-1", "--format=%an %ae %cn %ce %aI %cI", sha),
		"CortexOps bot@example.com CortexOps bot@example.com 2026-05-01T10:00:00+00:00 2026-05-01T10:00:00+00:00")
	equal(t, "trailer", r.git("log", "-1", "--format=%(trailers:key=Cortexops-Incident,valueonly)", sha), "1\n")
}

func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	for name, change := range map[string]func(*CommitSpec){
		"no files":         func(s *CommitSpec) { s.Files = nil },
		"nothing new":      func(s *CommitSpec) { s.Files = map[string][]byte{"README.md": []byte("shop\n")} },
		"outside":          func(s *CommitSpec) { s.Files["../x"] = []byte("x") },
		"absolute":         func(s *CommitSpec) { s.Files["/x"] = []byte("x") },
		"git's own folder": func(s *CommitSpec) { s.Files[".git/config"] = []byte("x") },
		"hidden below":     func(s *CommitSpec) { s.Files["a/.GIT/hooks/x"] = []byte("x") },
		"a folder":         func(s *CommitSpec) { s.Files["base"] = []byte("x") },
		"below a file":     func(s *CommitSpec) { s.Files["README.md/x"] = []byte("x") },
		"no author":        func(s *CommitSpec) { s.Author = Author{} },
		"a forged author":  func(s *CommitSpec) { s.Author.Name = "a <b>\ncommitter x" },
		"no date":          func(s *CommitSpec) { s.When = time.Time{} },
		"no message":       func(s *CommitSpec) { s.Message = " \n" },
		"no parent":        func(s *CommitSpec) { s.Parent = strings.Repeat("a", 40) },
	} {
		spec := r.spec(first, map[string]string{"README.md": "changed\n"})
		change(&spec)
		if sha, err := g.Commit(ctx, spec); err == nil {
			t.Errorf("%s: %s", name, sha)
		}
	}
}
