package repo

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestRevert(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	spec := r.spec(first, map[string]string{"base/checkout.yaml": "memory: 512Mi\r\n", "new/a.yaml": "a: 1\n", "base/cart.yaml": ""})
	ours := mustCommit(t, g, spec)
	if err := g.Push(ctx, "main", first, ours); err != nil {
		t.Fatal(err)
	}
	// A person changes another file; ours is still as we left it.
	head := r.commit("main", "elsewhere", map[string]string{"README.md": "new words\n"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	files, err := g.RevertFiles(ctx, ours, head)
	if err != nil {
		t.Fatal(err)
	}
	revert := r.spec(head, nil)
	revert.Files = files
	sha := mustCommit(t, g, revert)
	if err := g.Push(ctx, "main", head, sha); err != nil {
		t.Fatal(err)
	}
	r.git("fsck", "--strict")
	equal(t, "as before, but for the other file", r.git("diff", "--name-only", first, sha), "README.md")

	// Undone already: nothing of it is ours any more.
	_, err = g.RevertFiles(ctx, ours, sha)
	notClean(t, err, "base/cart.yaml", "base/checkout.yaml", "new/a.yaml")
}

func TestRevertOfWhatAPersonChanged(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	ours := mustCommit(t, g, r.spec(first, map[string]string{"base/checkout.yaml": "memory: 512Mi\r\n", "base/cart.yaml": "replicas: 4"}))
	if err := g.Push(ctx, "main", first, ours); err != nil {
		t.Fatal(err)
	}
	head := r.commit("main", "by hand", map[string]string{"base/checkout.yaml": "memory: 600Mi\r\n"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := g.RevertFiles(ctx, ours, head)
	notClean(t, err, "base/checkout.yaml")
	if _, err := g.RevertFiles(ctx, first, head); err == nil {
		t.Error("a commit without a parent was reverted")
	}
}

func TestRevertOfAMerge(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	ours := mustCommit(t, g, r.spec(first, map[string]string{"base/checkout.yaml": "memory: 512Mi\r\n"}))
	if err := g.Push(ctx, "topic", "", ours); err != nil {
		t.Fatal(err)
	}
	r.commit("main", "meanwhile", map[string]string{"README.md": "x\n"})
	tree := r.git("merge-tree", "--write-tree", "main", "topic")
	merge := r.git("commit-tree", "-m", "Merge topic", "-p", "main", "-p", "topic", tree)
	r.git("update-ref", "refs/heads/main", merge)
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	files, err := g.RevertFiles(ctx, merge, merge)
	if err != nil || len(files) != 1 || string(files["base/checkout.yaml"]) != "memory: 256Mi\r\n" {
		t.Errorf("%q, %v", files, err)
	}
}

func notClean(t *testing.T, err error, paths ...string) {
	t.Helper()
	var n *NotClean
	if !errors.As(err, &n) {
		t.Errorf("got %v", err)
		return
	}
	equal(t, "paths", n.Paths, paths)
}

func TestNote(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	second := r.commit("main", "second", map[string]string{"x": "1"}) // not fetched yet
	for _, n := range []struct{ sha, text string }{{second, "other"}, {first, "Verdict: pass\n"}, {first, "Verdict: pass"}, {first, "later"}, {first, " later\n"}} {
		if err := g.Note(ctx, n.sha, n.text); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "first", r.git("notes", "--ref", "cortexops", "show", first), "Verdict: pass\n\n---\n\nlater")
	equal(t, "second", r.git("notes", "--ref", "cortexops", "show", second), "other")
	equal(t, "commits", r.git("rev-list", "--count", string(notesRef)), "3")
	equal(t, "branches", r.branches(), []string{"main"})
	r.git("fsck", "--strict")
	if err := g.Note(ctx, strings.Repeat("a", 40), "x"); !errors.Is(err, ErrNoCommit) {
		t.Errorf("got %v", err)
	}
	if err := g.Note(ctx, first, " \n"); err == nil {
		t.Error("an empty note")
	}
}

// Notes of two processes at once both stay.
func TestNotesAtOnce(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	other := r.open(filepath.Join(t.TempDir(), "mirror"))
	var wg sync.WaitGroup
	for i, from := range []*Repo{g, other, g} {
		wg.Go(func() {
			if err := from.Note(ctx, first, []string{"one", "two", "one"}[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	text := r.git("notes", "--ref", "cortexops", "show", first)
	if strings.Count(text, "one") != 1 || strings.Count(text, "two") != 1 {
		t.Errorf("got %q", text)
	}
}

// A note that git spread over a folder is found there.
func TestNoteInAFolder(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	blob := strings.TrimSpace(r.run(r.dir, "by git\n", "hash-object", "-w", "--stdin"))
	inner := strings.TrimSpace(r.run(r.dir, "100644 blob "+blob+"\t"+first[2:]+"\n", "mktree"))
	outer := strings.TrimSpace(r.run(r.dir, "040000 tree "+inner+"\t"+first[:2]+"\n", "mktree"))
	r.git("update-ref", string(notesRef), r.git("commit-tree", "-m", "notes", outer))
	if err := g.Note(ctx, first, "ours"); err != nil {
		t.Fatal(err)
	}
	equal(t, "note", r.git("notes", "--ref", "cortexops", "show", first), "by git\n\n---\n\nours")
}
