package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where --repo is a folder of a git repository, the diff applies from the root and from inside, and changes the file.
func TestEditOfAFolderOfARepository(t *testing.T) {
	t.Parallel()
	for _, from := range []string{".", "fleet", "fleet/base"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			dir, git := gitTree(t, map[string]string{"fleet/base/d.yaml": nameless, "README.md": "fleet\n"})
			out, errs, code := ran(t, "gitops", "edit", "--repo", filepath.Join(dir, "fleet"), "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas", "--set", "9")
			if code != 0 || !strings.Contains(out, "+++ b/fleet/base/d.yaml\n") {
				t.Fatalf("exit %d\n%s%s", code, out, errs)
			}
			cmd := exec.CommandContext(t.Context(), "git", "apply")
			cmd.Dir, cmd.Stdin = filepath.Join(dir, from), strings.NewReader(out)
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			if stat := git("", "diff", "--numstat"); stat != "1\t1\tfleet/base/d.yaml\n" {
				t.Errorf("it changes %q", stat)
			}
		})
	}
}

// A folder in no repository has paths from itself, and the root of one has no prefix, however it is reached.
func TestGitPrefix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "repo/.git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "repo/a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("repo/a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{"repo": "", "repo/a": "a/", "repo/a/b": "a/b/", "link/b": "a/b/"} {
		if got, err := gitPrefix(filepath.Join(dir, at)); got != want || err != nil {
			t.Errorf("%s: %q, %v", at, got, err)
		}
	}
}
