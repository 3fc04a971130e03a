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

// A folder in no repository is its own root, and the root of one is found from inside, however that is reached.
func TestGitRoot(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"repo/.git", "repo/a/b", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("repo/a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{"repo": "repo", "repo/a": "repo", "repo/a/b": "repo", "link/b": "repo", "other": "other"} {
		if got, err := gitRoot(filepath.Join(dir, at)); got != filepath.Join(dir, want) || err != nil {
			t.Errorf("%s: %q, %v", at, got, err)
		}
	}
}

// In a folder of a repository, what lies above it is read too, and --path is said from there, from the root, or whole.
func TestLocateFromAFolderOfARepository(t *testing.T) {
	t.Parallel()
	dir, _ := gitTree(t, map[string]string{"base/d.yaml": nameless, "base/kustomization.yaml": "resources: [d.yaml]\n",
		"overlays/prod/kustomization.yaml": "resources: [../../base]\nnamespace: shop\n", "overlays/dev/kustomization.yaml": "resources: [../../base]\nnamespace: shop\n"})
	for at, paths := range map[string][]string{
		"overlays":      {"prod", "./prod/", "overlays/prod", filepath.Join(dir, "overlays/prod")},
		"overlays/prod": {".", "../prod", "overlays/prod"},
		"base":          {"../overlays/prod", "overlays/prod"},
		".":             {"overlays/prod"},
	} {
		for _, p := range paths {
			out, errs, code := ran(t, "gitops", "locate", "--repo", filepath.Join(dir, at), "--path", p, "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas")
			if code != 0 || !strings.HasPrefix(out, "base/d.yaml:5:13 2\noverlays/prod renders ") {
				t.Errorf("--path %s in %s: exit %d\n%s%s", p, at, code, out, errs)
			}
		}
	}
	if out, errs, code := ran(t, "gitops", "locate", "--repo", filepath.Join(dir, "base"), "--path", "../..", "--resource", "apps/v1/Deployment/shop/api", "--field", "spec.replicas"); code != exitUsage || !strings.Contains(errs, "whose root is") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
