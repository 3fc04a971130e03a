package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/repo"
)

const (
	rounds  = 4 // ours and the peer take turns, so that both meet the same weather
	inRound = 4
)

var (
	big   = shape{10_000, 2_000}
	small = shape{1_000, 200}
	large = shape{20_000, 200}
)

// gitops measures changes of a repository, questions about its past, and rendering.
func gitops(ctx context.Context, r *run) error {
	url, err := serve(ctx, r.dir)
	if err != nil {
		return err
	}
	for _, s := range []shape{big, small, large} {
		if err := s.make(ctx, filepath.Join(r.dir, s.name())); err != nil {
			return err
		}
		var nothing struct{}
		if _, err := child(ctx, &nothing, "mirror", url+"/"+s.name(), r.mirror(s)); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context, string, shape) error{r.changing, r.growing, r.asking} {
		if err := step(ctx, url, big); err != nil {
			return err
		}
	}
	return r.rendering(ctx)
}

func (s shape) name() string { return fmt.Sprintf("shop-%d.git", s.files) }

func (r *run) mirror(s shape) string { return filepath.Join(r.dir, "mirror-"+s.name()) }

// changing changes one line, commits and pushes it: ours from the mirror, git from a clone with a checkout that it keeps.
func (r *run) changing(ctx context.Context, url string, s shape) error {
	clone := filepath.Join(r.dir, "clone")
	if _, err := git(ctx, ".", nil, "clone", "-q", url+"/"+s.name(), clone); err != nil {
		return err
	}
	var ours, theirs []float64
	peak := 0.0
	for round := range rounds {
		took, mb, err := r.change(ctx, url, s, fmt.Sprintf("ours-%d", round))
		if err != nil {
			return err
		}
		ours, peak = append(ours, took...), max(peak, mb)
		for i := range inRound {
			ms, err := timed(func() error { return gitChange(ctx, clone, fmt.Sprintf("git-%d-%d", round, i), nth(s, i)) })
			if err != nil {
				return err
			}
			theirs = append(theirs, ms)
		}
	}
	r.ratio("change one line of 10,000 files, commit, push: ms", median(ours), median(theirs), 1.0)
	r.limit("the same, peak memory: MB", peak, 0, 300)
	return nil
}

func (r *run) change(ctx context.Context, url string, s shape, prefix string) (took []float64, peak float64, err error) {
	peak, err = child(ctx, &took, "change", url+"/"+s.name(), r.mirror(s), prefix, strconv.Itoa(s.files))
	return took, peak, err
}

// growing compares ours with ours.
func (r *run) growing(ctx context.Context, url string, _ shape) error {
	took := map[shape][]float64{}
	for round := range rounds {
		for _, s := range []shape{small, large} {
			ms, _, err := r.change(ctx, url, s, fmt.Sprintf("grow-%d", round))
			if err != nil {
				return err
			}
			took[s] = append(took[s], ms...)
		}
	}
	r.ratio("the same with 20,000 files, against ours with 1,000: ms", median(took[large]), median(took[small]), 1.3)
	return nil
}

// nth is the service of the nth change.
func nth(s shape, n int) int { return (7*n + 3) % s.services() }

func set(data []byte, n int, replicas string) ([]byte, error) {
	field, err := edit.ParsePath("spec.replicas")
	if err != nil {
		return nil, err
	}
	return edit.Set("deployment.yaml", data, edit.Selector{Group: "apps", Kind: "Deployment", Name: serviceName(n)}, field, replicas)
}

// gitChange is what a script does.
func gitChange(ctx context.Context, clone, branch string, n int) error {
	for _, args := range [][]string{{"fetch", "-q", "origin", "main"}, {"checkout", "-q", "-B", branch, "origin/main"}} {
		if _, err := git(ctx, clone, nil, args...); err != nil {
			return err
		}
	}
	file := filepath.Join(clone, serviceDir(n), "deployment.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if data, err = set(data, n, "7"); err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"commit", "-q", "-a", "-m", "Scale"}, {"push", "-q", "origin", branch}} {
		if _, err := git(ctx, clone, nil, args...); err != nil {
			return err
		}
	}
	return nil
}

// asking asks about the past, cold in a new process, and again in it.
func (r *run) asking(ctx context.Context, url string, s shape) error {
	bare := filepath.Join(r.dir, s.name())
	for _, q := range []struct {
		name, what string
		paths      []string
	}{
		{"suspects", "suspect changes in 2,000 commits", suspectPaths()},
		{"field", "history of a field in 2,000 commits", []string{serviceDir(hot) + "/deployment.yaml"}},
	} {
		var cold, again, theirs []float64
		for range rounds {
			var took asked
			if _, err := child(ctx, &took, q.name, url+"/"+s.name(), r.mirror(s)); err != nil {
				return err
			}
			cold, again = append(cold, took.Cold), append(again, took.Again)
			ms, err := timed(func() error {
				_, err := git(ctx, bare, nil, append([]string{"log", "--format=%H %an %ct %s", "main", "--"}, q.paths...)...)
				return err
			})
			if err != nil {
				return err
			}
			theirs = append(theirs, ms)
		}
		r.limit(q.what+", cold: ms", median(cold), median(theirs), 1000)
		r.limit(q.what+", asked again: ms", median(again), median(theirs), 50)
	}
	return nil
}

// asked is how long a question took, in milliseconds.
type asked struct{ Cold, Again float64 }

func suspectPaths() []string {
	return []string{serviceDir(hot), serviceDir(hot + 1), "teams/team-001", serviceDir(90) + "/deployment.yaml"}
}

func open(ctx context.Context, url, dir string) (*repo.Repo, string, error) {
	g, err := repo.Open(ctx, repo.Options{URL: url, Dir: dir})
	if err != nil {
		return nil, "", err
	}
	head, err := g.Head("main")
	return g, head, err
}
