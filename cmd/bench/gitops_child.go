package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
)

// mirrorChild makes the mirror: URL DIR.
func mirrorChild(ctx context.Context, args []string) (any, error) {
	_, _, err := open(ctx, args[0], args[1])
	return struct{}{}, err
}

// changeChild does what a remediation does to the repository, and says how long each took: URL DIR PREFIX FILES.
func changeChild(ctx context.Context, args []string) (any, error) {
	g, _, err := open(ctx, args[0], args[1])
	if err != nil {
		return nil, err
	}
	files, err := strconv.Atoi(args[3])
	if err != nil {
		return nil, err
	}
	var took []float64
	for i := range inRound {
		ms, err := timed(func() error { return change(ctx, g, fmt.Sprintf("%s-%d", args[2], i), nth(shape{files: files}, i)) })
		if err != nil {
			return nil, err
		}
		took = append(took, ms)
	}
	return took, nil
}

func change(ctx context.Context, g *repo.Repo, branch string, n int) error {
	if err := g.Fetch(ctx); err != nil {
		return err
	}
	head, err := g.Head("main")
	if err != nil {
		return err
	}
	snapshot, err := g.Snapshot(head)
	if err != nil {
		return err
	}
	file := serviceDir(n) + "/deployment.yaml"
	data, err := snapshot.ReadFile(file)
	if err != nil {
		return err
	}
	if data, err = set(data, n, "7"); err != nil {
		return err
	}
	sha, err := g.Commit(ctx, repo.CommitSpec{Parent: head, Files: map[string][]byte{file: data}, Message: "Scale " + branch,
		Author: repo.Author{Name: "bench", Email: "bench@example.com"}, When: time.Now()})
	if err != nil {
		return err
	}
	return g.Push(ctx, branch, "", sha)
}

// twice asks the same question twice.
func twice(f func() error) (took asked, err error) {
	if took.Cold, err = timed(f); err != nil {
		return took, err
	}
	took.Again, err = timed(f)
	return took, err
}

// suspectsChild asks for the suspects of the whole history: URL DIR.
func suspectsChild(ctx context.Context, args []string) (any, error) {
	g, head, err := open(ctx, args[0], args[1])
	if err != nil {
		return nil, err
	}
	q := repo.SuspectQuery{Head: head, Onset: time.Now()}
	for i, p := range suspectPaths() {
		q.Places = append(q.Places, repo.Place{Path: p, Distance: i})
	}
	return twice(func() error {
		found, err := g.Suspects(ctx, q)
		if err == nil && len(found) < 50 {
			err = fmt.Errorf("only %d suspects", len(found))
		}
		return err
	})
}

// fieldChild asks for every value that an image had: URL DIR.
func fieldChild(ctx context.Context, args []string) (any, error) {
	g, head, err := open(ctx, args[0], args[1])
	if err != nil {
		return nil, err
	}
	field, err := edit.ParsePath("spec.template.spec.containers[name=app].image")
	if err != nil {
		return nil, err
	}
	q := repo.FieldQuery{Head: head, Last: 1000, Field: repo.FieldOf(serviceDir(hot)+"/deployment.yaml",
		edit.Selector{Group: "apps", Kind: "Deployment", Name: serviceName(hot)}, field)}
	return twice(func() error {
		values, err := g.FieldHistory(ctx, q)
		if err == nil && len(values) < 40 {
			err = fmt.Errorf("only %d values", len(values))
		}
		return err
	})
}

// memory is a repository of few files.
type memory map[string]string

func (m memory) ReadFile(path string) ([]byte, error) {
	data, ok := m[path]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(data), nil
}

func (m memory) List(dir string) ([]string, error) {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(m)) {
		if dir == "." || strings.HasPrefix(p, dir+"/") {
			out = append(out, p)
		}
	}
	return out, nil
}

// renderChild renders an overlay of 200 objects before and after an edit, the first time that this process renders at all.
func renderChild(context.Context, []string) (any, error) {
	const services = 100
	files, base := memory{}, "resources:\n"
	for n := range services {
		files["base/d"+serviceName(n)+".yaml"] = service{1, 2}.deployment(n)
		files["base/s"+serviceName(n)+".yaml"] = fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\n", serviceName(n))
		base += fmt.Sprintf("- d%[1]s.yaml\n- s%[1]s.yaml\n", serviceName(n))
	}
	files["base/kustomization.yaml"] = base
	files["overlay/kustomization.yaml"] = "namespace: shop\nresources: [../base]\nlabels: [{pairs: {env: production}}]\npatches: [{path: patch.yaml}]\n"
	files["overlay/patch.yaml"] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: svc-0007}\nspec: {replicas: 4}\n"
	return timed(func() error {
		before, err := locate.Render(files, "overlay")
		if err != nil {
			return err
		}
		edited := maps.Clone(files)
		data, err := set([]byte(edited["overlay/patch.yaml"]), 7, "7")
		if err != nil {
			return err
		}
		edited["overlay/patch.yaml"] = string(data)
		after, err := locate.Render(edited, "overlay")
		if err == nil && (len(before) != 2*services || len(after) != 2*services) {
			err = fmt.Errorf("%d and %d objects", len(before), len(after))
		}
		return err
	})
}

func (r *run) rendering(ctx context.Context) error {
	var took []float64
	for range rounds {
		var ms float64
		if _, err := child(ctx, &ms, "render"); err != nil {
			return err
		}
		took = append(took, ms)
	}
	r.limit("render an overlay of 200 objects before and after: ms", median(took), 0, 500)
	return nil
}
