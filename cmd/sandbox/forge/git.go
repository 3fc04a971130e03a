package forge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const noSHA = "0000000000000000000000000000000000000000"

// repository is a bare repository on disk, worked on with git's plumbing. Every
// argument that comes from outside is a full SHA or begins with refs/.
type repository struct {
	root    string // what git-http-backend serves
	dir     string
	git     string
	backend string
	env     []string
}

func openRepository(ctx context.Context, root, path string) (*repository, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git is missing, install it: %w", err)
	}
	r := &repository{root: root, dir: filepath.Join(root, path), git: git}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + root, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
	}
	if err := r.findBackend(ctx); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err == nil {
		return r, nil
	}
	if _, err := r.command(ctx, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", r.dir); err != nil {
		return nil, fmt.Errorf("create the repository: %w", err)
	}
	for _, set := range [][2]string{
		{"http.receivepack", "true"}, {"uploadpack.allowAnySHA1InWant", "true"},
		{"transfer.fsckObjects", "true"}, {"gc.auto", "0"}, {"receive.autogc", "false"},
	} {
		if _, err := r.run(ctx, nil, "config", set[0], set[1]); err != nil {
			return nil, fmt.Errorf("configure the repository: %w", err)
		}
	}
	return r, nil
}

func (r *repository) findBackend(ctx context.Context) error {
	version, err := r.command(ctx, nil, "version")
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "git version %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("read git's version from %q: %w", version, err)
	}
	if major < 2 || major == 2 && minor < 38 {
		return fmt.Errorf("git 2.38 or newer is needed to merge without a checkout, and this is %s: upgrade it", strings.TrimSpace(version))
	}
	dir, err := r.command(ctx, nil, "--exec-path")
	if err != nil {
		return err
	}
	r.backend = filepath.Join(strings.TrimSpace(dir), "git-http-backend")
	if _, err := os.Stat(r.backend); err != nil {
		return fmt.Errorf("git-http-backend is missing, install git's full package: %w", err)
	}
	return nil
}

// run is git in this repository.
func (r *repository) run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	return r.command(ctx, stdin, append([]string{"--git-dir=" + r.dir}, args...)...)
}

func (r *repository) command(ctx context.Context, stdin []byte, args ...string) (string, error) {
	return r.commandAs(ctx, nil, stdin, args...)
}

func (r *repository) commandAs(ctx context.Context, env []string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, r.git, args...)
	cmd.Env = append(append([]string{}, r.env...), env...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}

// exitCode tells git's "no" (1) from its failure.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// refs are the branches, without refs/heads/, and their SHAs.
func (r *repository) refs(ctx context.Context) (map[string]string, error) {
	out, err := r.run(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		if sha, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			refs[strings.TrimPrefix(ref, "refs/heads/")] = sha
		}
	}
	return refs, nil
}

// isCommit says whether a full SHA names a commit here.
func (r *repository) isCommit(ctx context.Context, sha string) bool {
	if !isSHA(sha) {
		return false
	}
	out, err := r.run(ctx, nil, "cat-file", "-t", sha)
	return err == nil && strings.TrimSpace(out) == "commit"
}

func isSHA(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

func (r *repository) isAncestor(ctx context.Context, a, b string) (bool, error) {
	_, err := r.run(ctx, nil, "merge-base", "--is-ancestor", a, b)
	if err != nil && exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

var errConflict = errors.New("the branches conflict")

// mergeTree is the tree of a merge, or errConflict.
func (r *repository) mergeTree(ctx context.Context, base, head string) (string, error) {
	out, err := r.run(ctx, nil, "merge-tree", "--write-tree", "--no-messages", base, head)
	if err != nil && exitCode(err) == 1 {
		return "", errConflict
	}
	tree, _, _ := strings.Cut(out, "\n")
	return tree, err
}

type signature struct {
	Name, Email string
	When        time.Time
}

// commitTree makes a commit; no ref points at it yet.
func (r *repository) commitTree(ctx context.Context, tree string, parents []string, message string, author signature) (string, error) {
	args := []string{"--git-dir=" + r.dir, "commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	when := fmt.Sprintf("%d +0000", author.When.Unix())
	out, err := r.commandAs(ctx, []string{
		"GIT_AUTHOR_NAME=" + author.Name, "GIT_AUTHOR_EMAIL=" + author.Email, "GIT_AUTHOR_DATE=" + when,
		"GIT_COMMITTER_NAME=Sandbox Forge", "GIT_COMMITTER_EMAIL=noreply@forge.sandbox", "GIT_COMMITTER_DATE=" + when,
	}, []byte(message), args...)
	return strings.TrimSpace(out), err
}

// moveRef moves a branch only if it is still at old.
func (r *repository) moveRef(ctx context.Context, branch, to, old string) error {
	_, err := r.run(ctx, nil, "update-ref", "refs/heads/"+branch, to, old)
	return err
}
