package repo

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

func TestDated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, when, want string }{
		{"in order", "9 7 5 5 1", "9 7 5 5 1"},
		{"a child that is older than its parent", "3 8", "8 8"},
		{"one of long ago", "9 0 7 5", "9 7 7 5"},
		{"one of the future", "9 8 99 7 6", "9 8 8 7 6"},
		{"the head of long ago", "0 8 7 6", "8 8 7 6"},
		{"the oldest of the future", "9 8 7 99", "9 8 7 7"},
		{"two of long ago", "9 0 1 8 7 6", "9 8 8 8 7 6"},
		{"one of long ago on one of the future", "9 0 99 7 6", "9 7 7 7 6"},
		{"none", "", ""},
	} {
		var steps []*step
		for _, f := range strings.Fields(c.when) {
			var n int64
			fmt.Sscan(f, &n)
			steps = append(steps, &step{Commit: Commit{When: time.Unix(n, 0)}})
		}
		var got []string
		for _, when := range dated(steps, time.Unix(50, 0)) {
			got = append(got, fmt.Sprint(when.Unix()))
		}
		equal(t, c.name, got, strings.Fields(c.want))
	}
}

// Commits of clocks that were wrong are neither lost nor told in another order than they came in.
func TestThePastOfWrongClocks(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	const path = "apps/cart.yaml"
	const year = 365 * 24 * 3600
	wrong := func(by int, message, text string) string { // the clock of one commit
		r.seconds += by
		defer func() { r.seconds -= by }()
		return r.commit("main", message, map[string]string{path: text})
	}
	r.commit("main", "seed", map[string]string{path: "0"})
	r.seconds += 10 * 24 * 3600
	since := at(r.seconds)
	r.commit("main", "one", map[string]string{path: "1"})
	wrong(-10*year, "two, of long ago", "2")
	r.commit("main", "three", map[string]string{path: "3"})
	r.git("branch", "topic", "main")
	wrong(10*year, "four, of the future", "4")
	wrong(-20*year, "five, of long ago", "5")
	r.seconds -= 10 * year
	topic := r.commit("topic", "aside, of long ago", map[string]string{path: "x"})
	r.seconds += 10 * year
	onTop := r.commit("topic", "aside", map[string]string{path: "6"})
	merge := r.merge("main", "topic", "six", map[string]string{path: "6"})
	r.commit("main", "seven", map[string]string{path: "7"})
	onset := at(r.seconds + 60)
	g := r.open(filepath.Join(t.TempDir(), "mirror"))
	head := r.head("main")
	want := strings.Fields(r.git("log", "--first-parent", "--topo-order", "--format=%H", head, "--", path))

	got, err := g.Suspects(ctx, SuspectQuery{Head: head, Onset: onset, Since: since, Places: []Place{{path, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	var shas []string
	for i, s := range got {
		if shas = append(shas, s.SHA); s.Before < 0 || s.Before > onset.Sub(since) || i > 0 && s.Before < got[i-1].Before {
			t.Errorf("%s came %s before", s.Subject, s.Before)
		}
	}
	equal(t, "suspects", shas, want[:7]) // all but the seed

	values, err := g.FieldHistory(ctx, FieldQuery{Head: head, Last: 20, Field: whole(path), Since: since})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, v := range values {
		if told = append(told, v.Value); v.For(onset) < 0 || v.For(onset) > onset.Sub(since) {
			t.Errorf("%s was in effect for %s", v.Value, v.For(onset))
		}
	}
	equal(t, "values", told, []string{"7", "6", "5", "4", "3", "2", "1", "0"})

	// The branch was behind what the topic is on, though its own last commits are of long ago.
	s, err := g.step(plumbing.NewHash(merge))
	if err != nil {
		t.Fatal(err)
	}
	brought, err := g.brought(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range brought {
		names = append(names, b.SHA)
	}
	equal(t, "brought", names, []string{onTop, topic})
	equal(t, "as git has it", names, strings.Fields(r.git("rev-list", "--date-order", merge+"^2", "^"+merge+"^1")))
	merged := slices.IndexFunc(got, func(s Suspect) bool { return s.SHA == merge })
	if m := got[merged].Merged; len(m) != 2 || m[0].SHA != onTop {
		t.Errorf("merged: %+v", m)
	}
}
