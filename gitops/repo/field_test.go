package repo

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
)

func TestFieldHistory(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	const path = "apps/cart.yaml"
	later := func(d time.Duration) { r.seconds += int(d/time.Second) - 1 }
	r.commit("main", "before it", map[string]string{"README.md": "x"})
	one := r.commit("main", "one", map[string]string{path: deployment("cart:1", "256Mi", "2")})
	later(48 * time.Hour)
	r.commit("main", "of another field", map[string]string{path: deployment("cart:1", "512Mi", "2")})
	r.git("branch", "topic", "main")
	onTopic := r.commit("topic", "two", map[string]string{path: deployment("cart:2", "512Mi", "2")})
	later(time.Hour)
	two := r.merge("main", "topic", "merge two", map[string]string{path: deployment("cart:2", "512Mi", "2")})
	later(time.Hour)
	gone := r.commit("main", "by mistake", map[string]string{path: ""})
	later(time.Minute)
	back := r.commit("main", "two again", map[string]string{path: deployment("cart:2", "512Mi", "2")})
	later(2 * time.Hour)
	three := r.commit("main", "three", map[string]string{path: deployment("cart:3", "512Mi", "2")})
	r.commit("main", "of another file", map[string]string{"README.md": "y"})
	g := r.open(filepath.Join(t.TempDir(), "mirror"))

	image, err := edit.ParsePath("spec.template.spec.containers[name=cart].image")
	if err != nil {
		t.Fatal(err)
	}
	field := FieldOf(path, edit.Selector{Kind: "Deployment", Name: "cart"}, image)
	now := at(r.seconds).Add(time.Hour)
	ask := func(q FieldQuery) (told []string) {
		t.Helper()
		q.Head, q.Field = r.head("main"), field
		values, err := g.FieldHistory(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			told = append(told, fmt.Sprint(v.Value, v.Set, v.SHA, v.For(now).Round(time.Minute)))
			for _, m := range v.Merged {
				told[len(told)-1] += " merged " + m.SHA
			}
		}
		return told
	}
	all := []string{
		"cart:3true" + three + "1h0m0s", "cart:2true" + back + "2h0m0s", "false" + gone + "1m0s",
		"cart:2true" + two + "1h0m0s merged " + onTopic, "cart:1true" + one + "49h0m0s",
	}
	for range 2 { // the second time it is known
		equal(t, "all", ask(FieldQuery{Last: 10}), all)
	}
	equal(t, "three", ask(FieldQuery{Last: 3}), all[:3])
	// The day before is not looked at: what was there then is told, not since when.
	since := at(r.seconds).Add(-2 * time.Hour)
	equal(t, "since", ask(FieldQuery{Last: 10, Since: since}), append(all[:4:4], "cart:1true0s"))

	for name, q := range map[string]FieldQuery{
		"no file":   {Last: 1, Field: whole("")},
		"no reader": {Last: 1, Field: Field{Path: path}},
		"none":      {Field: whole(path)},
		"no commit": {Last: 1, Field: whole(path), Head: "main"},
	} {
		if q.Head == "" {
			q.Head = r.head("main")
		}
		if v, err := g.FieldHistory(ctx, q); err == nil {
			t.Errorf("%s: %v", name, v)
		}
	}
	if v, err := g.FieldHistory(ctx, FieldQuery{Head: r.head("main"), Last: 1, Field: whole("apps")}); err != nil || len(v) != 0 {
		t.Errorf("a folder: %v, %v", v, err)
	}
}
