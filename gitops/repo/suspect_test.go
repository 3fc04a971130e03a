package repo

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

func at(seconds int) time.Time { return time.Unix(int64(began+seconds), 0) }

// A story of one service: the likeliest change comes first.
func TestSuspects(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	later := func(d time.Duration) { r.seconds += int(d / time.Second) }
	r.commit("main", "seed", map[string]string{"apps/cart/deployment.yaml": "a", "apps/cart/x/deep.yaml": "a", "apps/cart-v2.yaml": "a", "base/limits.yaml": "a", "apps/web.yaml": "a"})
	later(24 * time.Hour)
	r.commit("main", "the day before", map[string]string{"apps/cart/deployment.yaml": "b"})
	later(20 * time.Hour)
	old := r.commit("main", "two hours before", map[string]string{"apps/cart/deployment.yaml": "c"})
	r.git("branch", "topic", "main")
	onTopic := r.commit("topic", "written two hours before", map[string]string{"apps/cart/deployment.yaml": "d"})
	r.commit("topic", "of something else", map[string]string{"apps/web.yaml": "d"})
	later(80 * time.Minute)
	base := r.commit("main", "the base, 40 minutes before", map[string]string{"base/limits.yaml": "b"})
	later(10 * time.Minute)
	merge := r.merge("main", "topic", "merged 30 minutes before", map[string]string{"apps/cart/deployment.yaml": "d", "apps/web.yaml": "d"})
	later(25 * time.Minute)
	r.commit("main", "not ours", map[string]string{"apps/cart-v2.yaml": "b", "apps/web.yaml": "e"})
	later(5 * time.Minute)
	onset := at(r.seconds)
	later(time.Minute)
	r.commit("main", "after it", map[string]string{"apps/cart/deployment.yaml": "e"})
	g := r.open(filepath.Join(t.TempDir(), "mirror"))

	got, err := g.Suspects(ctx, SuspectQuery{Head: r.head("main"), Onset: onset, Since: onset.Add(-6 * time.Hour),
		Places: []Place{{"base", 1}, {"apps/cart", 0}, {"gone/away.yaml", 0}}})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, s := range got {
		told = append(told, fmt.Sprint(s.SHA, s.Paths, s.Distance, s.Before.Round(10*time.Minute)))
	}
	equal(t, "suspects", told, []string{
		merge + "[apps/cart/deployment.yaml] 0 30m0s", // 40 minutes at distance 1 count 80
		base + "[base/limits.yaml] 1 40m0s",
		old + "[apps/cart/deployment.yaml] 0 2h0m0s",
	})
	if len(got[0].Merged) != 1 || got[0].Merged[0].SHA != onTopic || got[0].Merged[0].Subject != "written two hours before" ||
		got[0].Merged[0].Author != (Author{"dana", "dana@example.com"}) || len(got[1].Merged) != 0 {
		t.Errorf("merged: %+v", got[0].Merged)
	}
	for _, bad := range []Place{{"", 0}, {".", 0}, {"../x", 0}, {"/x", 0}, {"x", -1}} {
		if _, err := g.Suspects(ctx, SuspectQuery{Head: merge, Onset: onset, Places: []Place{bad}}); err == nil {
			t.Errorf("%v is a place", bad)
		}
	}
}

// What is kept of commits is extended when the branch moves, and right when it is forced.
func TestSuspectsFollowTheBranch(t *testing.T) {
	t.Parallel()
	r, g, first := seeded(t)
	ask := func(want ...string) {
		t.Helper()
		if err := g.Fetch(ctx); err != nil {
			t.Fatal(err)
		}
		head, err := g.Head("main")
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Suspects(ctx, SuspectQuery{Head: head, Onset: at(r.seconds), Places: []Place{{"base/cart.yaml", 0}}})
		if err != nil {
			t.Fatal(err)
		}
		var shas []string
		for _, s := range got {
			shas = append(shas, s.SHA)
		}
		equal(t, "suspects", shas, want)
	}
	ask(first)
	second := r.commit("main", "second", map[string]string{"base/cart.yaml": "replicas: 3"})
	ask(second, first)
	r.git("update-ref", "refs/heads/main", first)
	third := r.commit("main", "third", map[string]string{"base/cart.yaml": "replicas: 4"})
	ask(third, first)
}

// In a random history with merges, one or many files at once, the answers are git's.
func TestThePastIsGits(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	const files = 12
	name := func(i int) string { return fmt.Sprintf("d%d/e%d/f%d.yaml", i%2, i%3, i) }
	seed := map[string]string{}
	for i := range maxChanges + 5 { // more than is kept of one commit
		seed[fmt.Sprintf("many/%d", i)] = "x"
	}
	for i := range files {
		seed[name(i)] = "seed"
	}
	r.commit("main", "seed", seed)
	for i := range 25 {
		branch := "main"
		if rnd.IntN(2) == 0 {
			branch = fmt.Sprintf("topic%d", rnd.IntN(3))
			if !slices.Contains(r.branches(), branch) {
				r.git("branch", branch, "main")
			}
		}
		changes := map[string]string{}
		for range 1 + rnd.IntN(2) {
			changes[name(rnd.IntN(files))] = []string{"a", "b", fmt.Sprint(i)}[rnd.IntN(3)]
		}
		if i == 12 {
			for p := range seed {
				changes[p] = "swept"
			}
		}
		r.commit(branch, "change", changes)
		if from := r.branches()[rnd.IntN(len(r.branches()))]; i%3 == 0 && from != branch {
			r.merge(branch, from, "merge", map[string]string{name(rnd.IntN(files)): fmt.Sprint("merged ", i)})
		}
	}
	g := r.open(filepath.Join(t.TempDir(), "mirror"))
	head := r.head("main")
	for i := range files {
		for _, place := range []string{name(i), fmt.Sprintf("d%d", i%2)} {
			got, err := g.Suspects(ctx, SuspectQuery{Head: head, Onset: at(r.seconds), Places: []Place{{place, 0}}})
			if err != nil {
				t.Fatal(err)
			}
			var shas []string
			for _, s := range got {
				shas = append(shas, s.SHA)
			}
			equal(t, place, shas, strings.Fields(r.git("log", "--first-parent", "--diff-merges=first-parent", "--full-history", "--no-patch", "--format=%H", head, "--", place)))
		}
		values, err := g.FieldHistory(ctx, FieldQuery{Head: head, Last: 100, Field: whole(name(i))})
		if err != nil {
			t.Fatal(err)
		}
		r.sameValues(name(i), head, values)
	}
	for _, m := range strings.Fields(r.git("rev-list", "--merges", "--all")) {
		s, err := g.step(plumbing.NewHash(m))
		if err != nil {
			t.Fatal(err)
		}
		brought, err := g.brought(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		var shas []string
		for _, s := range brought {
			shas = append(shas, s.SHA)
		}
		equal(t, "brought by "+m, shas, strings.Fields(r.git("rev-list", "--date-order", m+"^2", "^"+m+"^1")))
	}
}

// whole is a field that is all of its file.
func whole(path string) Field {
	return Field{path, "all", func(data []byte) (string, bool) { return string(data), true }}
}

// contents of a file of one line at each of the commits, by one process.
func (r *remote) contents(path string, shas []string) (out []string) {
	r.t.Helper()
	var in strings.Builder
	for _, sha := range shas {
		fmt.Fprintf(&in, "%s:%s\n", sha, path)
	}
	for rest := r.run(r.dir, in.String(), "cat-file", "--batch"); rest != ""; {
		var sha, kind string
		var size int
		head, body, _ := strings.Cut(rest, "\n")
		if _, err := fmt.Sscan(head, &sha, &kind, &size); err != nil {
			r.t.Fatalf("cat-file says %q", head)
		}
		out, rest = append(out, body[:size]), body[size+1:]
	}
	return out
}

// sameValues compares with what git says the file was at each commit of the branch.
func (r *remote) sameValues(path, head string, got []Value) {
	r.t.Helper()
	var shas, dates []string
	for line := range strings.Lines(r.git("log", "--first-parent", "--reverse", "--format=%H %ct", head)) {
		sha, date, _ := strings.Cut(strings.TrimSpace(line), " ")
		shas, dates = append(shas, sha), append(dates, date)
	}
	var want []string
	last := ""
	for i, now := range r.contents(path, shas) {
		if now != last {
			if last != "" {
				want[len(want)-1] += " until " + dates[i]
			}
			want = append(want, now+" by "+shas[i])
		}
		last = now
	}
	slices.Reverse(want)
	var told []string
	for _, v := range got {
		s := v.Value + " by " + v.SHA
		if !v.Until.IsZero() {
			s += fmt.Sprint(" until ", v.Until.Unix())
		}
		told = append(told, s)
	}
	equal(r.t, "values of "+path, told, want)
}
