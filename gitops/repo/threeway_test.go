package repo

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// deployment is a manifest whose lines are told apart.
func deployment(image, memory, replicas string) string {
	return "kind: Deployment\nmetadata:\n  name: cart\nspec:\n  replicas: " + replicas +
		"\n  template:\n    spec:\n      containers:\n        - name: cart\n          image: " + image +
		"\n          # kept\n          env: []\n          resources:\n            limits:\n              memory: " + memory + "\n"
}

// reverts are told by what a commit changes and by what others change after it. A clash is a conflict there, and only there.
var reverts = map[string]struct {
	seed, commit, later map[string]string
	clash               []string
	stricter            bool // than git, which follows renames
}{
	"nothing since": {
		seed:   map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2")},
		commit: map[string]string{"a.yaml": deployment("cart:2", "256Mi", "2")},
		later:  map[string]string{"README.md": "words\n"},
	},
	"another line of the file since": {
		seed:   map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2")},
		commit: map[string]string{"a.yaml": deployment("cart:2", "256Mi", "2")},
		later:  map[string]string{"a.yaml": deployment("cart:2", "256Mi", "5")},
	},
	"the same line since": {
		seed:   map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2"), "b.yaml": "b: 1\n"},
		commit: map[string]string{"a.yaml": deployment("cart:2", "256Mi", "2"), "b.yaml": "b: 2\n"},
		later:  map[string]string{"a.yaml": deployment("cart:3", "256Mi", "2")},
		clash:  []string{"a.yaml"},
	},
	"half of it undone by hand": {
		seed:   map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2"), "b.yaml": "b: 1\n"},
		commit: map[string]string{"a.yaml": deployment("cart:2", "256Mi", "2"), "b.yaml": "b: 2\n"},
		later:  map[string]string{"a.yaml": deployment("cart:1", "256Mi", "9")},
	},
	"a file that it added": {
		seed:   map[string]string{"a.yaml": "a: 1\n"},
		commit: map[string]string{"new/deep/b.yaml": "b: 1\n"},
		later:  map[string]string{"a.yaml": "a: 2\n"},
	},
	"a file that it added and somebody changed": {
		seed:   map[string]string{"a.yaml": "a: 1\n"},
		commit: map[string]string{"b.yaml": "b: 1\n"},
		later:  map[string]string{"b.yaml": "b: 2\n"},
		clash:  []string{"b.yaml"},
	},
	"a file that it removed": {
		seed:   map[string]string{"a.yaml": "a: 1\n", "deep/run.sh": "#!/bin/sh\n"},
		commit: map[string]string{"deep/run.sh": ""},
		later:  map[string]string{"a.yaml": "a: 2\n"},
	},
	"a file that it removed and somebody made anew": {
		seed:   map[string]string{"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"},
		commit: map[string]string{"b.yaml": ""},
		later:  map[string]string{"b.yaml": "b: 7\n"},
		clash:  []string{"b.yaml"},
	},
	"a file that somebody removed since": {
		seed:   map[string]string{"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"},
		commit: map[string]string{"b.yaml": "b: 2\n"},
		later:  map[string]string{"b.yaml": ""},
		clash:  []string{"b.yaml"},
	},
	"a file that it renamed": {
		seed:   map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2")},
		commit: map[string]string{"a.yaml": "", "b.yaml": deployment("cart:1", "256Mi", "2")},
		later:  map[string]string{"README.md": "words\n"},
	},
	"a file that somebody renamed since": {
		seed:     map[string]string{"a.yaml": deployment("cart:1", "256Mi", "2")},
		commit:   map[string]string{"a.yaml": deployment("cart:2", "256Mi", "2")},
		later:    map[string]string{"a.yaml": "", "b.yaml": deployment("cart:2", "256Mi", "2")},
		clash:    []string{"a.yaml"},
		stricter: true,
	},
	"a binary file": {
		seed:   map[string]string{"a.bin": "\x00one"},
		commit: map[string]string{"a.bin": "\x00two"},
		later:  map[string]string{"README.md": "words\n"},
	},
	"a binary file that somebody changed": {
		seed:   map[string]string{"a.bin": "\x00one\n\n\n\nx"},
		commit: map[string]string{"a.bin": "\x00two\n\n\n\nx"},
		later:  map[string]string{"a.bin": "\x00two\n\n\n\ny"},
		clash:  []string{"a.bin"},
	},
	"line ends": {
		seed:   map[string]string{"a.yaml": "a: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\ne: 1"},
		commit: map[string]string{"a.yaml": "a: 2\r\nb: 1\r\nc: 1\r\nd: 1\r\ne: 1"},
		later:  map[string]string{"a.yaml": "a: 2\r\nb: 1\r\nc: 1\r\nd: 1\r\ne: 2"},
	},
	"a key that would be there twice": {
		seed:     map[string]string{"a.yaml": "cpu: 1\nb: 1\nc: 1\nd: 1\n"},
		commit:   map[string]string{"a.yaml": "b: 1\nc: 1\nd: 1\n"},
		later:    map[string]string{"a.yaml": "b: 1\nc: 1\nd: 1\ncpu: 2\n"},
		clash:    []string{"a.yaml"},
		stricter: true,
	},
	"a template": {
		seed:     map[string]string{"a.yaml": "a: {{ .x }}\nb: 1\nc: 1\nd: 1\n"},
		commit:   map[string]string{"a.yaml": "a: {{ .y }}\nb: 1\nc: 1\nd: 1\n"},
		later:    map[string]string{"a.yaml": "a: {{ .y }}\nb: 1\nc: 1\nd: 2\n"},
		clash:    []string{"a.yaml"},
		stricter: true,
	},
	"a folder that became a file": {
		seed:     map[string]string{"a/b": "1\n", "c": "c\n"},
		commit:   map[string]string{"a/b": ""},
		later:    map[string]string{"a": "file\n"},
		clash:    []string{"a/b"},
		stricter: true,
	},
}

func TestRevertDoesWhatGitDoes(t *testing.T) {
	t.Parallel()
	for name, c := range reverts {
		for _, kind := range []string{"a commit", "a merge"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				r := newRemote(t)
				r.commit("main", "seed", c.seed)
				subject := "Use another one\nat once\n\nbecause"
				var sha string
				if kind == "a merge" {
					r.git("branch", "topic", "main")
					r.commit("topic", "on a branch", c.commit)
					r.commit("main", "meanwhile", map[string]string{"other.md": "x\n"})
					sha = r.merge("main", "topic", subject, c.commit)
				} else {
					sha = r.commit("main", subject, c.commit)
				}
				head := r.commit("main", "later", c.later)
				g := r.open(filepath.Join(t.TempDir(), "mirror"))
				tree, message, clashes := r.gitRevert(sha, kind == "a merge")

				undo, err := g.Revert(ctx, sha, head)
				if len(c.clash) > 0 {
					conflicting(t, err, c.clash)
					if !c.stricter {
						equal(t, "git's conflicts", clashes, c.clash)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				made := mustCommit(t, g, CommitSpec{Parent: head, Files: undo.Files, Executable: undo.Executable, Message: undo.Message, Author: bot, When: noon})
				if err := g.Push(ctx, "main", head, made); err != nil {
					t.Fatal(err)
				}
				r.git("fsck", "--strict")
				equal(t, "tree", r.git("rev-parse", made+"^{tree}"), tree)
				equal(t, "message", r.git("log", "-1", "--format=%B", made), message)
				if _, err := g.Revert(ctx, sha, made); !errors.Is(err, ErrNoChange) {
					t.Errorf("a second time: %v", err)
				}
			})
		}
	}
}

// gitRevert is the tree and the message of git's own revert, or the files that it could not merge.
func (r *remote) gitRevert(sha string, merge bool) (tree, message string, clashes []string) {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "clone")
	r.run(r.dir, "", "clone", "-q", "--shared", r.dir, dir) // whose main is head
	args := []string{"-c", "user.name=dana", "-c", "user.email=dana@example.com", "revert", "--no-edit"}
	if merge {
		args = append(args, "-m", "1")
	}
	cmd := exec.Command("git", append(args, sha)...)
	cmd.Dir = dir
	if cmd.Run() != nil {
		return "", "", strings.Fields(r.run(dir, "", "diff", "--name-only", "--diff-filter=U"))
	}
	out := r.run(dir, "", "log", "-1", "--format=%T%n%B")
	tree, message, _ = strings.Cut(strings.TrimSuffix(out, "\n"), "\n")
	return tree, message, nil
}

func conflicting(t *testing.T, err error, paths []string) {
	t.Helper()
	var c *Conflict
	if !errors.As(err, &c) {
		t.Fatalf("got %v, want a conflict in %q", err, paths)
	}
	var got []string
	for _, p := range c.Paths {
		if p.Why == "" {
			t.Errorf("%s: no reason", p.Path)
		}
		got = append(got, p.Path)
	}
	equal(t, "conflicts", got, paths)
}

// Modes, links and submodules, which fast-import writes and our own commits do not.
func TestRevertOfModesAndLinks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string // what fast-import is told of the path x
		clash    bool
		mode     string
	}{
		"made executable": {"M 100644 inline x\ndata 2\na\n", "M 100755 inline x\ndata 2\na\n", false, "100644"},
		"no longer so":    {"M 100755 inline x\ndata 2\na\n", "M 100644 inline x\ndata 2\nb\n", false, "100755"},
		"became a link":   {"M 100644 inline x\ndata 2\na\n", "M 120000 inline x\ndata 1\ny\n", true, ""},
		"another link":    {"M 120000 inline x\ndata 1\nz\n", "M 120000 inline x\ndata 1\ny\n", true, ""},
		"a submodule": {"M 160000 " + strings.Repeat("1", 40) + " x\n", "M 160000 " + strings.Repeat("2", 40) + " x\n",
			true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			for i, files := range []string{c.from, c.to} {
				in := fmt.Sprintf("commit refs/heads/main\ncommitter d <d@example.com> %d +0000\ndata 1\nx\n", began+i)
				if i > 0 {
					in += "from refs/heads/main^0\n"
				}
				r.run(r.dir, in+files, "fast-import", "--quiet")
			}
			head := r.head("main")
			g := r.open(filepath.Join(t.TempDir(), "mirror"))
			undo, err := g.Revert(ctx, head, head)
			if c.clash {
				conflicting(t, err, []string{"x"})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			made := mustCommit(t, g, CommitSpec{Parent: head, Files: undo.Files, Executable: undo.Executable, Message: undo.Message, Author: bot, When: noon})
			if err := g.Push(ctx, "main", head, made); err != nil {
				t.Fatal(err)
			}
			equal(t, "tree", r.git("rev-parse", made+"^{tree}"), r.git("rev-parse", head+"^^{tree}"))
			equal(t, "mode", strings.Fields(r.git("ls-tree", made, "x"))[0], c.mode)
		})
	}
}

// What our own revert needs is stricter: a file that anybody changed since is not touched at all.
func TestRevertMergesWhatRevertFilesRefuses(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	sha := r.commit("main", "more", map[string]string{"base/cart.yaml": deployment("cart:2", "1Gi", "2")})
	head := r.commit("main", "scale", map[string]string{"base/cart.yaml": deployment("cart:2", "1Gi", "9")})
	last := r.commit("main", "scale again", map[string]string{"base/cart.yaml": deployment("cart:2", "2Gi", "9")})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := g.RevertFiles(ctx, head, last)
	notClean(t, err, "base/cart.yaml")
	undo, err := g.Revert(ctx, head, last)
	if err != nil || string(undo.Files["base/cart.yaml"]) != deployment("cart:2", "2Gi", "2") {
		t.Errorf("%q, %v", undo.Files, err)
	}
	equal(t, "merged", undo.Merged, []string{"base/cart.yaml"})
	if _, err := g.Revert(ctx, first, last); err == nil {
		t.Error("a commit without a parent was reverted")
	}
	if _, err := g.Revert(ctx, sha, strings.Repeat("a", 40)); !errors.Is(err, ErrNoCommit) {
		t.Errorf("got %v", err)
	}
}
