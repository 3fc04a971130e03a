// Package deployer is the child that every GitOps team has in one form or another: what is pushed to main is rendered
// and applied, under the team's own identity. It leaves alone the merges of CortexOps's branches, which CortexOps
// applies itself, and deletes nothing.
package deployer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	poll         = 500 * time.Millisecond
	branch       = "main"
	manager      = "gitops"
	rulesPattern = "monitoring/*.yaml"
)

// overlays are deployed in this order.
var overlays = []string{"overlays/staging", "overlays/production"}

// writer is where rendered objects go.
type writer interface {
	Apply(ctx context.Context, objects []*unstructured.Unstructured) error
}

type deployer struct {
	git     *git.Client
	url     string
	apply   writer
	rules   string // folder
	metrics string // URL of Prometheus
	lg      *slog.Logger

	seen  string // every commit up to this one was dealt with
	whole bool   // the next sync applies all that main says, whoever committed it: at first, and after a failure
	stale bool   // Prometheus has not read the newest rules yet
}

// Run deploys until ctx ends. Its first act is to apply main as it is.
func Run(ctx context.Context, s *stack.Stack, lg *slog.Logger) error {
	rc, err := kubeconfig.Load(s.Kube.DeployerKubeconfig)
	if err != nil {
		return err
	}
	apply, err := NewApplier(rc, manager)
	if err != nil {
		return err
	}
	d, err := newDeployer(ctx, s, apply, lg)
	if err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	last := ""
	for {
		// The same trouble is told once, not twice a second.
		err := d.sync(ctx)
		if ctx.Err() != nil {
			return nil
		}
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != "" && now != last {
			lg.WarnContext(ctx, "not deployed, trying again", "error", err)
		}
		last = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func newDeployer(ctx context.Context, s *stack.Stack, apply writer, lg *slog.Logger) (*deployer, error) {
	dir := filepath.Join(s.Data("deployer"), "repository.git")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the deployer's folder: %w", err)
	}
	d := &deployer{
		git: git.As(s, "deployer", dir), url: git.URL(s), apply: apply,
		rules: s.Prometheus.Rules, metrics: s.Prometheus.URL, lg: lg, whole: true,
	}
	if _, err := d.git.Run(ctx, "init", "--quiet", "--bare"); err != nil {
		return nil, fmt.Errorf("make the deployer's copy of the repository: %w", err)
	}
	return d, nil
}

// sync deploys what is new on main. What fails is tried again by the next call.
func (d *deployer) sync(ctx context.Context) error {
	head, err := d.git.Line(ctx, "ls-remote", d.url, "refs/heads/"+branch)
	if err != nil {
		return err
	}
	head, _, _ = strings.Cut(head, "\t")
	if head != "" && (d.whole || head != d.seen) {
		if err := d.catchUp(ctx, head); err != nil {
			return err
		}
	}
	if d.stale {
		if err := reload(ctx, d.metrics); err != nil {
			return err
		}
		d.stale = false
		d.lg.InfoContext(ctx, "prometheus has read the alert rules")
	}
	return nil
}

func (d *deployer) catchUp(ctx context.Context, head string) error {
	if _, err := d.git.Run(ctx, "fetch", "--quiet", "--force", d.url, "refs/heads/"+branch+":refs/heads/"+branch); err != nil {
		return err
	}
	commits, err := d.pending(ctx, head)
	if err != nil {
		return err
	}
	var failed error
	for _, c := range commits {
		if !d.whole && c.ours() {
			d.lg.InfoContext(ctx, "left to CortexOps", "sha", c.sha, "subject", c.subject)
			continue
		}
		// A later commit may mend what this one broke.
		failed = d.deploy(ctx, c)
	}
	d.seen, d.whole = head, failed != nil
	return failed
}

// commit is what decides whether a commit is deployed.
type commit struct {
	sha, subject, head string // head is the trailer that CortexOps's merges carry
	merge              bool
}

// mergeSubject is how forges word the merge of a branch of CortexOps.
var mergeSubject = regexp.MustCompile(`\bfrom \S+/cortexops/\S+`)

func (c commit) ours() bool {
	return c.head != "" || c.merge && mergeSubject.MatchString(c.subject)
}

// pending are the commits of main's first-parent line after the last one seen, oldest first; the head alone where all
// of it is to be applied, or history was rewritten.
func (d *deployer) pending(ctx context.Context, head string) ([]commit, error) {
	args := []string{"log", "--first-parent", "--reverse", "--format=%H%x00%P%x00%s%x00%(trailers:key=Cortexops-Head,valueonly,separator=%x20)"}
	switch known, err := d.isAncestor(ctx, head); {
	case err != nil:
		return nil, err
	case known:
		args = append(args, d.seen+".."+head)
	default:
		args = append(args, "--max-count=1", head)
	}
	out, err := d.git.Run(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseLog(string(out)), nil
}

func (d *deployer) isAncestor(ctx context.Context, head string) (bool, error) {
	if d.whole {
		return false, nil
	}
	_, err := d.git.Run(ctx, "merge-base", "--is-ancestor", d.seen, head)
	var failed *git.RunError
	if errors.As(err, &failed) && failed.Output == "" { // git answers no by its exit code
		return false, nil
	}
	return err == nil, err
}

func parseLog(out string) (commits []commit) {
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\x00")
		if len(f) == 4 {
			commits = append(commits, commit{sha: f[0], merge: strings.Contains(f[1], " "), subject: f[2], head: strings.TrimSpace(f[3])})
		}
	}
	return commits
}

func (d *deployer) deploy(ctx context.Context, c commit) error {
	files, err := ReadRevision(ctx, d.git, c.sha)
	if err != nil {
		return err
	}
	// Rules first: they watch what comes next.
	changed, errs := writeRules(d.rules, files)
	d.stale = d.stale || changed
	for _, overlay := range overlays {
		objects, err := Render(files, overlay)
		if err == nil {
			err = d.apply.Apply(ctx, objects)
		}
		errs = errors.Join(errs, err)
	}
	if errs != nil {
		return fmt.Errorf("deploy %s: %w", c.sha, errs)
	}
	d.lg.InfoContext(ctx, "deployed", "sha", c.sha, "subject", c.subject)
	return nil
}
