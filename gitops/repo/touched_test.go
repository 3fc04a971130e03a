package repo

import (
	"errors"
	"strings"
	"testing"
)

func TestTouched(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	r.commit("main", "one", map[string]string{"base/cart.yaml": "replicas: 3", "new.yaml": "x"})
	r.commit("main", "and back", map[string]string{"base/cart.yaml": "replicas: 2", "base/checkout.yaml": ""})
	head := r.commit("main", "elsewhere", map[string]string{"README.md": "y"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ paths, want []string }{
		"nothing is asked":  {nil, nil},
		"not touched":       {[]string{"base/cart.yaml", "overlays", "scripts/run.sh", "gone"}, nil},
		"removed":           {[]string{"base/checkout.yaml"}, []string{"base/checkout.yaml"}},
		"a folder, a file":  {[]string{"base", "README.md"}, []string{"base", "README.md"}},
		"that was not here": {[]string{"new.yaml"}, []string{"new.yaml"}},
	} {
		got, err := g.Touched(ctx, first, head, c.paths)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, name, got, c.want)
	}
	if _, err := g.Touched(ctx, first, head, []string{"../x"}); err == nil {
		t.Error("a path outside was looked at")
	}
	if _, err := g.Touched(ctx, strings.Repeat("a", 40), head, nil); !errors.Is(err, ErrNoCommit) {
		t.Errorf("got %v", err)
	}
}

// The base moved: the same change on the new base replaces ours on its branch, and nothing of anybody else's.
func TestARebasedProposalDropsOnlyOurOwn(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	const branch = "cortexops/abc-1"
	change := map[string]string{"base/cart.yaml": "replicas: 5"}
	ours := mustCommit(t, g, r.spec(first, change))
	if err := g.Push(ctx, branch, "", ours); err != nil {
		t.Fatal(err)
	}
	moved := r.commit("main", "meanwhile", map[string]string{"README.md": "words\n"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	touched, err := g.Touched(ctx, first, moved, []string{"base/cart.yaml"})
	if err != nil || len(touched) > 0 {
		t.Fatal(touched, err)
	}
	rebased := mustCommit(t, g, r.spec(moved, change))
	if err := g.Push(ctx, branch, ours, rebased); err != nil {
		t.Fatal(err)
	}
	equal(t, "rebased", r.head(branch), rebased)
	equal(t, "its only change", r.git("diff", "--name-only", moved, rebased), "base/cart.yaml")

	person := r.commit(branch, "by hand", map[string]string{"base/cart.yaml": "replicas: 6"})
	more := r.commit("main", "more", map[string]string{"x": "y"})
	if err := g.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	again := mustCommit(t, g, r.spec(more, change))
	var not *NotOurs
	if err := g.Push(ctx, branch, person, again); !errors.As(err, &not) || not.SHA != person || not.Branch != branch || !strings.Contains(not.By, "dana@example.com") {
		t.Errorf("got %v", err)
	}
	equal(t, "the person's push", r.head(branch), person)
	// On top of it we may go on.
	on := mustCommit(t, g, r.spec(person, map[string]string{"base/cart.yaml": "replicas: 7"}))
	if err := g.Push(ctx, branch, person, on); err != nil {
		t.Error(err)
	}
	// A mirror that does not know what it would drop must fetch first.
	unknown := r.commit(branch, "unseen", map[string]string{"x": "z"})
	if err := g.Push(ctx, branch, unknown, mustCommit(t, g, r.spec(on, map[string]string{"x": "ours"}))); !errors.Is(err, ErrNoCommit) {
		t.Errorf("got %v", err)
	}
}
