package forge

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/google/go-github/v60/github"
)

// Into lists the open pull requests into base, from forks too, at most so many: those that something happened to last come
// first. Merged, MergeSHA and MergedBy are not in a list.
func (f *Forge) Into(ctx context.Context, base string, most int) ([]Pull, error) {
	var out []Pull
	page := &github.PullRequestListOptions{State: "open", Base: base, Sort: "updated", Direction: "desc", ListOptions: github.ListOptions{PerPage: min(most, perPage)}}
	for {
		list, res, err := f.client.PullRequests.List(ctx, f.owner, f.repo, page)
		if err != nil {
			return nil, wrap("list pull requests", err)
		}
		for _, p := range list {
			if pull := pullOf(p); pull.BaseRef == base && pull.State == "open" { // a forge that ignores the filter must not fool us
				out = append(out, pull)
			}
		}
		if res.NextPage == 0 || len(out) >= most {
			return out[:min(most, len(out))], nil
		}
		page.Page = res.NextPage
	}
}

// Patched is what a pull request does to one file, since its branch left the base.
type Patched struct {
	Path    string
	Was     string // its path before, where that was another
	Patch   string // the hunks of a unified diff; empty where the forge shows none: it is large or binary, or nothing but the path changes
	Changes int    // lines
}

// Patches lists the files that a pull request changes, at most so many.
func (f *Forge) Patches(ctx context.Context, number, most int) ([]Patched, error) {
	var out []Patched
	page := &github.ListOptions{PerPage: perPage}
	for {
		list, res, err := f.client.PullRequests.ListFiles(ctx, f.owner, f.repo, number, page)
		if err != nil {
			return nil, wrap(fmt.Sprintf("read the files of pull request %d", number), err)
		}
		for _, c := range list {
			out = append(out, Patched{Path: c.GetFilename(), Was: c.GetPreviousFilename(), Patch: c.GetPatch(), Changes: c.GetChanges()})
		}
		if res.NextPage == 0 || len(out) >= most {
			return out[:min(most, len(out))], nil
		}
		page.Page = res.NextPage
	}
}

// Touches finds the first line of before, from 1, that an edit of it to after changes and the patch changes too, or between
// which and the next both add something. A patch that is not shown touches all. What the patch was made of may be an earlier
// before: a hunk is looked for where its lines are now, and counts by what it removes where they are not.
func (p Patched) Touches(before, after []byte) (line int, touches bool) {
	ours := editOf(before, after)
	if p.Patch == "" {
		return ours.first(), p.Changes > 0
	}
	lines := splitLines(before)
	for _, h := range hunksOf(p.Patch) {
		at, found := h.locate(lines)
		if !found {
			for _, n := range ours.lines {
				if slices.Contains(h.removes(), lines[n-1]) {
					return n, true
				}
			}
			continue
		}
		if n, met := ours.meets(h.edit(at)); met {
			return n, true
		}
	}
	return 0, false
}

// edited is what a change does to lines that are counted from 1.
type edited struct {
	lines []int // that are not there any more, or otherwise
	gaps  []int // after which lines something is added and nothing removed; 0: before all
}

func (e edited) first() int {
	if all := slices.Concat(e.lines, e.gaps); len(all) > 0 {
		return max(1, slices.Min(all))
	}
	return 1
}

// meets finds what both change.
func (e edited) meets(other edited) (line int, met bool) {
	for _, n := range e.lines {
		if slices.Contains(other.lines, n) {
			return n, true
		}
	}
	for _, one := range [][2]edited{{e, other}, {other, e}} {
		for _, g := range one[0].gaps {
			removed := slices.Contains(one[1].lines, g) && slices.Contains(one[1].lines, g+1)
			if removed || slices.Contains(one[1].gaps, g) {
				return max(1, g), true
			}
		}
	}
	return 0, false
}

func editOf(before, after []byte) (out edited) {
	for _, e := range udiff.Lines(string(before), string(after)) {
		from := 1 + bytes.Count(before[:e.Start], []byte("\n"))
		if e.Start == e.End {
			out.gaps = append(out.gaps, from-1)
			continue
		}
		for n := range len(splitLines(before[e.Start:e.End])) {
			out.lines = append(out.lines, from+n)
		}
	}
	return out
}

// splitLines are the lines without what ends them.
func splitLines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// hunk of a unified diff.
type hunk struct {
	from int // the line that it says it begins at
	body []string
}

func hunksOf(patch string) (out []hunk) {
	for _, l := range splitLines([]byte(patch)) {
		if rest, is := strings.CutPrefix(l, "@@ -"); is {
			digits, _, _ := strings.Cut(rest, " ")
			digits, _, _ = strings.Cut(digits, ",")
			from, _ := strconv.Atoi(digits) // nonsense counts as the beginning
			out = append(out, hunk{from: from})
			continue
		}
		if n := len(out); n > 0 && !strings.HasPrefix(l, `\`) { // no newline at the end of the file
			out[n-1].body = append(out[n-1].body, l)
		}
	}
	return out
}

// old are the lines that must be there for the hunk to fit.
func (h hunk) old() (lines []string) {
	for _, l := range h.body {
		if !strings.HasPrefix(l, "+") {
			lines = append(lines, l[min(1, len(l)):])
		}
	}
	return lines
}

func (h hunk) removes() (lines []string) {
	for _, l := range h.body {
		if rest, is := strings.CutPrefix(l, "-"); is {
			lines = append(lines, rest)
		}
	}
	return lines
}

// locate finds the line that the hunk begins at, the nearest to where it says.
func (h hunk) locate(lines []string) (at int, found bool) {
	old := h.old()
	if len(old) == 0 { // added to nothing
		return 1, h.from == 0
	}
	far := func(n int) int { return max(n-h.from, h.from-n) }
	for n := 1; n+len(old)-1 <= len(lines); n++ {
		if slices.Equal(lines[n-1:n-1+len(old)], old) && (!found || far(n) < far(at)) {
			at, found = n, true
		}
	}
	return at, found
}

// edit is what the hunk does where it begins at that line.
func (h hunk) edit(at int) (out edited) {
	for i := 0; i < len(h.body); {
		removed, added := 0, 0
		for ; i < len(h.body) && strings.HasPrefix(h.body[i], "-"); i++ {
			out.lines = append(out.lines, at+removed)
			removed++
		}
		for ; i < len(h.body) && strings.HasPrefix(h.body[i], "+"); i++ {
			added++
		}
		if added > 0 && removed == 0 {
			out.gaps = append(out.gaps, at-1)
		}
		at += removed
		if removed+added == 0 {
			at++
			i++
		}
	}
	return out
}
