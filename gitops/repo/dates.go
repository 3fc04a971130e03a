package repo

import (
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// slop is how many commits a walk goes on behind what is too old, for those behind that are not: a date is what some
// clock said. git log does so too, over five.
const slop = 64

// dated is when each of the commits, which follow each other backwards, came to the branch. The order in which they follow
// counts before the dates: the most of these that can be right together by now are, and any other is moved to the nearest
// of them.
func dated(steps []*step, now time.Time) []time.Time {
	// The longest subsequence that is nowhere newer than before it: last[n] ends the one of length n+1 that ends newest.
	var last []int
	before := make([]int, len(steps))
	for i, s := range steps {
		if s.When.After(now) {
			continue
		}
		n, _ := slices.BinarySearchFunc(last, s, func(j int, s *step) int {
			if steps[j].When.Before(s.When) {
				return 1
			}
			return -1
		})
		if before[i] = -1; n > 0 {
			before[i] = last[n-1]
		}
		if n == len(last) {
			last = append(last, i)
		} else {
			last[n] = i
		}
	}
	right := make([]bool, len(steps))
	if len(last) > 0 {
		for i := last[len(last)-1]; i >= 0; i = before[i] {
			right[i] = true
		}
	}
	out := make([]time.Time, len(steps))
	var older time.Time // the nearest behind that is right
	for i, s := range slices.Backward(steps) {
		if out[i] = s.When; right[i] {
			older = s.When
		} else if out[i].Before(older) {
			out[i] = older
		}
	}
	for i := 1; i < len(out); i++ {
		if out[i].After(out[i-1]) {
			out[i] = out[i-1]
		}
	}
	return out
}

// childrenFirst orders commits as git log --date-order does: the newest first, and none before what follows it.
func childrenFirst(steps []*step) []*step {
	waits := map[plumbing.Hash]int{} // for that many children
	in := map[plumbing.Hash]*step{}
	for _, s := range steps {
		in[s.hash] = s
	}
	for _, s := range steps {
		for _, p := range s.parents {
			waits[p]++
		}
	}
	var ready, out []*step
	add := func(s *step) {
		i, _ := slices.BinarySearchFunc(ready, s, func(a, b *step) int { return b.When.Compare(a.When) })
		ready = slices.Insert(ready, i, s)
	}
	for _, s := range steps {
		if waits[s.hash] == 0 {
			add(s)
		}
	}
	for len(ready) > 0 {
		s := ready[0]
		ready, out = ready[1:], append(out, s)
		for _, p := range s.parents {
			if waits[p]--; waits[p] == 0 && in[p] != nil {
				add(in[p])
			}
		}
	}
	return out
}
