package repo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/epiclabs-io/diff3"
)

const (
	maxMerge = 1 << 20 // bytes of a file that is merged line by line
	// maxWork is how many steps a merge may take, one or two seconds. It is cubic in lines that are all the same.
	maxWork = 1 << 31
)

// merge takes what leads from after to before into now, line by line. It fails where git would, and seldom where git would
// not; why says at which line of now.
func merge(now, after, before []byte) (data []byte, why string) {
	a, o, b := lines(now), lines(after), lines(before)
	head, tail := common(a, o, b)
	middle := func(of []string) []string { return of[head : len(of)-tail] }
	if work(middle(o), middle(a))+work(middle(o), middle(b)) > maxWork {
		return nil, "it was changed since, and repeats itself too much to be merged"
	}
	// The library's other algorithm, Myers, is quicker, and merges what is a conflict to git.
	blocks := diff3.Diff3MergeWithOptions(middle(a), middle(o), middle(b),
		diff3.MergeOptions{Algorithm: diff3.DiffAlgorithmLCS, ExcludeFalseConflicts: true})
	out := slices.Clone(a[:head])
	for _, block := range blocks {
		if block.Conflict != nil {
			return nil, fmt.Sprintf("what the commit changed was changed again since, at line %d", head+block.Conflict.AIndex+1)
		}
		out = append(out, block.Ok...)
	}
	return []byte(strings.Join(append(out, a[len(a)-tail:]...), "")), ""
}

// lines keep their ends, whatever those are: the last one may have none.
func lines(data []byte) []string {
	out := strings.SplitAfter(string(data), "\n")
	if out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// common is how many lines at the beginning and at the end are the same in all three.
func common(a, o, b []string) (head, tail int) {
	n := min(len(a), len(o), len(b))
	for head < n && a[head] == o[head] && o[head] == b[head] {
		head++
	}
	for tail < n-head && a[len(a)-1-tail] == o[len(o)-1-tail] && o[len(o)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return head, tail
}

// work bounds the steps that the library takes to compare two files.
func work(a, b []string) int {
	count := map[string]int{}
	for _, line := range b {
		count[line]++
	}
	pairs := 0
	for _, line := range a {
		pairs += count[line]
	}
	return pairs * min(len(a), len(b))
}
