package writeup

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func course() incident.Course {
	applied := time.Date(2026, 1, 2, 10, 45, 0, 0, time.UTC)
	bound := 0.0
	c := incident.Course{Check: "no restarts", Applied: applied, Bound: &bound}
	for i, v := range []float64{1, 2, 4, 3, 3, 3.00004} {
		c.Points = append(c.Points, incident.Point{At: applied.Add(time.Duration(i-3) * time.Minute), Value: v})
	}
	return c
}

var (
	mermaidTitle  = regexp.MustCompile(`^  title "[^"` + "`" + `#;<>%@\[\]]*"$`)
	mermaidNumber = regexp.MustCompile(`^-?\d+(\.\d+)?$`)
)

// TestPlots are all that mermaid can read, whatever the values and the names are.
func TestPlots(t *testing.T) {
	t.Parallel()
	evil, many, wide, flat := course(), course(), course(), course()
	evil.Check = "x\"] \n line [9] %% `;` <script> @team #35; " + strings.Repeat("é", 200)
	for i := range 500 {
		many.Points = append(many.Points, incident.Point{At: many.Applied.Add(time.Duration(i+10) * time.Minute), Value: float64(i)})
	}
	wide.Points[0].Value, wide.Points[1].Value, wide.Points[2].Value = 1e15, -2.5e-7, 1234567.891
	for i := range flat.Points {
		flat.Points[i].Value = 0
	}
	for name, c := range map[string]incident.Course{"evil": evil, "many": many, "wide": wide, "flat": flat} {
		lines := strings.Split(strings.TrimSpace(chart(c)), "\n")
		if len(lines) != 6 || !mermaidTitle.MatchString(lines[1]) || len(lines[1]) > 300 {
			t.Errorf("%s:\n%s", name, chart(c))
			continue
		}
		labels := strings.Split(lines[2], ", ")
		if len(labels) > mostPoints || strings.Count(lines[2], "applied") != 1 {
			t.Errorf("%s: %s", name, lines[2])
		}
		low, high, _ := strings.Cut(strings.TrimPrefix(lines[3], "  y-axis "), " --> ")
		if low == high {
			t.Errorf("%s: a y-axis without a length: %s", name, lines[3])
		}
		for _, l := range lines[4:] {
			values := strings.Split(strings.TrimSuffix(strings.TrimPrefix(l, "  line ["), "]"), ", ")
			if len(values) != len(labels) {
				t.Errorf("%s: %d values at %d times", name, len(values), len(labels))
			}
			for _, v := range append(values, low, high) {
				if !mermaidNumber.MatchString(v) {
					t.Errorf("%s: %q is no number to mermaid", name, v)
				}
			}
		}
	}
	none := plots([]incident.Course{{Check: "a | <b>", NoData: "no usable answer"}})
	if strings.Contains(none, "mermaid") || !strings.Contains(none, "nothing to draw, no usable answer") || strings.Contains(none, "<b>") {
		t.Error(none)
	}
	if got := plots(nil); got != "" {
		t.Error(got)
	}
	if n := strings.Count(plots([]incident.Course{evil, evil, evil, evil, evil, evil}), "xychart"); n != mostPlots {
		t.Errorf("%d plots", n)
	}
}
