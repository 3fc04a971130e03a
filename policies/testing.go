package policies

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestReport is what became of the tests of policies.
type TestReport struct {
	Tests    []TestResult
	Coverage float64    // percent of the lines of the policies, without the tests'
	Files    []Coverage // in the order of their names
}

// TestResult of one rule test_*.
type TestResult struct {
	Name     string // with its package
	Location string // FILE:ROW
	Fail     string // why; empty: it passed
	Output   string // what it printed
}

// Coverage of one file.
type Coverage struct {
	File      string
	Percent   float64
	Uncovered []int // the first row of each stretch that no test has run
}

// Failed tells how many did.
func (r TestReport) Failed() int {
	n := 0
	for _, t := range r.Tests {
		if t.Fail != "" {
			n++
		}
	}
	return n
}

// Test runs the rules test_* of *_test.rego, in the language that the engine allows. Policies that the engine would refuse are
// an error.
func Test(ctx context.Context, fsys fs.FS) (TestReport, error) {
	set, err := Files(fsys).Load(ctx)
	if err != nil {
		return TestReport{}, err
	}
	if _, err := set.compile(ctx); err != nil {
		return TestReport{}, err
	}
	modules, err := set.modules(true)
	if err != nil {
		return TestReport{}, err
	}
	compiler, err := newCompiler()
	if err != nil {
		return TestReport{}, err
	}
	tracer := cover.New()
	results, err := tester.NewRunner().SetCompiler(compiler.WithEnablePrintStatements(true)).SetModules(modules).SetCoverageQueryTracer(tracer).
		CapturePrintOutput(true).RaiseBuiltinErrors(true).RunTests(ctx, nil)
	if err != nil {
		return TestReport{}, fmt.Errorf("run the policies' tests: %w", err)
	}
	var report TestReport
	for r := range results {
		t := TestResult{Name: strings.TrimPrefix(r.Package, "data.") + "." + r.Name, Output: string(r.Output)}
		if r.Location != nil {
			t.Location = fmt.Sprintf("%s:%d", r.Location.File, r.Location.Row)
		}
		if !r.Pass() {
			t.Fail = "it is false or undefined"
			if r.Error != nil {
				t.Fail = r.Error.Error()
			}
		}
		if r.Skip {
			t.Fail = "it is skipped: a test that does not run proves nothing"
		}
		report.Tests = append(report.Tests, t)
	}
	slices.SortFunc(report.Tests, func(a, b TestResult) int { return strings.Compare(a.Name, b.Name) })
	report.cover(tracer.Report(modules))
	return report, nil
}

// cover leaves the tests out.
func (r *TestReport) cover(all cover.Report) {
	covered, lines := 0, 0
	for name, f := range all.Files {
		if test(name) {
			continue
		}
		c := Coverage{File: name, Percent: f.Coverage}
		for _, stretch := range f.NotCovered {
			c.Uncovered = append(c.Uncovered, stretch.Start.Row)
		}
		c.Uncovered = slices.Compact(c.Uncovered)
		covered, lines = covered+f.CoveredLines, lines+f.CoveredLines+f.NotCoveredLines
		r.Files = append(r.Files, c)
	}
	slices.SortFunc(r.Files, func(a, b Coverage) int { return strings.Compare(a.File, b.File) })
	if lines > 0 {
		r.Coverage = 100 * float64(covered) / float64(lines)
	}
}
