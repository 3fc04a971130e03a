package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The measured repository has the shape that is told, and every measured step works on it.
func TestShop(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not run: git is not installed")
	}
	ctx, root := t.Context(), t.TempDir()
	t.Chdir(t.TempDir()) // the cache is below it
	s := shape{files: 500, commits: 60}
	bare := filepath.Join(root, s.name())
	for range 2 { // the second time it comes from the cache
		if err := os.RemoveAll(bare); err != nil {
			t.Fatal(err)
		}
		if err := s.make(ctx, bare); err != nil {
			t.Fatal(err)
		}
	}
	count := func(args ...string) string {
		out, err := git(ctx, bare, nil, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(len(strings.Fields(out)))
	}
	for want, args := range map[string][]string{
		"500": {"ls-tree", "-r", "--name-only", "main"}, "60": {"rev-list", "main"}, "2": {"rev-list", "--merges", "main"},
		"1": {"branch", "--format=%(refname)"},
	} {
		if got := count(args...); got != want {
			t.Errorf("git %v: %s, want %s", args, got, want)
		}
	}
	url, err := serve(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	took, err := changeChild(ctx, []string{url + "/" + s.name(), filepath.Join(root, "mirror"), "ours", "500"})
	if err != nil || len(took.([]float64)) != inRound {
		t.Errorf("%v, %v", took, err)
	}
	clone := filepath.Join(root, "clone")
	if _, err := git(ctx, ".", nil, "clone", "-q", url+"/"+s.name(), clone); err != nil {
		t.Fatal(err)
	}
	if err := gitChange(ctx, clone, "theirs", nth(s, 0)); err != nil {
		t.Error(err)
	}
	if got := count("diff", "--name-only", "ours-0", "theirs"); got != "0" {
		t.Errorf("ours and git's change differ in %s file(s)", got)
	}
	if _, err := renderChild(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// A group's lines are replaced, those of others stay.
func TestSave(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "out", "bench.jsonl")
	for _, group := range []string{"a", "b", "a"} {
		r := &run{group: group}
		r.ratio("x: ms", 3, 2, 1)
		r.limit("y: MB", 3, 0, 3)
		if err := r.save(file); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(group string) string {
		return `{"group":"` + group + `","name":"x: ms","ours":3,"peer":2,"ratio":1.5,"goal":"ratio ≤ 1","pass":false}` + "\n" +
			`{"group":"` + group + `","name":"y: MB","ours":3,"peer":null,"ratio":null,"goal":"ours ≤ 3","pass":true}` + "\n"
	}
	if want := lines("b") + lines("a"); string(data) != want {
		t.Errorf("got\n%s", data)
	}
}

// Both sides of the policy's measurement decide, and as often.
func TestDecide(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"ours", "plain"} {
		answer, err := decideChild(t.Context(), []string{side})
		if err != nil {
			t.Fatal(err)
		}
		if took := answer.([]float64); len(took) != decisions {
			t.Errorf("%d decisions: %s", len(took), side)
		}
	}
	r := &run{}
	r.least("x: rows/s", 1, 2, 0.5)
	r.least("y: rows/s", 1, 2.1, 0.5)
	if !r.results[0].Pass || r.results[1].Pass || *r.results[0].Ratio != 0.5 {
		t.Errorf("%+v", r.results)
	}
}
