package verify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	coursePoints  = 24               // of one check
	courseChecks  = 4                // that are asked about
	courseAtLeast = 2 * time.Minute  // before the apply, and after it
	courseAtMost  = 30 * time.Minute // likewise
	usageAtMost   = 7 * 24 * time.Hour
)

// Course asks how each check's query stood from as long before applied as it has been since then. Of several series it is the one
// that is farthest from what it must be. It never fails: what there is no answer to has no points.
func (v *Verifier) Course(ctx context.Context, checks []incident.Check, applied, until time.Time) []incident.Course {
	half := min(max(until.Sub(applied), courseAtLeast), courseAtMost)
	r := v1.Range{Start: applied.Add(-half), End: applied.Add(half), Step: max(time.Second, (2 * half / (coursePoints - 1)).Round(time.Second))}
	if r.End.After(until) {
		r.End = until
	}
	return v.courses(ctx, checks, r, func(query string) string { return query }, applied)
}

// Usage asks how each check's query stood between the two times, each point at the peak since the one before it. It never fails.
func (v *Verifier) Usage(ctx context.Context, checks []incident.Check, since, until time.Time) []incident.Course {
	length := min(max(until.Sub(since), courseAtLeast), usageAtMost)
	step := max(time.Second, (length / (coursePoints - 1)).Round(time.Second))
	r := v1.Range{Start: until.Add(-length), End: until, Step: step}
	return v.courses(ctx, checks, r, func(query string) string {
		return fmt.Sprintf("max_over_time((%s)[%s:%s])", query, model.Duration(step), model.Duration(max(time.Second, step/60).Round(time.Second)))
	}, until.Add(-length))
}

func (v *Verifier) courses(ctx context.Context, checks []incident.Check, r v1.Range, asking func(query string) string, applied time.Time) (out []incident.Course) {
	for _, c := range checks[:min(courseChecks, len(checks))] {
		course := incident.Course{Check: c.Name, Applied: applied}
		bound, worst := side(c.Must)
		course.Bound = bound
		asked, cancel := context.WithTimeout(ctx, queryTimeout)
		value, _, err := v.api.QueryRange(asked, asking(c.Query), r, v1.WithTimeout(queryTimeout))
		cancel()
		if matrix, ok := value.(model.Matrix); err == nil && ok {
			course.Points = points(matrix, worst)
		} else if err != nil {
			course.NoData = "no usable answer from Prometheus: " + line(err.Error())
		}
		if len(course.Points) == 0 {
			course.NoData = cmp.Or(course.NoData, "the query gave no numbers")
		}
		out = append(out, course)
	}
	return out
}

// side is the bound of a condition, and which of two values is farther from it on the wrong side.
func side(must string) (bound *float64, worst func(a, b float64) float64) {
	op := strings.TrimRight(strings.TrimLeft(must, " "), " 0123456789.eE+-")
	var f float64
	if _, err := fmt.Sscanf(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(must), op)), "%g", &f); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		bound = &f
	}
	if strings.HasPrefix(op, ">") {
		return bound, math.Min
	}
	return bound, math.Max
}

// points of all series together, in the order of time. What is no number is left out.
func points(matrix model.Matrix, worst func(a, b float64) float64) (list []incident.Point) {
	at := map[time.Time]float64{}
	for _, series := range matrix {
		for _, p := range series.Values {
			t, value := p.Timestamp.Time(), float64(p.Value)
			if math.IsNaN(value) || math.IsInf(value, 0) {
				continue
			}
			if other, there := at[t]; there {
				value = worst(other, value)
			}
			at[t] = value
		}
	}
	for t, value := range at {
		list = append(list, incident.Point{At: t.UTC(), Value: value})
	}
	slices.SortFunc(list, func(a, b incident.Point) int { return a.At.Compare(b.At) })
	return list
}
