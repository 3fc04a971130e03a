package repo

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestPushIsACompareAndSwap(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	const branch = "cortexops/abc-1"
	one := mustCommit(t, g, r.spec(first, map[string]string{"README.md": "one\n"}))
	two := mustCommit(t, g, r.spec(one, map[string]string{"README.md": "two\n"}))

	for range 2 { // the second time it is there already
		if err := g.Push(ctx, branch, "", one); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "created", r.head(branch), one)
	if head, err := g.Head(branch); err != nil || head != one {
		t.Errorf("the mirror: %s, %v", head, err)
	}

	moved(t, g.Push(ctx, branch, "", two), branch, "", one)
	moved(t, g.Push(ctx, branch, first, two), branch, first, one)
	moved(t, g.Push(ctx, "gone", first, two), "gone", first, "")
	equal(t, "untouched", r.head(branch), one)

	if err := g.Push(ctx, branch, one, two); err != nil {
		t.Fatal(err)
	}
	equal(t, "moved on", r.head(branch), two)
	r.git("fsck", "--strict")

	person := r.commit(branch, "by hand", map[string]string{"README.md": "mine\n"})
	three := mustCommit(t, g, r.spec(two, map[string]string{"README.md": "three\n"}))
	moved(t, g.Push(ctx, branch, two, three), branch, two, person)
	equal(t, "the person's push", r.head(branch), person)

	for _, bad := range []string{"", "a..b", "a b", "-x", "a\nb", "x.lock"} {
		if err := g.Push(ctx, bad, "", one); err == nil {
			t.Errorf("branch %q was pushed", bad)
		}
	}
	if err := g.Push(ctx, "x", "main", one); err == nil {
		t.Error("an old that is no SHA")
	}
	if err := g.Push(ctx, "x", "", strings.Repeat("a", 40)); !errors.Is(err, ErrNoCommit) {
		t.Errorf("an unknown commit: %v", err)
	}
}

func moved(t *testing.T, err error, branch, want, have string) {
	t.Helper()
	var m *Moved
	if !errors.As(err, &m) || *m != (Moved{branch, want, have}) {
		t.Errorf("got %v, want %s moved from %q to %q", err, branch, want, have)
	}
}

// The comparing is the server's: it refuses what another push overtook between our look and our write.
func TestPushOvertaken(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	others := r.open(filepath.Join(t.TempDir(), "mirror"))
	const n = 6
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		from := g
		if i%2 == 1 {
			from = others
		}
		sha := mustCommit(t, from, r.spec(first, map[string]string{"README.md": fmt.Sprint(i)}))
		wg.Go(func() { errs[i] = from.Push(ctx, "race", "", sha) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var m *Moved
		if err == nil {
			won++
		} else if !errors.As(err, &m) {
			t.Errorf("got %v", err)
		}
	}
	equal(t, "winners", won, 1)
}

func TestPushWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	sha := mustCommit(t, g, r.spec(first, map[string]string{"README.md": "one\n"}))
	r.drop.Store(true)
	if err := g.Push(ctx, "lost", "", sha); err != nil {
		t.Fatal(err)
	}
	equal(t, "arrived", r.head("lost"), sha)
}

// What is sent does not grow with the repository, nor with what others pushed since we fetched.
func TestPushSendsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	files := map[string]string{}
	for i := range 400 {
		files[fmt.Sprintf("apps/a%03d/deployment.yaml", i)] = strings.Repeat(fmt.Sprintf("line %d\n", i), 50)
	}
	first := r.commit("main", "many", files)
	g := r.open(filepath.Join(t.TempDir(), "mirror"))
	for i := range 5 {
		r.commit("main", "more", map[string]string{"apps/a000/deployment.yaml": fmt.Sprint(i)})
	}
	sha := mustCommit(t, g, r.spec(first, map[string]string{"apps/a007/deployment.yaml": "x: 1\n"}))
	if err := g.Push(ctx, "small", "", sha); err != nil {
		t.Fatal(err)
	}
	// Five objects; the folder of 400 entries is the big one of them.
	if n := r.sent.Load(); n > 20_000 {
		t.Errorf("%d bytes were sent", n)
	}
	r.git("fsck", "--strict")
}

func TestPushIntoAnEmptyRepository(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	g := r.open(filepath.Join(t.TempDir(), "mirror"))
	if _, err := g.Head("main"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("got %v", err)
	}
}
