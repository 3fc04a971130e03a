package writeup

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	mostPlots  = 4
	mostPoints = 30
	mostLabel  = 60 // runes
)

// plots are the checks before and after the apply, each a chart that the forge draws; its source can be read where it does not.
func plots(list []incident.Course) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#### Before and after\n\nApplied at **%s**.\n\n", list[0].Applied.UTC().Format("15:04:05 MST"))
	for _, c := range list[:min(mostPlots, len(list))] {
		if len(c.Points) < 2 {
			fmt.Fprintf(&b, "%s: nothing to draw, %s.\n\n", text(c.Check), text(undrawn(c)))
			continue
		}
		b.WriteString(block("mermaid", chart(c)))
		b.WriteString("\n")
	}
	return b.String()
}

func undrawn(c incident.Course) string {
	if c.NoData != "" {
		return c.NoData
	}
	return "there is one value only"
}

// chart is an xychart of mermaid. Its numbers have no exponents, which it does not read, and its labels are all different, since it
// puts what has the same one in the same place.
func chart(c incident.Course) string {
	points := thin(c.Points)
	var times, values, bound []string
	low, high := 0.0, 0.0
	first := true
	for _, p := range points {
		at := p.At.UTC().Format("15:04:05")
		if first && !p.At.Before(c.Applied) {
			at, first = "applied "+at, false
		}
		times = append(times, strconv.Quote(at))
		values = append(values, number(p.Value))
		low, high = min(low, p.Value), max(high, p.Value)
	}
	title := label(c.Check)
	if c.Bound != nil {
		title += ", and the bound " + number(*c.Bound)
		low, high = min(low, *c.Bound), max(high, *c.Bound)
		for range points {
			bound = append(bound, number(*c.Bound))
		}
	}
	if low == high {
		high = low + 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "xychart-beta\n  title \"%s\"\n  x-axis [%s]\n  y-axis %s --> %s\n  line [%s]\n", title, strings.Join(times, ", "), number(low), number(high), strings.Join(values, ", "))
	if bound != nil {
		fmt.Fprintf(&b, "  line [%s]\n", strings.Join(bound, ", "))
	}
	return b.String()
}

// thin keeps the first, the last and as many in between, evenly, as can be read.
func thin(list []incident.Point) []incident.Point {
	if len(list) <= mostPoints {
		return list
	}
	out := make([]incident.Point, 0, mostPoints)
	for i := range mostPoints {
		out = append(out, list[i*(len(list)-1)/(mostPoints-1)])
	}
	return out
}

// number has four digits that count, and no exponent.
func number(f float64) string {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return "0"
	}
	digits := max(0, 3-int(math.Floor(math.Log10(math.Abs(f)))))
	s := strconv.FormatFloat(f, 'f', min(digits, 12), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// label is s as mermaid takes it between quotes: of other signs it might make a comment, an entity or markup.
func label(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range line(s) {
		if n++; n > mostLabel {
			b.WriteRune('…')
			break
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" .,:()/+-=_", r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
