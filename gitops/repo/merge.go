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
	whole := sides{lines(now), lines(after), lines(before)}
	parts := []sides{whole}
	if whole.work() > maxWork {
		parts = whole.split()
	}
	var out []string
	work, line := 0, 1
	for _, part := range parts {
		if work += part.work(); work > maxWork {
			return nil, "it was changed since, and repeats itself too much to be merged"
		}
		merged, conflict := part.merge()
		if conflict >= 0 {
			return nil, fmt.Sprintf("what the commit changed was changed again since, at line %d", line+conflict)
		}
		out = append(out, merged...)
		line += len(part.a)
	}
	return []byte(strings.Join(out, "")), ""
}

// sides are the lines of two files, a and b, that came of a third, o.
type sides struct{ a, o, b []string }

// merge gives the lines, or the line of a at which there is a conflict, else -1.
func (s sides) merge() (out []string, conflict int) {
	head, tail := s.common()
	middle := s.middle()
	// The library's other algorithm, Myers, is quicker, and merges what is a conflict to git.
	blocks := diff3.Diff3MergeWithOptions(middle.a, middle.o, middle.b,
		diff3.MergeOptions{Algorithm: diff3.DiffAlgorithmLCS, ExcludeFalseConflicts: true})
	out = slices.Clone(s.a[:head])
	for _, block := range blocks {
		if block.Conflict != nil {
			return nil, head + block.Conflict.AIndex
		}
		out = append(out, block.Ok...)
	}
	return append(out, s.a[len(s.a)-tail:]...), -1
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
func (s sides) common() (head, tail int) {
	a, o, b := s.a, s.o, s.b
	n := min(len(a), len(o), len(b))
	for head < n && a[head] == o[head] && o[head] == b[head] {
		head++
	}
	for tail < n-head && a[len(a)-1-tail] == o[len(o)-1-tail] && o[len(o)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return head, tail
}

// middle is what is between the lines in common.
func (s sides) middle() sides {
	head, tail := s.common()
	return sides{s.a[head : len(s.a)-tail], s.o[head : len(s.o)-tail], s.b[head : len(s.b)-tail]}
}

// work bounds the steps that the library takes.
func (s sides) work() int {
	m, pairs := s.middle(), 0
	a, b := counts(m.a), counts(m.b)
	for _, line := range m.o {
		pairs += a[line] + b[line]
	}
	return pairs * len(m.o)
}

func counts(of []string) map[string]int {
	out := map[string]int{}
	for _, line := range of {
		out[line]++
	}
	return out
}

// split cuts before lines that are once in each of the three, in the same order. What is between two such lines is merged
// alone: it is how a long file stays cheap.
func (s sides) split() []sides {
	at := func(of []string) map[string]int {
		once := map[string]int{}
		for i, line := range of {
			if _, again := once[line]; again {
				i = -1
			}
			once[line] = i
		}
		return once
	}
	inA, inO, inB := at(s.a), at(s.o), at(s.b)
	var out []sides
	var a, o, b int
	for i, line := range s.o {
		j, ok := inA[line]
		k, found := inB[line]
		if !ok || !found || inO[line] < 0 || j < a || k < b {
			continue
		}
		out = append(out, sides{s.a[a:j], s.o[o:i], s.b[b:k]})
		a, o, b = j, i, k
	}
	return append(out, sides{s.a[a:], s.o[o:], s.b[b:]})
}
