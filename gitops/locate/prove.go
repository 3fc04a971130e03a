package locate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Prove holds an edit to what was asked: from before to after, overlay changes in the one field, which is then want,
// and what each of the others renders stays the same, byte by byte.
func Prove(before, after Files, overlay string, others []string, sel edit.Selector, p edit.Path, want string) error {
	from, err := Render(before, overlay)
	if err != nil {
		return err
	}
	to, err := Render(after, overlay)
	if err != nil {
		return err
	}
	target := slices.IndexFunc(from, func(o Object) bool { return o.is(sel) })
	if target < 0 {
		return &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s does not render %s", overlay, sel)}
	}
	diff, err := compare(from, to)
	if err != nil {
		return err
	}
	if !diff.touches(target, p, want) {
		return &Refusal{Reason: Unproven, Why: fmt.Sprintf("%s does not render %s of %s as %s after the edit", overlay, p, sel, want)}
	}
	if len(diff.changes) > 1 {
		return &Refusal{Reason: Shared, Why: fmt.Sprintf("the edit changes more of %s than %s of %s: also %s", overlay, p, sel, diff.other(target, p))}
	}
	for _, other := range others {
		if err := same(before, after, other); err != nil {
			return err
		}
	}
	return nil
}

// same proves that an overlay renders as before.
func same(before, after Files, overlay string) error {
	from, err := Render(before, overlay)
	if err != nil {
		return fmt.Errorf("prove that %s stays as it is: %w", overlay, err)
	}
	to, err := Render(after, overlay)
	if err != nil {
		return fmt.Errorf("prove that %s stays as it is: %w", overlay, err)
	}
	if slices.EqualFunc(from, to, func(a, b Object) bool { return bytes.Equal(a.JSON, b.JSON) }) {
		return nil
	}
	diff, err := compare(from, to)
	if err != nil {
		return err
	}
	return &Refusal{Reason: Shared, Why: fmt.Sprintf("the edit changes %s too: %s", overlay, diff)}
}

// comparison of two renderings of one overlay.
type comparison struct {
	from, to []Object
	changes  []change
}

type change struct {
	object int // index in from
	edit.Difference
}

// compare lists the fields that differ. Renderings with other objects are refused: no edit of a scalar may do that.
func compare(from, to []Object) (comparison, error) {
	c := comparison{from: from, to: to}
	id := func(o Object) Object { o.JSON = nil; return o }
	if !slices.EqualFunc(from, to, func(a, b Object) bool { return fmt.Sprint(id(a)) == fmt.Sprint(id(b)) }) {
		return c, &Refusal{Reason: Shared, Why: "the edit changes which objects are rendered"}
	}
	for i := range from {
		if bytes.Equal(from[i].JSON, to[i].JSON) {
			continue
		}
		a, err := from[i].decoded()
		if err != nil {
			return c, err
		}
		b, err := to[i].decoded()
		if err != nil {
			return c, err
		}
		for _, d := range edit.Differences(a, b) {
			c.changes = append(c.changes, change{i, d})
		}
	}
	return c, nil
}

// touches reports whether the field of the object at index target changed, and is want now.
func (c comparison) touches(target int, p edit.Path, want string) bool {
	a, errA := c.from[target].decoded()
	b, errB := c.to[target].decoded()
	if errA != nil || errB != nil {
		return false
	}
	was, _ := p.Get(a)
	is, ok := p.Get(b)
	return ok && edit.Text(is) == want && edit.Text(was) != want
}

// other names a change that is not the one asked for.
func (c comparison) other(target int, p edit.Path) string {
	for _, ch := range c.changes {
		if ch.object != target || ch.Path != p.String() {
			return fmt.Sprintf("%s of %s", ch.Path, c.from[ch.object])
		}
	}
	return "nothing"
}

func (c comparison) String() string {
	var parts []string
	for _, ch := range c.changes {
		parts = append(parts, fmt.Sprintf("%s of %s from %s to %s", ch.Path, c.from[ch.object], ch.From, ch.To))
	}
	return strings.Join(parts, "; ")
}
