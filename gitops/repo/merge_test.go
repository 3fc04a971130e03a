package repo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Random edits are merged as git merges them: never another result, and seldom another verdict.
func TestMergeAgreesWithGit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not run: git is not installed")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"a:", "  b: 1", "  c: 2", "- name: x", "", "# note", "  memory: 1Gi\r"}
	other, clean := 0, 0
	const trials = 60
	for range trials {
		var base []string
		for range 5 + rnd.IntN(40) {
			base = append(base, words[rnd.IntN(len(words))])
		}
		edited := func() []byte {
			out := slices.Clone(base)
			for range 1 + rnd.IntN(3) {
				i := rnd.IntN(len(out))
				switch rnd.IntN(3) {
				case 0:
					out[i] = fmt.Sprint("new ", rnd.IntN(4))
				case 1:
					out = slices.Insert(out, i, words[rnd.IntN(len(words))])
				default:
					out = slices.Delete(out, i, i+1)
				}
			}
			return []byte(strings.Join(out, "\n") + []string{"", "\n"}[rnd.IntN(2)])
		}
		old, now, before := []byte(strings.Join(base, "\n")+"\n"), edited(), edited()
		got, why := merge(now, old, before)
		want, ok := gitMerge(t, now, old, before)
		if ok == (why == "") {
			if ok && string(got) != string(want) {
				t.Fatalf("now %q\nold %q\nbefore %q\ngot %q\nwant %q", now, old, before, got, want)
			}
			if ok {
				clean++
			}
			continue
		}
		if !ok {
			t.Errorf("merged what git does not: now %q\nold %q\nbefore %q", now, old, before)
		}
		other++
	}
	if other > 1 || clean < trials/10 {
		t.Errorf("%d of %d verdicts differ, %d are clean", other, trials, clean)
	}
}

// These are conflicts to git and to us; the library's other algorithm, Myers, merges them.
func TestMergeIsAsStrictAsGit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not run: git is not installed")
	}
	for _, c := range []struct{ now, old, before string }{
		{"b\nb\nc\nb\n", "b\nc\nb\n", "c\nb\nc\nx\n"},
		{"a\nc\na\nx\n", "a\nc\na\na\nb\n", "d\na\nc\na\na\nx\n"},
		{"x\na\nb\nd\na\na\nx\n", "c\na\nb\nd\na\na\na\n", "c\na\nb\nd\na\na\nx\na\n"},
	} {
		now, old, before := []byte(c.now), []byte(c.old), []byte(c.before)
		if want, ok := gitMerge(t, now, old, before); ok {
			t.Fatalf("git merges %q: %q", c, want)
		}
		if got, why := merge(now, old, before); why == "" {
			t.Errorf("%q is merged: %q", c, got)
		}
	}
}

func gitMerge(t *testing.T, now, old, before []byte) ([]byte, bool) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"now": now, "old": old, "before": before} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("git", "merge-file", "-p", "-q", "now", "old", "before")
	cmd.Dir = dir
	out, err := cmd.Output()
	return out, err == nil
}

// A long file is merged; one that would take too long is refused at once.
func TestRevertOfALongFile(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&long, "- name: svc-%d\n  memory: 1Gi\n", i)
	}
	for name, c := range map[string]struct {
		body  string
		clash bool
	}{
		"ten thousand lines":       {long.String(), false},
		"one line again and again": {strings.Repeat("- name: x\n", 20_000), true},
		"too big":                  {strings.Repeat("#", maxMerge) + "\n", true},
	} {
		r := newRemote(t)
		r.commit("main", "seed", map[string]string{"a.yaml": "- 1\n" + c.body + "- 1\n"})
		sha := r.commit("main", "one", map[string]string{"a.yaml": "- 2\n" + c.body + "- 1\n"})
		head := r.commit("main", "two", map[string]string{"a.yaml": "- 2\n" + c.body + "- 3\n"})
		undo, err := r.open(filepath.Join(t.TempDir(), "mirror")).Revert(ctx, sha, head)
		switch {
		case c.clash:
			conflicting(t, err, []string{"a.yaml"})
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			equal(t, name, string(undo.Files["a.yaml"]), "- 1\n"+c.body+"- 3\n")
		}
	}
}
