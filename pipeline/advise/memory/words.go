package memory

import (
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// maxWords bounds one incident: its annotations are foreign text.
const maxWords = 200

// Words are what an incident is compared by, in lower case, with repetition: its alerts thrice each, since they say the most;
// kind, namespace, name and container of its root; and what its alerts say of themselves. A word with a digit in it names one
// pod or one value, and is left out of the text.
func Words(i incident.Incident) []string {
	var all []string
	for _, name := range i.Alerts() {
		for range 3 {
			all = append(all, strings.ToLower(strings.Join(split(name), "")))
		}
	}
	for _, s := range []string{i.Root.Kind, i.Root.Namespace, i.Root.Name, i.Container()} {
		all = append(all, split(strings.ToLower(s))...)
	}
	told := map[string]bool{}
	for _, s := range i.Signals {
		for _, key := range []string{"summary", "description", "message"} {
			text := strings.ToLower(s.Annotations[key])
			if told[text] {
				continue
			}
			told[text] = true
			for _, word := range split(text) {
				if len(word) > 2 && len(word) <= 40 && !strings.ContainsFunc(word, unicode.IsDigit) {
					all = append(all, word)
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(w string) bool { return w == "" })
	return all[:min(len(all), maxWords)]
}

func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// vector is sparse: one dimension for each word, numbered by its FNV-1a hash, with 1+log(how often) in it, and of length 1.
// Two words share a dimension once in 2³² pairs.
func vector(words []string) (indices []uint32, values []float32) {
	times := map[uint32]float64{}
	for _, w := range words {
		h := fnv.New32a()
		h.Write([]byte(w))
		times[h.Sum32()]++
	}
	indices = slices.Sorted(maps.Keys(times))
	var sum float64
	for _, i := range indices {
		times[i] = 1 + math.Log(times[i])
		sum += times[i] * times[i]
	}
	for _, i := range indices {
		values = append(values, float32(times[i]/math.Sqrt(sum)))
	}
	return indices, values
}

// cosine of the angle between two.
func cosine(a, b []string) float64 {
	at, weights := vector(b)
	of := map[uint32]float32{}
	for n, i := range at {
		of[i] = weights[n]
	}
	var sum float64
	indices, values := vector(a)
	for n, i := range indices {
		sum += float64(values[n] * of[i])
	}
	return min(sum, 1)
}
