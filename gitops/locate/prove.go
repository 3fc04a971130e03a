package locate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Prove holds an edit to what was asked: from before to after, the unit changes in the one field, which is then want,
// and what every other unit of the query renders stays the same, byte by byte. A query for the base lets others change
// in the same field of objects of the same kind.
func Prove(before, after Files, q Query, unit, want string) error {
	tiers, err := q.units(before)
	if err != nil {
		return err
	}
	return q.prove(before, after, tiers, unit, want)
}

func (q Query) prove(before, after Files, tiers [][]unit, unit, want string) error {
	from, err := rendered(open(before, unit))
	if err != nil {
		return err
	}
	to, err := rendered(open(after, unit))
	if err != nil {
		return err
	}
	target := index(from, q.Object)
	if target < 0 {
		return &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s does not render %s", unit, q.Object)}
	}
	diff, err := compare(from, to, target)
	if err != nil {
		return err
	}
	diff.changes = slices.DeleteFunc(diff.changes, func(c change) bool { return c.object == target && c.From == "" && q.Field.Enters(c.Path) })
	if !diff.touches(target, q.Field, want) {
		return &Refusal{Reason: Unproven, Why: fmt.Sprintf("%s does not render %s of %s as %s after the edit", unit, q.Field, q.Object, want)}
	}
	if len(diff.changes) > 1 {
		return &Refusal{Reason: Shared, Why: fmt.Sprintf("the edit changes more of %s than %s of %s: also %s", unit, q.Field, q.Object, diff.other(target, q.Field))}
	}
	doc, err := from[target].decoded()
	if err != nil {
		return err
	}
	q.Field = byName(q.Field, doc)
	if err := q.others(tiers, before, after, unit, from[target].Namespace); err != nil || !q.Whole || len(q.Overlays) == 0 {
		return err
	}
	if tiers, err = neighbours(before, q.Overlays, unit); err != nil {
		return err
	}
	return q.others(tiers, before, after, unit, from[target].Namespace)
}

// others proves that the other units render as before. A kustomization that others include counts where it gives the
// object a namespace that is not the target's: it is deployed by itself too, then.
func (q Query) others(tiers [][]unit, before, after Files, own, namespace string) error {
	for i, tier := range tiers {
		for _, u := range tier {
			if u.name() == own || untouched(u, before, after) {
				continue
			}
			counts := func(o Object) bool { return i != 1 || o.Namespace != "" && o.Namespace != namespace }
			if from, err := rendered(u); err == nil && !slices.ContainsFunc(from, counts) {
				continue
			}
			if err := same(u, open(after, u.name()), q, counts); err != nil {
				return err
			}
		}
	}
	return nil
}

// same proves that a unit renders as before the objects that count.
func same(before, after unit, q Query, counts func(Object) bool) error {
	return sameBut(before, after, func(c change, from Object) bool {
		return !counts(from) || q.Base && c.Path == q.Field.String() && from.Kind == q.Object.Kind
	})
}

// sameBut proves that a unit renders as before, but for what is allowed. What reads nothing that changed does, and is not
// rendered.
func sameBut(before, after unit, allowed func(c change, from Object) bool) error {
	if before.digest() == after.digest() {
		return nil
	}
	from, err := rendered(before)
	if err != nil {
		return fmt.Errorf("prove that %s stays as it is: %w", before.name(), err)
	}
	to, err := rendered(after)
	if err != nil {
		return fmt.Errorf("prove that %s stays as it is: %w", before.name(), err)
	}
	if slices.EqualFunc(from, to, func(a, b Object) bool { return bytes.Equal(a.JSON, b.JSON) }) {
		return nil
	}
	diff, err := compare(from, to, -1)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(diff.changes, func(c change) bool { return !allowed(c, from[c.object]) }) {
		return nil
	}
	return &Refusal{Reason: Shared, Why: fmt.Sprintf("the edit changes %s too: %s", before.name(), diff)}
}

// comparison of two renderings of one unit.
type comparison struct {
	from, to []Object
	changes  []change
}

type change struct {
	object int // index in from
	edit.Difference
}

// compare lists the fields that differ. Renderings with other objects are refused: no edit of a scalar may do that. But a
// generated ConfigMap that is the target is another object for each content, and what names it follows: that counts as
// no difference.
func compare(from, to []Object, target int) (comparison, error) {
	from = Follow(from, to, target)
	c := comparison{from: from, to: to}
	if !slices.EqualFunc(from, to, func(a, b Object) bool {
		return a.Group == b.Group && a.Version == b.Version && a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name
	}) {
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

const hashLength = 10 // of what kustomize puts behind a generated name

// Follow gives the target in from, where it is a generated ConfigMap, the name that it has in to, everywhere.
func Follow(from, to []Object, target int) []Object {
	if target < 0 || len(from) != len(to) || from[target].Kind != "ConfigMap" || from[target].Name == to[target].Name {
		return from
	}
	old, now := from[target].Name, to[target].Name
	if len(old) != len(now) || len(old) <= hashLength+1 || old[:len(old)-hashLength] != now[:len(now)-hashLength] || old[len(old)-hashLength-1] != '-' {
		return from
	}
	out := slices.Clone(from)
	for i := range out {
		out[i].JSON = bytes.ReplaceAll(out[i].JSON, []byte(`"`+old+`"`), []byte(`"`+now+`"`))
	}
	out[target].Name = now
	return out
}

// touches reports whether the field of the object at index target changed, and is want now, of the type that it was.
func (c comparison) touches(target int, p edit.Path, want string) bool {
	a, errA := c.from[target].decoded()
	b, errB := c.to[target].decoded()
	if errA != nil || errB != nil {
		return false
	}
	was, there := p.Get(a)
	is, ok := p.Get(b)
	return ok && edit.Text(is) == want && edit.Text(was) != want && (!there || sameType(was, is))
}

// sameType holds a number to stay one: replicas must not become the text "3". A quantity may be either.
func sameType(was, is any) bool {
	_, text := is.(string)
	switch was.(type) {
	case string:
		return text
	case bool:
		_, ok := is.(bool)
		return ok
	}
	return !text || strings.Trim(edit.Text(is), "0123456789.-") != ""
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
		if c.from[ch.object].Kind == "Secret" { // this is told on pull requests
			parts = append(parts, fmt.Sprintf("%s of %s", ch.Path, c.from[ch.object]))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s of %s from %s to %s", ch.Path, c.from[ch.object], ch.From, ch.To))
	}
	return strings.Join(parts, "; ")
}
